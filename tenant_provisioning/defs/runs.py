"""What Dagster knows of runs, in the few words our decisions need, and how a run is told to stop."""

import time
from collections.abc import Sequence

import dagster as dg

from tenant_provisioning.defs.decisions import RunState

PARTITION, RUN_KEY = "dagster/partition", "dagster/run_key"
WILL_RETRY, RETRIED_AS = "dagster/will_retry", "dagster/auto_retry_run_id"
RETRY_BEGINS_WITHIN = 60  # seconds; the daemon looks for failed runs every five
STATES = {
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELED,
}


def run_states(
    instance: dg.DagsterInstance, *, run_ids: Sequence[str] = (), run_keys: Sequence[str] = ()
) -> dict[str, RunState]:
    """The state of each run by its id, or by its run key: the newest where a crash made Dagster start it again."""
    if not run_ids and not run_keys:
        return {}
    filters = dg.RunsFilter(run_ids=list(run_ids)) if run_ids else dg.RunsFilter(tags={RUN_KEY: list(run_keys)})
    states: dict[str, RunState] = {}
    for run in instance.get_runs(filters):  # newest first
        states.setdefault(run.run_id if run_ids else run.tags[RUN_KEY], run_state(instance, run))
    return states


def run_state(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunState:
    """The run's state; one that the daemon is going to start again, after a crash, lives on in its successor."""
    if run.tags.get(WILL_RETRY) == "true" and run.status is dg.DagsterRunStatus.FAILURE:
        successor = instance.get_run_by_id(run.tags.get(RETRIED_AS, ""))
        if successor is not None:
            return run_state(instance, successor)
        return RunState.ALIVE if _ended_just_now(instance, run) else RunState.FAILED
    return STATES.get(run.status, RunState.ALIVE)


def _ended_just_now(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the daemon may still be about to start the run again.

    It can miss a failure, and then never does: it reads the event before the run is marked for a retry, and does not look again.
    """
    record = instance.get_run_record_by_id(run.run_id)
    return record is not None and record.end_time is not None and time.time() - record.end_time < RETRY_BEGINS_WITHIN


def live_runs(instance: dg.DagsterInstance, tenant: str) -> list[dg.DagsterRun]:
    """Every run of the tenant, of whatever job, that has not ended, the newest first."""
    unfinished = [status for status in dg.DagsterRunStatus if status not in STATES]
    return list(instance.get_runs(dg.RunsFilter(tags={PARTITION: tenant}, statuses=unfinished)))


def stop_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """The run has been told to stop, as the UI's Terminate does; it ends within seconds. Quiet when it cannot be told now.

    A run whose process is gone is ended by Dagster's own monitoring, which also ends one that does not heed.
    """
    if run.status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED):
        instance.run_coordinator.cancel_run(run.run_id)
