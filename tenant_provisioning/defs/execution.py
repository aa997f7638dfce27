"""How one step runs inside Dagster: claim the tenant, record the progress, do the work, turn errors into what Dagster should do next."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import dagster as dg

from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.errors import ProvisioningError, VendorError, VendorUnavailable
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.steps.context import StepContext, StepResult, open_context
from tenant_provisioning.store import audit, organizations, progress

Action = Callable[[StepContext], Awaitable[StepResult]]
FINISHED = (DeploymentStatus.PENDING_QA, DeploymentStatus.ACTIVE)


async def perform(
    context: dg.AssetExecutionContext, platform: Platform, step: str, action: Action
) -> dg.MaterializeResult[None]:
    """The materialization of one step, or dg.Failure / dg.RetryRequested in the words of the error."""
    began = time.monotonic()
    try:
        async with claimed_context(context, platform) as ctx:
            who = (ctx.db, ctx.organization.id, step)
            await progress.start_step(*who, run_id=ctx.run_id)
            try:
                result = await action(ctx)
            except ProvisioningError as error:
                await progress.fail_step(*who, str(error))
                raise
            except Exception as error:
                reason = f"an unexpected {type(error).__name__}: the platform engineer finds it in the run's log"
                await progress.fail_step(*who, reason)
                raise
            await progress.finish_step(*who)
    except VendorUnavailable as error:
        if context.retry_number < platform.settings.step_retries:
            wait = max(error.retry_after or 0, platform.settings.step_retry_wait)
            context.log.warning(f"{error}; trying again in {wait:.0f} s")
            raise dg.RetryRequested(max_retries=platform.settings.step_retries, seconds_to_wait=wait) from error
        raise failure(error) from error
    except ProvisioningError as error:
        raise failure(error) from error
    return dg.MaterializeResult(metadata=metadata(result, time.monotonic() - began))


@asynccontextmanager
async def claimed_context(context: dg.AssetExecutionContext, platform: Platform) -> AsyncIterator[StepContext]:
    """The step's context, once this run holds the tenant: whoever launched it, sensor or person, the claim is the same.

    Raises LifecycleError when another run that still lives holds the tenant, or its status forbids the work.
    """
    keep_connections(context.instance)
    async with open_context(platform.settings, context.partition_key, context.run_id) as ctx:
        before = ctx.organization
        holder = before.claimed_by_run
        abandoned = () if holder is None or holder == ctx.run_id or _lives(context.instance, holder) else (holder,)
        actor = f"run {ctx.run_id}"
        await organizations.claim(ctx.db, before.id, ctx.run_id, actor=actor, abandoned=abandoned)
        if before.status in FINISHED and holder != ctx.run_id:
            await audit.append(ctx.db, before.id, actor=actor, action="rematerialize", reason=f"while {before.status}")
        yield ctx


@lru_cache(maxsize=4)
def keep_connections(instance: dg.DagsterInstance) -> None:
    """Dagster's storage keeps its connections from now on, in this process.

    By default it opens a new one for every query, several an event, which took most of a run's time. Dagster's webserver has a
    setting against that; a run profits as much.
    """
    instance.optimize_for_webserver(
        statement_timeout=60_000, pool_recycle=3600, max_overflow=4
    )  # milliseconds; seconds


def _lives(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def metadata(result: StepResult, seconds: float) -> dict[str, dg.MetadataValue[Any]]:
    """Facts and links as Dagster shows them."""
    shown: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.url(url) for name, url in result.links.items()}
    for name, fact in result.facts.items():
        shown[name] = dg.MetadataValue.int(fact) if isinstance(fact, int) else dg.MetadataValue.text(str(fact))
    return {**shown, "seconds": dg.MetadataValue.float(round(seconds, 3))}


def failure(error: ProvisioningError) -> dg.Failure:
    """An error as Dagster should show it. It is not tried again by the run: what a rerun can mend has been tried already."""
    told: dict[str, dg.MetadataValue[Any]] = {}
    if isinstance(error, VendorError):
        facts = {
            "vendor": error.vendor,
            "operation": error.operation,
            "code": error.code,
            "vendor_request_id": error.request_id,
        }
        told = {name: dg.MetadataValue.text(str(fact)) for name, fact in facts.items() if fact}
        told["a_rerun_can_help"] = dg.MetadataValue.bool(isinstance(error, VendorUnavailable))
    return dg.Failure(description=str(error), metadata=told, allow_retries=False)
