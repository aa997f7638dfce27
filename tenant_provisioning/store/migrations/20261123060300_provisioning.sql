-- What provisioning makes for an organization and how far it is: the ledger of artifacts, deployed reports, modules, live progress.

create table public.provisioned_artifacts (
  id uuid not null default gen_random_uuid(),
  sequence bigint generated always as identity,
  organization_id uuid not null,
  kind text not null,
  key text not null default '',
  state text not null default 'intended',
  vendor_id text,
  created boolean not null default true,
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint provisioned_artifacts_pkey primary key (id),
  constraint provisioned_artifacts_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint provisioned_artifacts_state_is_known check (state in ('intended', 'present', 'removed')),
  constraint provisioned_artifacts_present_has_a_vendor_id check (state <> 'present' or vendor_id is not null),
  constraint provisioned_artifacts_details_is_an_object check (jsonb_typeof(details) = 'object')
);

create unique index provisioned_artifacts_living_key on public.provisioned_artifacts (organization_id, kind, key)
  where state <> 'removed';
create index provisioned_artifacts_newest_first_idx on public.provisioned_artifacts (organization_id, sequence desc);

create trigger provisioned_artifacts_set_updated_at before update on public.provisioned_artifacts
  for each row when (old.* is distinct from new.*) execute function public.set_updated_at();

create table public.organization_powerbi_reports (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  template_key text not null,
  powerbi_report_id text,
  workspace_id text,
  dataset_id text,
  deployment_status text not null default 'pending',
  content_hash text,
  deployed_at timestamptz,
  constraint organization_powerbi_reports_pkey primary key (id),
  constraint organization_powerbi_reports_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint organization_powerbi_reports_template_fkey foreign key (template_key) references public.report_templates (key),
  constraint organization_powerbi_reports_template_unique unique (organization_id, template_key),
  constraint organization_powerbi_reports_status_is_known check (deployment_status in ('deployed', 'failed', 'pending')),
  constraint organization_powerbi_reports_deployed_is_complete check (
    deployment_status <> 'deployed'
    or num_nulls(powerbi_report_id, workspace_id, dataset_id, content_hash, deployed_at) = 0
  ),
  -- the target of organization_modules, so that a feature can only show a report of its own organization
  constraint organization_powerbi_reports_organization_and_id_unique unique (organization_id, id)
);

create index organization_powerbi_reports_template_key_idx on public.organization_powerbi_reports (template_key);

create table public.organization_modules (
  organization_id uuid not null,
  module_key text not null,
  feature_key text not null,
  enabled boolean not null default true,
  report_id uuid,
  constraint organization_modules_pkey primary key (organization_id, feature_key),
  constraint organization_modules_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint organization_modules_feature_fkey foreign key (module_key, feature_key)
    references public.module_features (module_key, key) on update cascade,
  constraint organization_modules_report_fkey foreign key (organization_id, report_id)
    references public.organization_powerbi_reports (organization_id, id) on delete set null (report_id)
);

create index organization_modules_feature_idx on public.organization_modules (module_key, feature_key);
create index organization_modules_report_idx on public.organization_modules (organization_id, report_id);

create table public.provisioning_steps (
  organization_id uuid not null,
  step text not null,
  state text not null,
  run_id text not null,
  attempt integer not null default 1,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  reason text not null default '',
  constraint provisioning_steps_pkey primary key (organization_id, step),
  constraint provisioning_steps_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint provisioning_steps_state_is_known check (state in ('running', 'done', 'failed')),
  constraint provisioning_steps_ended_has_its_time check ((state = 'running') = (finished_at is null))
);

-- Whoever shows progress listens to the channel `provisioning`; the payload is the organization's id.
create function public.notify_provisioning() returns trigger language plpgsql set search_path = '' as $$
begin
  perform pg_notify('provisioning', coalesce(new.organization_id, old.organization_id)::text);
  return null;
end
$$;

create trigger provisioning_steps_notify after insert or update or delete on public.provisioning_steps
  for each row execute function public.notify_provisioning();
