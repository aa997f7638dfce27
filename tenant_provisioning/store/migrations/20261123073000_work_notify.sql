-- Wakes whoever waits for work: a request was submitted, or another attempt at one was asked for.
-- Listening needs a direct connection; through a transaction pooler nothing arrives, and whoever waits looks again by itself.
create function public.notify_work() returns trigger language plpgsql set search_path = '' as $$
begin
  perform pg_notify('work', new.organization_id::text);
  return null;
end $$;

revoke execute on function public.notify_work() from public, anon, authenticated;

create trigger onboarding_requests_notify after insert or update of attempt on public.onboarding_requests
  for each row execute function public.notify_work();
