"""The workspace that holds the tenant's data, on the platform's capacity."""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.naming import fabric_workspace_name
from tenant_provisioning.model.qa import Verdict
from tenant_provisioning.steps._workspace import ensure_workspace, remove_workspace, verify_workspace, workspace_result
from tenant_provisioning.steps.context import StepContext, StepResult

KIND = ArtifactKind.FABRIC_WORKSPACE


async def ensure(ctx: StepContext) -> StepResult:
    """The data workspace exists, is ours and is on the capacity."""
    name = fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain)
    artifact = await ensure_workspace(ctx, KIND, name)
    return await workspace_result(ctx, artifact, f"{ctx.settings.fabric_app_url}/groups/{artifact.vendor_id}")


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the data workspace is on the capacity and active."""
    return await verify_workspace(ctx, KIND, "workspace_is_on_capacity")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The data workspace is gone, with the data store in it."""
    await remove_workspace(ctx, artifact, fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain))
