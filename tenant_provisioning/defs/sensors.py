"""The sensors. They read rows, not events, so nothing is lost while Dagster is away: what is left to do is still in the rows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.decisions import Decision, RunState, Situation, decide
from tenant_provisioning.defs.jobs import provision_tenant
from tenant_provisioning.defs.partitions import tenant, unknown_tenants
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.runs import run_states
from tenant_provisioning.model.catalog import matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.steps.outcome import (
    explain_failure,
    explain_remaining,
    goes_on_at,
    may_pass_from,
    remaining_steps,
)
from tenant_provisioning.store import organizations, progress, requests
from tenant_provisioning.store.database import Database, listening, open_database
from tenant_provisioning.store.requests import Work

QUIET, LONGEST_BUSTLE = 0.05, 1.0  # seconds
UNFINISHED = (DeploymentStatus.REQUESTED, DeploymentStatus.PROVISIONING, DeploymentStatus.FAILED)


@dg.sensor(job=provision_tenant, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def onboarding_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    """Launches a run for every request that needs one, and adds its tenant to the partitions."""
    launches = asyncio.run(_launches(context.instance, platform))
    if not launches:
        return dg.SkipReason("no request needs a run")
    new = unknown_tenants(context.instance, [launch.tenant for launch in launches])
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=launch.run_key, partition_key=launch.tenant,
                asset_selection=[dg.AssetKey(step.split("/")) for step in launch.steps],
                tags={"request": launch.request_id, "attempt": str(launch.attempt)},
            )
            for launch in launches
        ],
        dynamic_partitions_requests=[tenant.build_add_request(new)] if new else [],
    )  # fmt: skip


@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def run_failure_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SkipReason:
    """Settles what finished runs left behind: `failed` with a reason where a run failed, was cancelled or vanished, another attempt
    at the rest where a run of a few assets succeeded and the organization is not complete."""
    settled = asyncio.run(_settle(context.instance, platform))
    return dg.SkipReason(f"settled: {', '.join(settled)}" if settled else "nothing to settle")


@dataclass(frozen=True)
class Launch:
    """One run to request."""

    request_id: str
    attempt: int
    tenant: str
    steps: tuple[str, ...]

    @property
    def run_key(self) -> str:
        """Remembered by Dagster for ever, so it names the attempt."""
        return f"{self.request_id}:{self.attempt}"


async def _launches(instance: dg.DagsterInstance, platform: Platform) -> list[Launch]:
    """The runs to request now; where there is none, those of the next seconds.

    Dagster's daemon looks at a sensor every five seconds. Staying to hear of new work takes that wait away.
    """
    url, end = platform.settings.database_url.get_secret_value(), time.monotonic() + platform.settings.sensor_wait
    async with open_database(url) as db, listening(url, requests.WORK) as something_new:
        while True:
            if launches := await _due(instance, platform, db):
                return launches
            if not await something_new(max(end - time.monotonic(), 0)):
                return []
            await _until_quiet(something_new)


async def _until_quiet(something_new: Callable[[float], Awaitable[bool]]) -> None:
    """Returns once nothing more is told for a moment: of many requests at once, what is missed now waits for the next look."""
    end = time.monotonic() + LONGEST_BUSTLE
    while time.monotonic() < end and await something_new(QUIET):
        pass


async def _due(instance: dg.DagsterInstance, platform: Platform, db: Database) -> list[Launch]:
    decisions = await _decisions(instance, db)
    if due_again := [work for work, decision in decisions if decision is Decision.RETRY]:
        reason = "the time for another attempt has come"
        for work in due_again:
            await requests.begin_due_attempt(db, work.organization_id, actor="onboarding_sensor", reason=reason)
        decisions = await _decisions(instance, db)
    return [
        Launch(
            str(work.request_id),
            work.attempt,
            work.subdomain,
            work.selection or await remaining_steps(db, work.organization_id, _keys(platform, work)),
        )
        for work, decision in decisions
        if decision is Decision.LAUNCH
    ]


async def _settle(instance: dg.DagsterInstance, platform: Platform) -> list[str]:
    """The tenants whose finished runs have been dealt with."""
    settled = []
    async with open_database(platform.settings.database_url.get_secret_value()) as db:
        for work, decision in await _decisions(instance, db):
            if decision in (Decision.FAIL, Decision.STOP):
                await _fail(db, platform, work, goes_on=decision is Decision.FAIL)
            elif decision is Decision.CONTINUE:
                await _continue(db, platform, work)
            else:
                continue
            if work.claimed_by_run is not None:
                await organizations.release(db, work.organization_id, work.claimed_by_run)
            settled.append(work.subdomain)
        await _release_finished(instance, db)
    return settled


async def _release_finished(instance: dg.DagsterInstance, db: Database) -> None:
    """No finished run holds an organization that needs no run any more."""
    held = [(each, run) for each, run in await organizations.claimed(db) if each.status not in UNFINISHED]
    states = run_states(instance, run_ids=[run for _, run in held])
    for organization, run in held:
        if states.get(run) is not RunState.ALIVE:
            await progress.fail_running_steps(db, organization.id, reason="the run ended before this step was done")
            await organizations.release(db, organization.id, run)


async def _continue(db: Database, platform: Platform, work: Work) -> None:
    """Another attempt at the rest; where a person asked for a part alone, not at what else has failed."""
    if work.selection and (reason := await explain_remaining(db, work.organization_id, _titles(platform))):
        await organizations.move(
            db, work.organization_id, DeploymentStatus.FAILED, actor="run_failure_sensor", reason=reason
        )
        return
    reason = "the rest is still to be done"
    await requests.next_attempt(db, work.organization_id, actor="run_failure_sensor", reason=reason)


async def _fail(db: Database, platform: Platform, work: Work, *, goes_on: bool) -> None:
    """Failed, with the reason; and with a time for the next attempt where nothing speaks against one."""
    run_id = work.claimed_by_run or ""
    await progress.fail_running_steps(db, work.organization_id, reason="the run ended before this step was done")
    reason = await explain_failure(db, work.organization_id, run_id, _titles(platform))
    if goes_on and (not_before := await may_pass_from(db, work.organization_id, run_id)):
        reason += goes_on_at(
            await requests.schedule_attempt(
                db, work.organization_id, not_before=not_before, actor="run_failure_sensor", reason=reason
            )
        )
    if work.status is DeploymentStatus.REQUESTED:  # the run died before its first step
        await organizations.move(db, work.organization_id, DeploymentStatus.PROVISIONING, actor="run_failure_sensor")
    await organizations.move(
        db, work.organization_id, DeploymentStatus.FAILED, actor="run_failure_sensor", reason=reason
    )


async def _decisions(instance: dg.DagsterInstance, db: Database) -> list[tuple[Work, Decision]]:
    """A decision for every unfinished organization, from one look at the rows and two at Dagster's runs."""
    unfinished = await requests.list_work(db)
    if not unfinished:
        return []
    attempts = run_states(instance, run_keys=[_run_key(work) for work in unfinished])
    holders = run_states(instance, run_ids=[work.claimed_by_run for work in unfinished if work.claimed_by_run])
    return [
        (
            work,
            decide(
                Situation(
                    work.status,
                    holder=holders.get(work.claimed_by_run, RunState.GONE) if work.claimed_by_run else None,
                    attempt=attempts.get(_run_key(work)),
                    is_due_again=work.is_due_again,
                )
            ),
        )
        for work in unfinished
    ]


def _run_key(work: Work) -> str:
    return f"{work.request_id}:{work.attempt}"


def _titles(platform: Platform) -> dict[str, str]:
    return {report.key: report.title for report in platform.catalog.reports}


def _keys(platform: Platform, work: Work) -> list[str]:
    return [report.key for report in matching_reports(platform.catalog.reports, work.providers)]
