"""How one step runs inside Dagster: claim the tenant, record the progress, do the work, turn errors into what Dagster does next."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import dagster as dg

from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.errors import ProvisioningError, StillAtWork, VendorError, VendorUnavailable, passes_in
from tenant_provisioning.model.meanings import in_plain_words
from tenant_provisioning.steps.context import StepContext, StepResult, open_context
from tenant_provisioning.steps.outcome import record_failure
from tenant_provisioning.steps.time_left import time_left
from tenant_provisioning.store import organizations, progress

Action = Callable[[StepContext], Awaitable[StepResult]]
RunContext = dg.AssetExecutionContext | dg.OpExecutionContext | dg.AssetCheckExecutionContext
Metadata = dict[str, dg.MetadataValue[Any]]
AGAIN = "rematerialize"
WORTH_AN_ESTIMATE = 1.0  # seconds
LONGEST_STAY = 300  # seconds that a run waits for a vendor between two attempts at a step


async def perform(
    context: dg.AssetExecutionContext, platform: Platform, step: str, action: Action, *, audited_as: str = AGAIN
) -> dg.MaterializeResult[None]:
    """The materialization of one step, or dg.Failure / dg.RetryRequested in the words of the error."""
    return dg.MaterializeResult(metadata=await carry_out(context, platform, step, action, audited_as=audited_as))


async def carry_out(
    context: RunContext,
    platform: Platform,
    step: str,
    action: Action,
    *,
    for_rollback: bool = False,
    audited_as: str = AGAIN,
) -> Metadata:
    """What one step of making or of rolling back reports, or dg.Failure / dg.RetryRequested in the words of the error."""
    began = time.monotonic()
    try:
        async with claimed_context(context, platform, for_rollback=for_rollback, audited_as=audited_as) as ctx:
            who = (ctx.db, ctx.organization.id, step)
            await progress.start_step(*who, run_id=ctx.run_id)
            try:
                result = await action(ctx)
            except ProvisioningError as error:
                await record_failure(*who, error)
                raise
            except Exception as error:
                reason = f"an unexpected {type(error).__name__}: the platform engineer finds it in the run's log"
                await progress.fail_step(*who, reason)
                raise
            await progress.finish_step(*who, url=next(iter(result.links.values()), ""))
            took = time.monotonic() - began
            # a step that took no time has changed nothing about how long the rest will take
            left = await time_left(ctx.db, ctx.organization) if took > WORTH_AN_ESTIMATE and not for_rollback else None
    except ProvisioningError as error:
        raise retry_or_failure(context, platform, error) from error
    told = metadata(result, took)
    return told | {"tenant_done_in_seconds": dg.MetadataValue.float(round(left.seconds, 1))} if left else told


def retry_or_failure(context: RunContext, platform: Platform, error: ProvisioningError) -> Exception:
    """What Dagster is told about an error: to try again, while it may pass and the run has attempts left, or that it is final.

    What has had its deadline already, and what passes in more than `LONGEST_STAY` seconds, is left to a later run: this one holds a
    place in the queue. The sensors launch that one when its time has come.
    """
    asked = passes_in(error)
    is_for_later = isinstance(error, StillAtWork) or (asked or 0) > LONGEST_STAY
    if asked is None or is_for_later or context.retry_number >= platform.settings.step_retries:
        return failure(error)
    wait = max(asked, platform.settings.step_retry_wait)
    context.log.warning(f"{error}; trying again in {wait:.0f} s")
    return dg.RetryRequested(max_retries=platform.settings.step_retries, seconds_to_wait=wait)


@asynccontextmanager
async def claimed_context(
    context: RunContext, platform: Platform, *, for_rollback: bool = False, audited_as: str = AGAIN
) -> AsyncIterator[StepContext]:
    """The step's context, once this run holds the tenant: whoever launched it, sensor or person, the claim is the same.

    Work on what waits for QA or is live is audited as `audited_as`.

    Raises LifecycleError when another run that still lives holds the tenant, or its status forbids the work.
    """
    async with open_context(platform.settings, context.partition_key, context.run.run_id, platform.connections) as ctx:
        before = ctx.organization
        holder = before.claimed_by_run
        abandoned = () if holder is None or holder == ctx.run_id or _lives(context.instance, holder) else (holder,)
        await organizations.claim(
            ctx.db,
            before.id,
            ctx.run_id,
            actor=f"run {ctx.run_id}",
            abandoned=abandoned,
            for_rollback=for_rollback,
            audited_as=audited_as,
        )
        yield ctx


def _lives(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def metadata(result: StepResult, seconds: float) -> Metadata:
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
    return dg.Failure(description=in_plain_words(error), metadata=told, allow_retries=False)
