-- What has failed because a vendor was away goes on by itself: when, how often that has been, and which step may succeed then.

alter table public.organizations
  add column next_attempt_at timestamptz,
  add column waits integer not null default 0,
  add constraint organizations_waits_count_up check (waits >= 0);

comment on column public.organizations.next_attempt_at is 'when provisioning or rollback is tried again without a person; null when it is not';
comment on column public.organizations.waits is 'attempts begun by themselves since a person asked for one';

alter table public.provisioning_steps add column again_at timestamptz;

comment on column public.provisioning_steps.again_at is 'of a failed step: from when on another attempt may succeed; null when a person has to act first';
