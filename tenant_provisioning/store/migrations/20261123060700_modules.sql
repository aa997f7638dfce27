-- The two functions that configure an organization's modules. Both can be called again at any time and only do what is missing.
-- The argument is named as in the product's description; inside it is $1, because columns have the same name.

create function public.initialize_organization_modules(organization_id uuid) returns integer
  language plpgsql set search_path = '' as $$
declare
  added integer;
begin
  insert into public.organization_modules (organization_id, module_key, feature_key)
  select $1, feature.module_key, feature.key
  from public.module_features feature
  join public.module_templates module on module.key = feature.module_key
  where feature.retired_at is null and module.retired_at is null
  on conflict on constraint organization_modules_pkey do nothing;
  get diagnostics added = row_count;
  return added;
end
$$;

comment on function public.initialize_organization_modules(uuid) is
  'Gives the organization every feature of the module templates that it lacks; returns how many were added.';

create function public.link_deployed_reports_to_features(organization_id uuid) returns integer
  language plpgsql set search_path = '' as $$
declare
  changed integer;
begin
  with
  -- where several deployed reports serve a feature, the first by template key is shown, so a rerun links the same one
  serving as (
    select distinct on (template.feature_key) template.feature_key, report.id as report_id
    from public.organization_powerbi_reports report
    join public.report_templates template on template.key = report.template_key
    where report.organization_id = $1 and report.deployment_status = 'deployed'
    order by template.feature_key, template.key
  ),
  wanted as (
    select module.feature_key, serving.report_id
    from public.organization_modules module
    left join serving on serving.feature_key = module.feature_key
    where module.organization_id = $1
  )
  update public.organization_modules module
  set report_id = wanted.report_id
  from wanted
  where module.organization_id = $1
    and module.feature_key = wanted.feature_key
    and module.report_id is distinct from wanted.report_id;
  get diagnostics changed = row_count;
  return changed;
end
$$;

comment on function public.link_deployed_reports_to_features(uuid) is
  'Points each feature of the organization to the deployed report that serves it, or to none; returns how many changed.';
