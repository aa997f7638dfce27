-- A person can ask for another attempt at a part alone, and is told whether trying again can help.

-- the steps of the current attempt; null: everything that is left to do
alter table public.onboarding_requests add column selection text[];

-- known of failed steps only; null: nobody can tell
alter table public.provisioning_steps add column a_rerun_can_help boolean;

-- past runs tell how long the next one takes
create index provisioning_steps_completed_idx on public.provisioning_steps (finished_at desc)
  where step = 'organization_record' and state = 'done';
