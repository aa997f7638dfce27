-- Whoever shows an organization hears of everything that changes on its page, not of its steps alone.

create function public.notify_organization() returns trigger language plpgsql set search_path = '' as $$
begin
  perform pg_notify('provisioning', new.id::text);
  return null;
end
$$;

revoke execute on function public.notify_organization() from public, anon, authenticated;

create trigger organizations_notify after update on public.organizations
  for each row when (
    (old.claimed_by_run, old.checks_requested_at, old.rollback_requested_at, old.rollback_attempt, old.status_reason)
    is distinct from
    (new.claimed_by_run, new.checks_requested_at, new.rollback_requested_at, new.rollback_attempt, new.status_reason)
  ) execute function public.notify_organization();

-- ticks, approvals, wishes: every action of a person is audited
create trigger audit_log_notify after insert on public.audit_log
  for each row execute function public.notify_provisioning();
create trigger qa_results_notify after insert on public.qa_results
  for each row execute function public.notify_provisioning();
create trigger access_requests_notify after insert or update on public.access_requests
  for each row execute function public.notify_provisioning();

-- The whole timeline is read newest first, and narrowed by time or by who did it.
create index audit_log_at_idx on public.audit_log (at);
create index audit_log_actor_idx on public.audit_log (actor, id);
create index audit_log_action_idx on public.audit_log (action, id);
-- how many organizations came to which status on which day
create index audit_log_moves_idx on public.audit_log (at, to_status) where to_status is not null;
-- which tenants have which content of a template
create index organization_powerbi_reports_content_idx on public.organization_powerbi_reports (template_key, content_hash)
  where deployment_status = 'deployed';
