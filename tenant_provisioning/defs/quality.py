"""The sensors between QA and customers: approvals that lead to going live, checks that are to be run again, mail that is due.

Like those in `sensors` they read rows. What stands against an approval is `steps.approval`.
"""

import asyncio
import time
from dataclasses import dataclass

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.decisions import is_go_live_due
from tenant_provisioning.defs.jobs import check_tenant, go_live
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.runs import PARTITION, live_runs, run_states
from tenant_provisioning.steps.approval import settle
from tenant_provisioning.steps.delivery import deliver_if_due
from tenant_provisioning.store import approvals, check_requests
from tenant_provisioning.store.check_requests import CheckRequest
from tenant_provisioning.store.database import open_database

APPROVAL = "approval"  # the tag of a run that names the approval it acts on
REPEAT_CHECKS_AFTER = 300  # seconds from a check that could not be carried out to its next attempt


@dataclass(frozen=True)
class GoLive:
    """One run of `go_live` to request; `number` counts the runs of its approval from 1."""

    tenant: str
    approval: str
    number: int


@dg.sensor(job=go_live, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def approval_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    """Launches `go_live` for what a person has approved, and notes approvals that have lapsed."""
    launches = asyncio.run(_approved(context.instance, platform))
    if not launches:
        return dg.SkipReason("no approval waits for a run")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{launch.approval}:{launch.number}",
                partition_key=launch.tenant,
                tags={APPROVAL: launch.approval},
            )
            for launch in launches
        ]
    )


@dg.sensor(job=check_tenant, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def checks_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    """Launches `check_tenant` where a person has asked for it, and where a check in QA could not be carried out."""
    wanted = asyncio.run(_check_requests(context.instance, platform))
    if not wanted:
        return dg.SkipReason("no checks are asked for")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=_run_key(each), tags={PARTITION: each.subdomain}) for each in wanted]
    )


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def outbox_sensor(platform: PlatformParam) -> dg.SkipReason:
    """Sends mail that is due: what its own run could not, because the mail server was away or the run died."""
    sent = asyncio.run(_send_mail(platform))
    return dg.SkipReason(f"sent {sent}" if sent else "no mail went out")


async def _approved(instance: dg.DagsterInstance, platform: Platform) -> list[GoLive]:
    settings, due = platform.settings, list[GoLive]()
    async with open_database(settings.database_url.get_secret_value()) as db:
        for organization in await approvals.list_approved(db):
            found = await settle(db, organization, settings, noticed_by="approval_sensor")
            if not found.stands or found.approval is None:
                continue
            approval, tenant = str(found.approval.id), organization.subdomain
            records = instance.get_run_records(dg.RunsFilter(tags={APPROVAL: approval}))
            ended = max((record.end_time for record in records if record.end_time), default=None)
            if is_go_live_due(
                at_work=bool(live_runs(instance, tenant)),
                runs=len(records),
                seconds_since_last=None if ended is None else time.time() - ended,
            ):
                due.append(GoLive(tenant, approval, len(records) + 1))
    return due


async def _check_requests(instance: dg.DagsterInstance, platform: Platform) -> list[CheckRequest]:
    """The rounds of checks that have no run yet; a wish that has one is struck off its row."""
    async with open_database(platform.settings.database_url.get_secret_value()) as db:
        wanted = await check_requests.list_check_requests(db, repeat_after=REPEAT_CHECKS_AFTER)
        launched = run_states(instance, run_keys=[_run_key(each) for each in wanted])
        for each in wanted:
            if _run_key(each) in launched:
                await check_requests.forget_check_request(db, each)
    return [each for each in wanted if _run_key(each) not in launched]


async def _send_mail(platform: Platform) -> int:
    async with open_database(platform.settings.database_url.get_secret_value(), max_size=1) as db:
        return await deliver_if_due(db, platform.settings)


def _run_key(request: CheckRequest) -> str:
    return f"checks: {request.key}"
