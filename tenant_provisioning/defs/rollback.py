"""Rolling a tenant back: the job, an op a stage, and the sensor that reads people's wishes. The stages are `steps.rollback`."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.decisions import RollbackDecision, RollbackSituation, decide_rollback
from tenant_provisioning.defs.execution import carry_out
from tenant_provisioning.defs.partitions import tenant, unknown_tenants
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.runs import live_runs, run_states, stop_run
from tenant_provisioning.model.plan import ROLLBACK_PREFIX, ROLLBACK_STEPS, PlannedStep
from tenant_provisioning.steps.outcome import explain_failed_rollback, when_rollback_goes_on
from tenant_provisioning.steps.rollback import STAGES
from tenant_provisioning.store import organizations, rollbacks
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.rollbacks import RollbackWork


def _op_of(step: PlannedStep) -> dg.OpDefinition:
    @dg.op(
        name=f"remove_{step.name.removeprefix(ROLLBACK_PREFIX)}",
        description=step.title,
        ins={"before": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
    )
    async def stage(context: dg.OpExecutionContext, platform: PlatformParam) -> None:
        told = await carry_out(context, platform, step.name, STAGES[step.name], for_rollback=True)
        context.add_output_metadata(told)

    return stage


OPS = [_op_of(step) for step in ROLLBACK_STEPS]


@dg.job(partitions_def=tenant)
def rollback_tenant() -> None:
    """Takes away everything that was made for one tenant that is to be rolled back, and nothing that was adopted."""
    done = OPS[0]()
    for op in OPS[1:]:
        done = op(before=done)


@dataclass(frozen=True)
class RollbackLaunch:
    """One run of `rollback_tenant` to request."""

    tenant: str
    run_key: str
    requested_by: str
    attempt: int


@dg.sensor(job=rollback_tenant, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def rollback_sensor(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    """Stops what is still at work on a tenant that is to be rolled back, then launches the run that takes it away."""
    launches, told = asyncio.run(attend_to_rollbacks(context.instance, platform))
    if not launches:
        return dg.SkipReason("; ".join(told) or "nobody has asked for a rollback")
    new = unknown_tenants(context.instance, [launch.tenant for launch in launches])
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=launch.run_key, partition_key=launch.tenant,
                tags={"requested_by": launch.requested_by, "attempt": str(launch.attempt)},
            )
            for launch in launches
        ],
        dynamic_partitions_requests=[tenant.build_add_request(new)] if new else [],
    )  # fmt: skip


async def attend_to_rollbacks(
    instance: dg.DagsterInstance, platform: Platform
) -> tuple[list[RollbackLaunch], list[str]]:
    """The runs to request now, after everything else that is due has been done, and what that was, in words."""
    launches, told = list[RollbackLaunch](), list[str]()
    async with open_database(platform.settings.database_url.get_secret_value()) as db:
        for work in await rollbacks.list_rollbacks(db):
            decision = _decision(instance, work)
            if decision is RollbackDecision.BEGIN:
                await rollbacks.begin_rollback(db, work.organization.id)
                decision = RollbackDecision.LAUNCH  # a wish has no run before its organization is rolling back
            if decision is RollbackDecision.LAUNCH:
                launches.append(
                    RollbackLaunch(work.organization.subdomain, _run_key(work), work.requested_by, work.attempt)
                )
            else:
                await _attend(instance, db, work, decision)
                told.append(f"{work.organization.subdomain}: {decision.name.lower()}")
    return launches, told


async def _attend(instance: dg.DagsterInstance, db: Database, work: RollbackWork, decision: RollbackDecision) -> None:
    """What is to be done by ourselves, without a run."""
    organization = work.organization
    if decision is RollbackDecision.STOP_RUNS:
        for run in live_runs(instance, organization.subdomain):
            if run.job_name != rollback_tenant.name:
                stop_run(instance, run)
    elif decision in (RollbackDecision.COUNT_FAILURE, RollbackDecision.GIVE_UP):
        given_up = decision is RollbackDecision.GIVE_UP
        next_at = None if given_up else await when_rollback_goes_on(db, organization)
        reason = await explain_failed_rollback(db, organization, cancelled=given_up, next_at=next_at)
        await rollbacks.note_failed_attempt(db, work, reason, last=given_up, next_at=next_at)
        if organization.claimed_by_run is not None:
            await organizations.release(db, organization.id, organization.claimed_by_run)


def _decision(instance: dg.DagsterInstance, work: RollbackWork) -> RollbackDecision:
    alive = [run.job_name == rollback_tenant.name for run in live_runs(instance, work.organization.subdomain)]
    return decide_rollback(
        RollbackSituation(
            work.organization.status,
            others_alive=not all(alive),
            rollback_alive=any(alive),
            attempt=run_states(instance, run_keys=[_run_key(work)]).get(_run_key(work)),
            attempts_left=not work.organization.rollback_has_stopped,
            waits=(work.organization.next_attempt_at or datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC),
        )
    )


def _run_key(work: RollbackWork) -> str:
    """Remembered by Dagster for ever, so it names the wish and the attempt."""
    return f"rollback:{work.organization.id}:{work.requested_at.timestamp():.6f}:{work.attempt}"
