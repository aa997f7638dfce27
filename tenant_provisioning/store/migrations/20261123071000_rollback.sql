-- The wish to roll an organization back. It is a row of its own accord: whoever wishes writes it, the sensor reads it.

alter table public.organizations
  add column rollback_requested_at timestamptz,
  add column rollback_requested_by text,
  -- counts the runs of one wish from 1; 0 while nobody has wished
  add column rollback_attempt integer not null default 0,
  add constraint organizations_rollback_has_its_author check ((rollback_requested_at is null) = (rollback_requested_by is null)),
  add constraint organizations_rollback_attempt_counts_from_one check ((rollback_attempt > 0) = (rollback_requested_at is not null));

create index organizations_to_roll_back_idx on public.organizations (rollback_requested_at)
  where rollback_requested_at is not null and deployment_status <> 'rolled_back';
