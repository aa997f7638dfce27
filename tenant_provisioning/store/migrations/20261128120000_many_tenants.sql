-- Whatever is looked for among all organizations is found by an index, and no page sorts all of them.

-- when the organization came to its status; until now only the audit log knew
alter table public.organizations add column moved_at timestamptz not null default now();
alter table public.organizations disable trigger organizations_set_updated_at;
update public.organizations organization
set moved_at = coalesce(
  (select at from public.audit_log move
   where move.organization_id = organization.id and to_status is not null order by id desc limit 1),
  created_at);
alter table public.organizations enable trigger organizations_set_updated_at;

create function public.note_move() returns trigger language plpgsql set search_path = '' as $$
begin
  new.moved_at = now();
  return new;
end
$$;

revoke all on function public.note_move() from public, anon, authenticated;

create trigger organizations_note_move before update on public.organizations
  for each row when (old.deployment_status is distinct from new.deployment_status) execute function public.note_move();

-- The board's usual order: what waits for a person, then what is on its way, then what rests. The expression is the store's, word for
-- word, or the planner does not see that the index fits.
create index organizations_attention_idx on public.organizations (
  (case
    when rollback_requested_at is not null and deployment_status <> 'rolled_back' then 2
    when deployment_status = 'failed' then 0 when deployment_status = 'pending_qa' then 1
    when deployment_status in ('provisioning', 'requested', 'rolling_back') then 2
    when deployment_status = 'suspended' then 3 when deployment_status = 'active' then 4 else 5 end),
  created_at desc, id);
create index organizations_status_attention_idx on public.organizations (
  deployment_status,
  (case
    when rollback_requested_at is not null and deployment_status <> 'rolled_back' then 2
    when deployment_status = 'failed' then 0 when deployment_status = 'pending_qa' then 1
    when deployment_status in ('provisioning', 'requested', 'rolling_back') then 2
    when deployment_status = 'suspended' then 3 when deployment_status = 'active' then 4 else 5 end),
  created_at desc, id);
create index organizations_newest_first_idx on public.organizations (created_at desc, id);
create index organizations_oldest_first_idx on public.organizations (created_at, id);
create index organizations_by_name_idx on public.organizations (lower(name), id);
create index organizations_name_and_subdomain_idx on public.organizations (name, subdomain);
-- who has been longest in a status
create index organizations_longest_first_idx on public.organizations (deployment_status, moved_at, id);
create index organizations_providers_idx on public.organizations (lms, english_maths, crm, hr)
  where deployment_status in ('requested', 'provisioning', 'failed', 'pending_qa', 'active', 'suspended');

-- whose a vendor's thing is; which names were ours once; how many things count against a principal's budget
create index provisioned_artifacts_vendor_id_idx on public.provisioned_artifacts (vendor_id) where state <> 'removed';
create index provisioned_artifacts_removed_names_idx on public.provisioned_artifacts (kind, (details ->> 'name'))
  where state = 'removed';
create index provisioned_artifacts_created_idx on public.provisioned_artifacts (kind, state)
  where created and vendor_id is not null;

-- a person whom a form names and who does not exist yet
create index onboarding_requests_people_idx on public.onboarding_requests
  using gin ((form -> 'super_users') jsonb_path_ops);

-- An approval that has led to a live organization stands on, but no sensor has to look at it again and again.
alter table public.approvals add column fulfilled_at timestamptz;
update public.approvals approval set fulfilled_at = now()
from public.organizations organization
where organization.id = approval.organization_id and lapsed_at is null and deployment_status in ('active', 'suspended');

create function public.fulfil_approval() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.approvals set fulfilled_at = now()
  where organization_id = new.id and lapsed_at is null and fulfilled_at is null;
  return null;
end
$$;

revoke all on function public.fulfil_approval() from public, anon, authenticated;

create trigger organizations_fulfil_approval after update on public.organizations
  for each row when (
    old.deployment_status is distinct from new.deployment_status and new.deployment_status = 'active'
  ) execute function public.fulfil_approval();

drop index public.approvals_standing_idx;
create index approvals_standing_idx on public.approvals (approved_at) where lapsed_at is null and fulfilled_at is null;
