-- Who did what, kept for good, and the moves an organization may make. The same table of moves is model/lifecycle.py.

create table public.audit_log (
  id bigint generated always as identity,
  organization_id uuid not null,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  from_status text,
  to_status text,
  reason text not null default '',
  details jsonb not null default '{}',
  constraint audit_log_pkey primary key (id),
  constraint audit_log_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint audit_log_details_is_an_object check (jsonb_typeof(details) = 'object')
);

create index audit_log_organization_idx on public.audit_log (organization_id, id);

create function public.refuse_audit_change() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception 'the audit log can only be added to: % is refused', tg_op using errcode = 'insufficient_privilege';
end
$$;

-- a statement trigger: it refuses even where no row would be hit
create trigger audit_log_is_append_only before update or delete or truncate on public.audit_log
  for each statement execute function public.refuse_audit_change();
-- otherwise session_replication_role = replica would switch it off
alter table public.audit_log enable always trigger audit_log_is_append_only;

create function public.organization_may_move(from_status text, to_status text) returns boolean
  language sql immutable set search_path = ''
  return (from_status, to_status) in (
    ('requested', 'provisioning'),
    ('provisioning', 'pending_qa'), ('provisioning', 'failed'),
    ('failed', 'provisioning'), ('failed', 'rolling_back'),
    ('pending_qa', 'active'), ('pending_qa', 'rolling_back'),
    ('active', 'suspended'), ('active', 'rolling_back'),
    ('suspended', 'active'),
    ('rolling_back', 'rolled_back')
  );

create function public.check_organization_move() returns trigger language plpgsql set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    if new.deployment_status <> 'requested' then
      raise exception 'an organization begins as requested, not as %', new.deployment_status;
    end if;
  elsif new.deployment_status is distinct from old.deployment_status then
    if not public.organization_may_move(old.deployment_status, new.deployment_status) then
      raise exception 'an organization that is % cannot become %', old.deployment_status, new.deployment_status;
    end if;
    if new.deployment_status = 'active' then
      new.activated_at := coalesce(new.activated_at, now());
    end if;
  end if;
  return new;
end
$$;

create trigger organizations_check_move before insert or update on public.organizations
  for each row execute function public.check_organization_move();
alter table public.organizations enable always trigger organizations_check_move;

-- The store says who acts and why in app.actor and app.reason, for the transaction. Other callers are known by their login.
create function public.record_organization_move() returns trigger language plpgsql set search_path = '' as $$
declare
  said text := nullif(current_setting('app.reason', true), '');
begin
  if tg_op = 'UPDATE' and said is null and new.status_reason is distinct from old.status_reason then
    said := new.status_reason;
  end if;
  insert into public.audit_log (organization_id, actor, action, from_status, to_status, reason)
  values (
    new.id,
    coalesce(nullif(current_setting('app.actor', true), ''), session_user),
    case tg_op when 'INSERT' then 'requested' else 'moved' end,
    case tg_op when 'UPDATE' then old.deployment_status end,
    new.deployment_status,
    coalesce(said, '')
  );
  perform pg_notify('provisioning', new.id::text);
  return null;
end
$$;

create trigger organizations_record_request after insert on public.organizations
  for each row execute function public.record_organization_move();
create trigger organizations_record_move after update on public.organizations
  for each row when (old.deployment_status is distinct from new.deployment_status)
  execute function public.record_organization_move();
alter table public.organizations enable always trigger organizations_record_request;
alter table public.organizations enable always trigger organizations_record_move;
