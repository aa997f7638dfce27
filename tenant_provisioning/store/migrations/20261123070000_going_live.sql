-- What lies between QA and customers: the items a person ticks, the wish for another round of checks, and mail that goes out once.

create table public.qa_manual_items (
  organization_id uuid not null,
  item text not null,
  done_by text not null,
  done_at timestamptz not null default now(),
  note text not null default '',
  constraint qa_manual_items_pkey primary key (organization_id, item),
  constraint qa_manual_items_organization_fkey foreign key (organization_id) references public.organizations (id)
);

alter table public.qa_manual_items enable row level security;
revoke all on table public.qa_manual_items from public, anon, authenticated;
grant all on table public.qa_manual_items to service_role;
grant select on public.qa_manual_items to authenticated;
create policy own_organization_reads on public.qa_manual_items for select to authenticated
  using (organization_id = (select (auth.jwt() -> 'app_metadata' ->> 'organization_id')::uuid));

-- Set while somebody waits for the checks to be run again; cleared as soon as a run for it exists.
alter table public.organizations add column checks_requested_at timestamptz;
create index organizations_checks_requested_idx on public.organizations (checks_requested_at) where checks_requested_at is not null;

-- The sensors look at these every second.
create index approvals_standing_idx on public.approvals (approved_at) where lapsed_at is null;
create index qa_results_not_carried_out_idx on public.qa_results (organization_id, id desc) where outcome = 'not_carried_out';

-- A sender that died before it handed the mail over has certainly sent nothing; one that died later perhaps has.
alter table public.email_outbox
  add column claimed_at timestamptz,
  add column handed_over_at timestamptz;
create index email_outbox_sending_idx on public.email_outbox (claimed_at) where state = 'sending';

-- The subscription follows the organization, whoever moves it.
create function public.move_subscription() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.subscriptions set status = new.deployment_status where organization_id = new.id;
  return null;
end
$$;

revoke all on function public.move_subscription() from public, anon, authenticated;

create trigger organizations_move_subscription after update on public.organizations
  for each row when (
    old.deployment_status is distinct from new.deployment_status
    and new.deployment_status in ('active', 'suspended')
  ) execute function public.move_subscription();
