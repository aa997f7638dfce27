"""Dagster's own tables after thousands of tenants: those of a few real runs again and again, under other run ids and partitions.

The newest runs keep all their events, the older ones those that `defs.retention` leaves.
"""

import re
import time
from collections.abc import Sequence

import dagster as dg
import psycopg

from tenant_provisioning.defs.storage import LASTING

WHOLE = 100  # rounds of copies that are not old enough to have lost their details
# a run's tenant, and beside it another tenant's run of the same shape; a copy of the n-th round is older than the round before
COPIES = """
    create temporary table copies as
    select run.run_id as old_run, tag.value as old_tenant, number,
           md5(run.run_id || number)::uuid::text as new_run, 'n' || number || '-' || tag.value as new_tenant
    from runs run join run_tags tag on tag.run_id = run.run_id and tag.key = 'dagster/partition'
    cross join generate_series(1, %(times)s) number
    where run.status = 'SUCCESS'"""
# @column: the column's text under the new names
RENAMED = re.compile(r"@(\w+)")
NAMES = r"""replace(replace(\1, old_run, new_run), '"' || old_tenant || '"', '"' || new_tenant || '"')"""
STATEMENTS = (
    """insert into runs (run_id, snapshot_id, pipeline_name, mode, status, run_body, partition, partition_set, create_timestamp,
          update_timestamp, start_time, end_time, backfill_id)
        select new_run, snapshot_id, pipeline_name, mode, status, @run_body, new_tenant, partition_set,
          create_timestamp - number * interval '1 minute', update_timestamp - number * interval '1 minute',
          start_time - number * 60, end_time - number * 60, backfill_id
        from runs join copies on run_id = old_run""",
    """insert into run_tags (run_id, key, value)
       select new_run, key, replace(case when key = 'dagster/run_key' then number || value else value end, old_tenant, new_tenant)
       from run_tags join copies on run_id = old_run""",
    """insert into event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
        select new_run, @event, dagster_event_type, timestamp - number * interval '1 minute', step_key, asset_key,
          case when partition is not null then new_tenant end
        from event_logs join copies on run_id = old_run
        where number <= %(whole)s or dagster_event_type like any(%(lasting)s)""",
    """insert into asset_check_executions (asset_key, check_name, partition, run_id, execution_status, evaluation_event,
          evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id, create_timestamp)
        select asset_key, check_name, new_tenant, new_run, execution_status, @evaluation_event,
          evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id, create_timestamp
        from asset_check_executions join copies on run_id = old_run""",
    """insert into dynamic_partitions (partitions_def_name, partition)
       select distinct 'tenant', new_tenant from copies""",
)
# a report that none of the few had, made for somebody with other providers; a run looks at every one that was ever made
OTHERS = """
    insert into asset_keys (asset_key, last_materialization, last_run_id, last_materialization_timestamp)
    select other, replace(last_materialization, asset_key, other), last_run_id, last_materialization_timestamp
    from unnest(%(others)s::text[]) other
    cross join (select * from asset_keys where asset_key = any(%(others)s) and last_materialization is not null limit 1) made
    on conflict (asset_key) do nothing"""
# Dagster's daemon goes through every run that has ended, 500 at a look; the copies are news to it
GONE_THROUGH = """
    select value::bigint >= (select max(id) from event_logs where dagster_event_type = 'PIPELINE_SUCCESS') from kvs
    where key = 'EVENT_LOG_CONSUMER_CURSOR-PIPELINE_SUCCESS'"""
GOING_THROUGH = 300.0  # seconds
ONE_RUN = """
    select count(*), sum(length(event)), count(*) filter (where dagster_event_type like any(%(lasting)s)),
           sum(length(event)) filter (where dagster_event_type like any(%(lasting)s))
    from event_logs where run_id = (select max(run_id) from runs where status = 'SUCCESS')"""


def lengthen(url: str, times: int, reports: Sequence[dg.AssetKey]) -> int:
    """How many rows were added: those of every successful run, so many times over, and one for each report that none of them made.

    The statistics are fresh afterwards.
    """
    values = {"times": times, "whole": WHOLE, "lasting": list(LASTING)}
    with psycopg.connect(url) as connection:
        connection.execute(COPIES, values)
        connection.execute("create index on copies (old_run)")
        connection.execute("analyze copies")
        added = 0
        for statement in STATEMENTS:
            added += connection.execute(RENAMED.sub(NAMES, statement).encode(), values).rowcount
        added += connection.execute(OTHERS, {"others": [key.to_string() for key in reports]}).rowcount
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return added


def wait_until_gone_through(url: str) -> None:
    """Until the daemon has seen all that was added; it would count as what the idle stack costs."""
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = time.monotonic() + GOING_THROUGH
        while connection.execute(GONE_THROUGH).fetchone() != (True,):
            assert time.monotonic() < deadline, "the daemon does not go through the runs that were added"
            time.sleep(1)


def events_of_a_run(url: str) -> dict[str, int]:
    """How many events a run leaves and how many bytes they are, and the same of those that stay for good."""
    with psycopg.connect(url) as connection:
        row = connection.execute(ONE_RUN, {"lasting": list(LASTING)}).fetchone()
        assert row is not None
    return dict(
        zip(("events", "bytes", "lasting_events", "lasting_bytes"), (int(one or 0) for one in row), strict=True)
    )
