-- What the platform can deploy, the same for every organization: providers, modules, template reports. Filled by the catalog sync,
-- which never deletes (organizations point here) but marks what is gone.

create function public.set_updated_at() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create table public.providers (
  category text not null,
  key text not null,
  name text not null,
  active boolean not null default true,
  constraint providers_pkey primary key (category, key),
  constraint providers_category_is_known check (category in ('lms', 'english_maths', 'crm', 'hr')),
  constraint providers_key_is_not_empty check (key <> '')
);

create table public.module_templates (
  key text not null,
  title text not null,
  position integer not null,
  retired_at timestamptz,
  constraint module_templates_pkey primary key (key)
);

create table public.module_features (
  key text not null,
  module_key text not null,
  title text not null,
  position integer not null,
  retired_at timestamptz,
  constraint module_features_pkey primary key (key),
  constraint module_features_module_fkey foreign key (module_key) references public.module_templates (key),
  -- the target of organization_modules, so that a feature that changes its module takes the organizations' rows along
  constraint module_features_module_and_key_unique unique (module_key, key)
);

create table public.report_templates (
  key text not null,
  title text not null,
  needs jsonb not null default '{}',
  strategy text not null,
  source_report_id text,
  pbix_path text,
  feature_key text not null,
  content_hash text not null,
  retired_at timestamptz,
  updated_at timestamptz not null default now(),
  constraint report_templates_pkey primary key (key),
  constraint report_templates_feature_fkey foreign key (feature_key) references public.module_features (key),
  constraint report_templates_needs_is_an_object check (jsonb_typeof(needs) = 'object'),
  constraint report_templates_has_its_source check (
    (strategy = 'clone' and source_report_id is not null) or (strategy = 'import' and pbix_path is not null)
  )
);

create index report_templates_feature_key_idx on public.report_templates (feature_key);

create trigger report_templates_set_updated_at before update on public.report_templates
  for each row when (old.* is distinct from new.*) execute function public.set_updated_at();
