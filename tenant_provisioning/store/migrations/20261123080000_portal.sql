-- What the portal keeps for itself: who is signed in, who has tried to, and forms that are not finished. No tenant ever sees it:
-- row-level security without a policy, and no privilege but the service role's.

create table public.portal_sessions (
  -- the hash of what the cookie holds, so that whoever reads this table cannot sign in with it
  token_hash text not null,
  user_id uuid not null,
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- when Supabase last said that this person still is what they were
  confirmed_at timestamptz not null default now(),
  constraint portal_sessions_pkey primary key (token_hash),
  constraint portal_sessions_end_after_they_begin check (expires_at > created_at)
);

create index portal_sessions_expires_at_idx on public.portal_sessions (expires_at);
create index portal_sessions_user_idx on public.portal_sessions (user_id);

-- Each attempt counts twice: for the address it names and for where it came from. Both are kept as hashes.
create table public.portal_sign_in_attempts (
  id bigint generated always as identity,
  subject_hash text not null,
  attempted_at timestamptz not null default now(),
  constraint portal_sign_in_attempts_pkey primary key (id)
);

create index portal_sign_in_attempts_recent_idx on public.portal_sign_in_attempts (subject_hash, attempted_at);
create index portal_sign_in_attempts_attempted_at_idx on public.portal_sign_in_attempts (attempted_at);

create table public.onboarding_drafts (
  id uuid not null default gen_random_uuid(),
  owner_id uuid not null,
  fields jsonb not null default '{}',
  -- by field name, in the vault's format; what is here never goes back to a browser
  secrets jsonb not null default '{}',
  submitted_as uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint onboarding_drafts_pkey primary key (id),
  constraint onboarding_drafts_organization_fkey foreign key (submitted_as) references public.organizations (id),
  constraint onboarding_drafts_fields_is_an_object check (jsonb_typeof(fields) = 'object'),
  constraint onboarding_drafts_secrets_is_an_object check (jsonb_typeof(secrets) = 'object'),
  constraint onboarding_drafts_submitted_holds_no_secret check (submitted_as is null or secrets = '{}')
);

create index onboarding_drafts_owner_idx on public.onboarding_drafts (owner_id, updated_at desc) where submitted_as is null;
create index onboarding_drafts_submitted_as_idx on public.onboarding_drafts (submitted_as);

create trigger onboarding_drafts_set_updated_at before update on public.onboarding_drafts
  for each row when (old.* is distinct from new.*) execute function public.set_updated_at();

do $$
declare
  ours text;
begin
  foreach ours in array array['portal_sessions', 'portal_sign_in_attempts', 'onboarding_drafts'] loop
    execute format('alter table public.%I enable row level security', ours);
    execute format('revoke all on table public.%I from public, anon, authenticated', ours);
    execute format('grant all on table public.%I to service_role', ours);
  end loop;
end
$$;

revoke all on sequence public.portal_sign_in_attempts_id_seq from public, anon, authenticated;
grant all on sequence public.portal_sign_in_attempts_id_seq to service_role;
