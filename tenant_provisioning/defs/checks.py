"""The automatic QA gates: each step's `verify` as asset checks of the tenant, recorded as results that outlast the run."""

from collections.abc import Awaitable, Callable

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.execution import retry_or_failure
from tenant_provisioning.defs.partitions import tenant
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.errors import DatabaseUnavailable, ProvisioningError, VendorUnavailable
from tenant_provisioning.model.plan import STEPS, PlannedStep
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.steps import (
    deployed_reports,
    dns_record,
    fabric_data_store,
    fabric_workspace,
    module_configuration,
    organization_record,
    powerbi_dataset,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.store import qa_results

Verify = Callable[[StepContext, Platform], Awaitable[list[Verdict]]]

VERIFIERS: dict[str, Verify] = {
    "dns_record": lambda ctx, _: dns_record.verify(ctx),
    "fabric_workspace": lambda ctx, _: fabric_workspace.verify(ctx),
    "fabric_data_store": lambda ctx, _: fabric_data_store.verify(ctx),
    "powerbi_workspace": lambda ctx, _: powerbi_workspace.verify(ctx),
    "powerbi_dataset": lambda ctx, _: powerbi_dataset.verify(ctx),
    "deployed_reports": lambda ctx, platform: deployed_reports.verify(ctx, platform.reports_for(ctx.organization)),
    "module_configuration": lambda ctx, _: module_configuration.verify(ctx),
    "super_users": lambda ctx, _: super_users.verify(ctx),
    "organization_record": lambda ctx, _: organization_record.verify(ctx),
}
# DNS takes its time to spread; the rest of the run need not wait for it and goes on while it is asked again. Going live waits.
NOT_BLOCKING = {"resolves_to_the_web_app"}


def build_checks() -> list[dg.AssetChecksDefinition]:
    """One check op a step, which opens its connections once for all checks of the step."""
    return [_checks_of(step) for step in STEPS if step.checks]


def _checks_of(step: PlannedStep) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{step.name}", can_subset=True,
        specs=[
            dg.AssetCheckSpec(check, asset=step.name, partitions_def=tenant, blocking=check not in NOT_BLOCKING)
            for check in step.checks
        ],
    )  # fmt: skip
    # Dagster knows the annotation of a generator, but not of an async one
    async def checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam):  # type: ignore[no-untyped-def]
        try:
            verdicts = await _recorded(context, platform, step)
        except ProvisioningError as error:
            raise retry_or_failure(context, platform, error) from error
        for verdict in verdicts:
            if verdict.outcome is Outcome.NOT_CARRIED_OUT or (verdict.check in NOT_BLOCKING and not verdict.passed):
                _ask_again(context, platform, verdict.reason)
        for verdict in verdicts:
            yield _result(step, verdict)

    return checks


async def _recorded(context: dg.AssetCheckExecutionContext, platform: Platform, step: PlannedStep) -> list[Verdict]:
    """The verdicts of the selected checks, on record."""
    selected = {key.name for key in context.selected_asset_check_keys}
    async with open_context(platform.settings, context.partition_key, context.run.run_id, platform.connections) as ctx:
        verdicts = [verdict for verdict in await _ask(step, ctx, platform) if verdict.check in selected]
        for verdict in verdicts:  # also of an attempt that is going to be repeated: a person sees what is awaited
            await qa_results.record_verdict(
                ctx.db,
                ctx.organization.id,
                run_id=ctx.run_id,
                step=step.name,
                verdict=verdict,
                blocking=verdict.check not in NOT_BLOCKING,
            )
    return verdicts


def _ask_again(context: dg.AssetCheckExecutionContext, platform: Platform, reason: str) -> None:
    """Raises dg.RetryRequested while this run has attempts left."""
    if context.op_execution_context.retry_number < platform.settings.step_retries:
        wait = platform.settings.step_retry_wait
        context.log.warning(f"{reason} The next attempt is in {wait:.0f} s.")
        raise dg.RetryRequested(max_retries=platform.settings.step_retries, seconds_to_wait=wait)


async def _ask(step: PlannedStep, ctx: StepContext, platform: Platform) -> list[Verdict]:
    """The verdicts; when the asking itself went wrong, one for each check that says so."""
    try:
        return await VERIFIERS[step.name](ctx, platform)
    except (VendorUnavailable, DatabaseUnavailable) as error:
        reason = f"This check could not be carried out and says nothing about the tenant: {error}. Run it again."
        outcome = Outcome.NOT_CARRIED_OUT
    except ProvisioningError as error:
        reason, outcome = str(error), Outcome.FAILED
    return [Verdict(check, outcome, expected="an answer", found="an error", reason=reason) for check in step.checks]


def _result(step: PlannedStep, verdict: Verdict) -> dg.AssetCheckResult:
    carried_out = verdict.outcome is not Outcome.NOT_CARRIED_OUT
    return dg.AssetCheckResult(
        passed=verdict.passed, check_name=verdict.check, asset_key=dg.AssetKey(step.name), description=verdict.reason or None,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"expected": verdict.expected, "found": verdict.found, "carried_out": carried_out},
    )  # fmt: skip
