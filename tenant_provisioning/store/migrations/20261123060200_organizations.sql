-- The customers: their row, their people, their subscription, and the form with which they began.

create table public.organizations (
  id uuid not null default gen_random_uuid(),
  name text not null,
  subdomain text not null,
  domain text not null,
  deployment_status text not null default 'requested',
  status_reason text,
  lms text not null,
  english_maths text not null,
  crm text not null,
  hr text,
  data_store_kind text not null,
  data_store_connection text,
  host text,
  fabric_workspace_id text,
  data_store_id text,
  powerbi_workspace_id text,
  dataset_id text,
  claimed_by_run text,
  claimed_at timestamptz,
  activated_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint organizations_pkey primary key (id),
  constraint organizations_name_is_not_empty check (btrim(name) <> ''),
  constraint organizations_subdomain_is_a_dns_label check (subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint organizations_deployment_status_is_known check (deployment_status in (
    'requested', 'provisioning', 'failed', 'pending_qa', 'active', 'suspended', 'rolling_back', 'rolled_back'
  )),
  -- the vault's format and nothing else, so that a connection string in the clear cannot get in by mistake
  constraint organizations_data_store_connection_is_encrypted check (
    data_store_connection ~ '^v[0-9]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9+/]+=*$'
  ),
  constraint organizations_claim_has_its_time check ((claimed_by_run is null) = (claimed_at is null))
);

-- The subdomain alone is the tenant's partition key, so it is unique across domains. A rolled back organization keeps its row and
-- frees its name.
create unique index organizations_living_subdomain_key on public.organizations (subdomain) where deployment_status <> 'rolled_back';
create index organizations_subdomain_created_at_idx on public.organizations (subdomain, created_at desc);
create index organizations_deployment_status_idx on public.organizations (deployment_status, created_at);
create index organizations_unfinished_idx on public.organizations (created_at)
  where deployment_status in ('requested', 'provisioning', 'failed');
create index organizations_claimed_idx on public.organizations (claimed_by_run) where claimed_by_run is not null;

create trigger organizations_set_updated_at before update on public.organizations
  for each row when (old.* is distinct from new.*) execute function public.set_updated_at();

-- Roles of people within their own organization. The platform's own staff are not users of any organization.
create table public.roles (
  key text not null,
  title text not null,
  constraint roles_pkey primary key (key)
);

insert into public.roles (key, title) values ('super_user', 'Super user'), ('member', 'Member');

create table public.users (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  email text not null,
  first_name text not null,
  last_name text not null,
  role_key text not null,
  created_at timestamptz not null default now(),
  constraint users_pkey primary key (id),
  constraint users_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint users_role_fkey foreign key (role_key) references public.roles (key),
  constraint users_organization_email_unique unique (organization_id, email),
  constraint users_email_is_in_lower_case check (email = lower(email) and email like '%_@_%'),
  constraint users_names_are_not_endless check (length(first_name) <= 100 and length(last_name) <= 100)
);

create index users_email_idx on public.users (email);
create index users_role_key_idx on public.users (role_key);

create table public.subscriptions (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  plan text not null,
  status text not null,
  created_at timestamptz not null default now(),
  constraint subscriptions_pkey primary key (id),
  constraint subscriptions_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint subscriptions_organization_unique unique (organization_id),
  constraint subscriptions_status_is_known check (status in ('pending', 'active', 'suspended', 'cancelled'))
);

create table public.onboarding_requests (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  form jsonb not null,
  attempt integer not null default 1,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  constraint onboarding_requests_pkey primary key (id),
  constraint onboarding_requests_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint onboarding_requests_organization_unique unique (organization_id),
  constraint onboarding_requests_form_is_an_object check (jsonb_typeof(form) = 'object'),
  constraint onboarding_requests_attempt_counts_from_one check (attempt >= 1)
);
