-- Who may see and write what. anon nothing; a signed-in user the rows of the organization in the token; the service role everything.
-- Tables are named one by one: other tables of the same schema are not ours to touch.

-- On Supabase new tables of this schema are open to anon and authenticated by default. Close everything, then open what is meant.
do $$
declare
  ours text;
begin
  foreach ours in array array[
    'providers', 'module_templates', 'module_features', 'report_templates', 'roles',
    'organizations', 'users', 'subscriptions', 'onboarding_requests',
    'provisioned_artifacts', 'organization_powerbi_reports', 'organization_modules', 'provisioning_steps',
    'qa_results', 'approvals', 'audit_log', 'email_outbox'
  ] loop
    execute format('alter table public.%I enable row level security', ours);
    execute format('revoke all on table public.%I from public, anon, authenticated', ours);
    execute format('grant all on table public.%I to service_role', ours);
  end loop;
  foreach ours in array array[
    'provisioned_artifacts_sequence_seq', 'qa_results_id_seq', 'audit_log_id_seq'
  ] loop
    execute format('revoke all on sequence public.%I from public, anon, authenticated', ours);
    execute format('grant all on sequence public.%I to service_role', ours);
  end loop;
end
$$;

revoke all on function
  public.initialize_organization_modules(uuid), public.link_deployed_reports_to_features(uuid),
  public.organization_may_move(text, text), public.set_updated_at(), public.notify_provisioning(), public.refuse_audit_change(),
  public.check_organization_move(), public.record_organization_move()
  from public, anon, authenticated;
grant execute on function
  public.initialize_organization_modules(uuid), public.link_deployed_reports_to_features(uuid),
  public.organization_may_move(text, text)
  to service_role;

-- Reading what is the same for everybody.
do $$
declare
  platform_wide text;
begin
  foreach platform_wide in array array['providers', 'module_templates', 'module_features', 'report_templates', 'roles'] loop
    execute format('create policy everybody_signed_in_reads on public.%I for select to authenticated using (true)', platform_wide);
  end loop;
end
$$;

grant select on public.providers, public.module_templates, public.module_features, public.roles to authenticated;
-- where the platform keeps its templates is its own business
grant select (key, title, needs, strategy, feature_key, content_hash, retired_at, updated_at) on public.report_templates to authenticated;

-- Reading the rows of one's own organization. (select …) makes the planner read the token once a query, not once a row.
create policy own_organization_reads on public.organizations for select to authenticated
  using (id = (select (auth.jwt() -> 'app_metadata' ->> 'organization_id')::uuid));

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array[
    'users', 'subscriptions', 'onboarding_requests', 'provisioned_artifacts', 'organization_powerbi_reports',
    'organization_modules', 'provisioning_steps', 'qa_results', 'approvals', 'audit_log'
  ] loop
    execute format(
      'create policy own_organization_reads on public.%I for select to authenticated '
      'using (organization_id = (select (auth.jwt() -> ''app_metadata'' ->> ''organization_id'')::uuid))', tenant_table
    );
  end loop;
end
$$;

grant select on
  public.users, public.subscriptions, public.onboarding_requests, public.organization_powerbi_reports, public.organization_modules,
  public.provisioning_steps, public.qa_results, public.approvals
  to authenticated;
-- everything but data_store_connection and who is at work on it
grant select (
  id, name, subdomain, domain, deployment_status, status_reason, lms, english_maths, crm, hr, data_store_kind, host,
  fabric_workspace_id, data_store_id, powerbi_workspace_id, dataset_id, activated_at, created_at, updated_at
) on public.organizations to authenticated;
-- everything but the vendors' details
grant select (id, sequence, organization_id, kind, key, state, vendor_id, created, created_at, updated_at)
  on public.provisioned_artifacts to authenticated;
grant select (id, organization_id, at, actor, action, from_status, to_status, reason) on public.audit_log to authenticated;
-- email_outbox has neither policy nor privilege: its texts can hold a link that signs somebody in

-- Writing: names and roles of people, and which features are switched on. Column privileges say what, policies say whose.
grant update (first_name, last_name, role_key) on public.users to authenticated;
grant update (enabled) on public.organization_modules to authenticated;

create policy super_user_edits_people on public.users for update to authenticated
  using (
    organization_id = (select (auth.jwt() -> 'app_metadata' ->> 'organization_id')::uuid)
    and (select auth.jwt() -> 'app_metadata' ->> 'role') = 'super_user'
  );

create policy everybody_edits_own_name on public.users for update to authenticated
  using (
    organization_id = (select (auth.jwt() -> 'app_metadata' ->> 'organization_id')::uuid)
    and id = (select (auth.jwt() ->> 'sub')::uuid)
  );

create policy super_user_switches_features on public.organization_modules for update to authenticated
  using (
    organization_id = (select (auth.jwt() -> 'app_metadata' ->> 'organization_id')::uuid)
    and (select auth.jwt() -> 'app_metadata' ->> 'role') = 'super_user'
  );

-- A policy cannot compare a row with what it was before, so a trigger keeps people from changing their own role.
create function public.check_role_change() returns trigger language plpgsql set search_path = '' as $$
begin
  if current_user = 'authenticated' and coalesce(auth.jwt() -> 'app_metadata' ->> 'role', '') <> 'super_user' then
    raise exception 'only a super user changes roles' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;

revoke all on function public.check_role_change() from public, anon, authenticated;

create trigger users_check_role_change before update on public.users
  for each row when (old.role_key is distinct from new.role_key) execute function public.check_role_change();
