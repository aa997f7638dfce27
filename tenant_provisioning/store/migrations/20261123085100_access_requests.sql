-- What a person wants done about signing in, and what became of it: the portal writes a row and calls no vendor.

create table public.access_requests (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  wish text not null,
  user_id uuid,
  reason text not null default '',
  requested_by text not null,
  requested_at timestamptz not null default now(),
  attempts integer not null default 0,
  outcome text,
  told text not null default '',
  answered_at timestamptz,
  link text,
  constraint access_requests_pkey primary key (id),
  constraint access_requests_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint access_requests_wish_is_known check (wish in ('test_login', 'suspend', 'resume')),
  constraint access_requests_outcome_is_known check (outcome in ('done', 'refused')),
  constraint access_requests_answered_has_its_time check ((outcome is null) = (answered_at is null)),
  -- whoever has the link is that user: it is the vault's, and it goes when it has been read
  constraint access_requests_link_is_encrypted check (link ~ '^v[0-9]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9+/]+=*$')
);

create index access_requests_newest_first_idx on public.access_requests (organization_id, requested_at desc);
-- one wish of a kind at a time
create unique index access_requests_open_key on public.access_requests (organization_id, wish, requested_by) where outcome is null;
create index access_requests_open_idx on public.access_requests (requested_at) where outcome is null;
create index access_requests_unread_idx on public.access_requests (answered_at) where link is not null;

alter table public.access_requests enable row level security;
revoke all on table public.access_requests from public, anon, authenticated;
grant all on table public.access_requests to service_role;
