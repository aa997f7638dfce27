"""Dagster's event log kept in bounds. Dagster itself forgets old ticks (`retention` in `dagster.yaml`), but no event of a run.

What a run went through step by step is of no use months later, and it is most of what a run writes. What stays is what Dagster
reads to say which tenant has which asset, what its checks found, and how each run began and ended. Nothing else reads these events:
progress, verdicts and the audit log are rows of the platform database, and stay for good.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.storage import RememberingEventLog

BATCH = 50  # runs a look, so that no look takes long
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def retention_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SkipReason:
    """Forgets the details of runs that ended EVENT_LOG_DAYS ago, the oldest first; its cursor is how far it has come."""
    before = datetime.now(UTC) - timedelta(days=platform.settings.event_log_days)
    after = datetime.fromisoformat(context.cursor) if context.cursor else None
    runs, events, reached = forget_details(context.instance, after=after, before=before)
    if reached is not None:
        context.update_cursor(reached.isoformat())
    return dg.SkipReason(f"forgot {events} events of {runs} runs" if events else "nothing is old enough")


def forget_details(
    instance: dg.DagsterInstance, *, after: datetime | None, before: datetime
) -> tuple[int, int, datetime | None]:
    """How many runs were looked at and how many of their events are gone, and when the last of these runs was changed."""
    log = instance.event_log_storage
    if not isinstance(log, RememberingEventLog):
        return 0, 0, None  # another storage: `dagster.yaml` names ours
    records = instance.get_run_records(
        dg.RunsFilter(statuses=ENDED, updated_after=after, updated_before=before),
        limit=BATCH,
        order_by="update_timestamp",
        ascending=True,
    )
    if not records:
        return 0, 0, None
    events = log.forget_details([record.dagster_run.run_id for record in records])
    return len(records), events, records[-1].update_timestamp.replace(tzinfo=UTC)
