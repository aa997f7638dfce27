"""The platform's modules for this tenant, with the features that reports serve linked to the deployed ones. All of it is rows."""

from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.store import modules


async def ensure(ctx: StepContext) -> StepResult:
    """The organization has every module's features, and each that a deployed report serves points to it."""
    await modules.initialize_modules(ctx.db, ctx.organization.id)
    await modules.link_reports(ctx.db, ctx.organization.id)
    state = await modules.module_state(ctx.db, ctx.organization.id)
    return StepResult(facts={"features": state.features, "linked": state.linked})


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the modules are all there and no feature points to a report that is not deployed."""
    state = await modules.module_state(ctx.db, ctx.organization.id)
    return [
        judged(
            "modules_are_initialized",
            expected=f"{state.expected} features",
            found=f"{state.features} features",
            reason="Some module features are missing for this organization. Run the modules step again.",
        ),
        judged(
            "features_point_to_deployed_reports",
            expected="0 astray",
            found=f"{state.dangling + state.unlinked} astray",
            reason="Some features point to reports that are not deployed, or lack the report that serves them. "
            "Run the modules step again.",
        ),
    ]
