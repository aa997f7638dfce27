-- The service principal profile with which the web app sees this organization's reports and no other's; null where none is used.
alter table public.organizations add column powerbi_profile_id text;
