-- How many calls a minute the vendors take from us, shared by every process: who may call now, who waits, and in which order.
-- A bucket is what a vendor counts together. Its budget lies there as so many tokens; a call takes one, which comes back by itself
-- one window later. The one function that decides is called by store.call_budgets.

create table public.call_buckets (
  bucket text not null,
  calls integer not null,
  seconds double precision not null,
  held_until timestamptz not null default '-infinity',
  urgent_round bigint not null default 0,
  bulk_round bigint not null default 0,
  urgent_streak integer not null default 0,
  constraint call_buckets_pkey primary key (bucket),
  constraint call_buckets_calls_are_some check (calls > 0 and seconds > 0)
) with (fillfactor = 50);

comment on column public.call_buckets.held_until is 'nobody calls before: the vendor has said so';
comment on column public.call_buckets.urgent_round is 'the turn of the urgent call that was let through last; turns are counted for each lane by itself';
comment on column public.call_buckets.urgent_streak is 'urgent calls let through since the last bulk call, as far as they are counted';

create table public.call_tokens (
  bucket text not null,
  number integer not null,
  free_at timestamptz not null default '-infinity',
  tenant uuid,
  urgent boolean,
  turn bigint not null default 0,
  constraint call_tokens_pkey primary key (bucket, number),
  constraint call_tokens_bucket_fkey foreign key (bucket) references public.call_buckets on delete cascade
) with (fillfactor = 50);

comment on column public.call_tokens.tenant is 'who took it last, and with which turn: whoever has just had a turn waits for the others';

create table public.waiting_calls (
  id uuid not null,
  bucket text not null,
  tenant uuid not null,
  urgent boolean not null,
  turn bigint not null,
  arrival bigint generated always as identity,
  asks_again_at timestamptz not null,
  constraint waiting_calls_pkey primary key (id),
  constraint waiting_calls_bucket_fkey foreign key (bucket) references public.call_buckets on delete cascade
) with (fillfactor = 70);

create index waiting_calls_by_turn on public.waiting_calls (bucket, urgent, turn, arrival);

create table public.organization_calls (
  organization_id uuid not null,
  bucket text not null,
  calls integer not null,
  constraint organization_calls_pkey primary key (organization_id, bucket),
  constraint organization_calls_organization_id_fkey
    foreign key (organization_id) references public.organizations on delete cascade
) with (fillfactor = 70);

comment on table public.organization_calls is 'calls that provisioning has made so far: what others have needed tells what one still needs';

-- Whether the call `place` is let through, to go in so many seconds, or else in how many seconds to ask again with the same place.
-- Tenants take turns, a call each; of five calls four are urgent ones as long as both kinds wait. Whoever's turn comes within `lead`
-- seconds has it for certain, and is told its token. A place whose owner does not come back for it is given up.
create function public.ask_for_call(
  asked_bucket text, budget integer, window_seconds double precision, lead double precision,
  place uuid, asking uuid, is_urgent boolean, counted boolean,
  out may_go boolean, out seconds double precision, out token integer
)
language plpgsql
set search_path = ''
as $$
declare
  grace constant interval := interval '5 seconds';
  streak_length constant integer := 4;
  known public.call_buckets;
  moment timestamptz;
  my_turn bigint;
  had_turn bigint;
  had_arrival bigint;
  is_new boolean := true;
  ahead integer := 0;
  others integer := 0;
  held integer;
  highest integer;
  due timestamptz;
