"""The workspace that holds the tenant's dataset and reports. Its name differs from the data workspace's: both share one
name space."""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.naming import powerbi_workspace_name
from tenant_provisioning.model.qa import Verdict
from tenant_provisioning.steps import powerbi_profile
from tenant_provisioning.steps._workspace import ensure_workspace, remove_workspace, verify_workspace
from tenant_provisioning.steps.context import StepContext, StepResult

KIND = ArtifactKind.POWERBI_WORKSPACE


async def ensure(ctx: StepContext) -> StepResult:
    """The reports workspace exists, is ours and is on the capacity; where profiles are wanted, the tenant's sees it alone."""
    name = powerbi_workspace_name(ctx.organization.name, ctx.organization.subdomain)
    result = await ensure_workspace(ctx, KIND, name, app_url=ctx.settings.powerbi_app_url)
    if not ctx.settings.powerbi_profiles:
        return result
    profile = await powerbi_profile.ensure(ctx)
    return replace(result, facts={**result.facts, **profile.facts})


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the reports workspace is on the capacity and active."""
    return await verify_workspace(ctx, KIND, "reports_workspace_is_on_capacity")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The reports workspace is gone, with dataset and reports."""
    await remove_workspace(ctx, artifact, powerbi_workspace_name(ctx.organization.name, ctx.organization.subdomain))
