-- Whether a tenant is good enough to go live: what the checks found and who approved it on which evidence.

create table public.qa_results (
  id bigint generated always as identity,
  organization_id uuid not null,
  attempt integer not null,
  run_id text not null,
  step text not null,
  check_name text not null,
  outcome text not null,
  blocking boolean not null,
  expected text not null,
  found text not null,
  reason text not null default '',
  checked_at timestamptz not null default now(),
  constraint qa_results_pkey primary key (id),
  constraint qa_results_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint qa_results_outcome_is_known check (outcome in ('passed', 'failed', 'not_carried_out'))
);

create index qa_results_latest_idx on public.qa_results (organization_id, step, check_name, id desc);

create table public.approvals (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  approved_by text not null,
  approved_at timestamptz not null default now(),
  note text not null default '',
  evidence_hash text not null,
  evidence jsonb not null,
  lapsed_at timestamptz,
  lapse_reason text,
  constraint approvals_pkey primary key (id),
  constraint approvals_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint approvals_lapse_has_its_reason check ((lapsed_at is null) = (lapse_reason is null))
);

create unique index approvals_valid_key on public.approvals (organization_id) where lapsed_at is null;
create index approvals_newest_first_idx on public.approvals (organization_id, approved_at desc);