begin
  select * into known from public.call_buckets where bucket = asked_bucket for update;
  if not found or known.calls <> budget or known.seconds <> window_seconds then
    insert into public.call_buckets as changed (bucket, calls, seconds) values (asked_bucket, budget, window_seconds)
      on conflict (bucket) do update set calls = excluded.calls, seconds = excluded.seconds
      returning * into known;
    select count(*), coalesce(max(number), 0) into held, highest from public.call_tokens where bucket = asked_bucket;
    insert into public.call_tokens (bucket, number)
      select asked_bucket, highest + more from generate_series(1, budget - held) as more;
    -- a smaller budget loses those first that nobody has used lately
    delete from public.call_tokens where bucket = asked_bucket and number in (
      select number from public.call_tokens where bucket = asked_bucket order by free_at limit greatest(held - budget, 0)
    );
  end if;
  moment := clock_timestamp(); -- not now(): the bucket may have been another's for a while

  my_turn := case when is_urgent then known.urgent_round else known.bulk_round end;
  if exists (select from public.waiting_calls where bucket = asked_bucket) then
    delete from public.waiting_calls where bucket = asked_bucket and asks_again_at < moment - grace and id <> place;
    select turn, arrival into had_turn, had_arrival from public.waiting_calls where id = place;
    is_new := not found;
    my_turn := coalesce(had_turn, greatest(my_turn, 1 + (select max(turn) from (
      select turn from public.waiting_calls where bucket = asked_bucket and urgent = is_urgent and tenant = asking
      union all
      select turn from public.call_tokens where bucket = asked_bucket and urgent = is_urgent and tenant = asking
    ) as had)));
    select
      count(*) filter (where urgent = is_urgent and (turn, arrival) < (my_turn, coalesce(had_arrival, 9223372036854775807))),
      count(*) filter (where urgent <> is_urgent)
      into ahead, others from public.waiting_calls where bucket = asked_bucket and id <> place;
    ahead := ahead + case
      when is_urgent then least(others, (ahead + known.urgent_streak) / streak_length)
      else least(others, greatest((ahead + 1) * streak_length - known.urgent_streak, 0))
    end;
  end if;

  select number, greatest(free_at, known.held_until, moment) + make_interval(secs => window_seconds) * (ahead / budget)
    into token, due from public.call_tokens where bucket = asked_bucket order by free_at, number offset ahead % budget limit 1;
  may_go := due <= moment + make_interval(secs => lead);

  if may_go then
    update public.call_tokens
      set free_at = due + make_interval(secs => window_seconds), tenant = asking, urgent = is_urgent, turn = my_turn
      where bucket = asked_bucket and number = token;
    update public.call_buckets set
      urgent_round = case when is_urgent then greatest(urgent_round, my_turn) else urgent_round end,
      bulk_round = case when is_urgent then bulk_round else greatest(bulk_round, my_turn) end,
      urgent_streak = case when is_urgent then least(urgent_streak + 1, streak_length) else 0 end
      where bucket = asked_bucket;
    if not is_new then
      delete from public.waiting_calls where id = place;
    end if;
    if counted then
      insert into public.organization_calls as had (organization_id, bucket, calls) values (asking, asked_bucket, 1)
        on conflict (organization_id, bucket) do update set calls = had.calls + 1;
    end if;
  else
    -- whoever waits for long looks once a window whether its turn comes earlier: others may have left, or have been killed
    due := least(due, greatest(moment + make_interval(secs => window_seconds), known.held_until)) - make_interval(secs => lead);
    insert into public.waiting_calls (id, bucket, tenant, urgent, turn, asks_again_at)
      values (place, asked_bucket, asking, is_urgent, my_turn, due)
      on conflict (id) do update set asks_again_at = excluded.asks_again_at;
  end if;
  seconds := greatest(extract(epoch from due - clock_timestamp()), 0);
end
$$;

do $$
declare
  ours text;
begin
  foreach ours in array array['call_buckets', 'call_tokens', 'waiting_calls', 'organization_calls'] loop
    execute format('alter table public.%I enable row level security', ours);
    execute format('revoke all on table public.%I from public, anon, authenticated', ours);
    execute format('grant all on table public.%I to service_role', ours);
  end loop;
end
$$;
revoke all on sequence public.waiting_calls_arrival_seq from public, anon, authenticated;
grant all on sequence public.waiting_calls_arrival_seq to service_role;
revoke all on function public.ask_for_call(text, integer, double precision, double precision, uuid, uuid, boolean, boolean) from public, anon, authenticated;
grant execute on function public.ask_for_call(text, integer, double precision, double precision, uuid, uuid, boolean, boolean) to service_role;
