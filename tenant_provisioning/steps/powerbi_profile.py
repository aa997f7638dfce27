"""The tenant's service principal profile: an identity within our own that sees this tenant's reports and nobody else's.

The web app calls Power BI in its name, so that a mistake there cannot show one customer's reports to another. Optional
(POWERBI_PROFILES). Provisioning itself goes on as the service principal: Fabric's API knows no profiles, and a profile
that cloned the templates would have to see them.
"""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict
from tenant_provisioning.model.naming import powerbi_profile_name
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import organizations

KIND = ArtifactKind.POWERBI_PROFILE


async def ensure(ctx: StepContext) -> StepResult:
    """The profile exists, is a member of the reports workspace, and sees that workspace alone."""
    powerbi, name = ctx.vendors.powerbi, _name(ctx)
    workspace = await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")

    async def find(_: Artifact | None) -> Found | None:
        profile = await powerbi.find_profile(name)
        return None if profile is None else Found(profile.id, ours=True, details={"name": name})

    async def create(_: Artifact) -> Found:
        return Found((await powerbi.create_profile(name)).id, ours=True, details={"name": name})

    row = await ensure_artifact(ctx, KIND, thing=f"the profile “{name}”", find=find, create=create)
    await _ensure_member(ctx, str(row.vendor_id), str(workspace.vendor_id))
    await organizations.record_profile(ctx.db, ctx.organization.id, str(row.vendor_id))
    return StepResult(facts={"profile_id": str(row.vendor_id)})


async def _ensure_member(ctx: StepContext, profile_id: str, workspace_id: str) -> None:
    """The profile sees the workspace; OwnershipConflict when it sees another as well."""
    powerbi = ctx.vendors.powerbi
    seen = await powerbi.list_groups_of(profile_id)
    if workspace_id not in seen:
        await powerbi.add_profile(workspace_id, profile_id, principal_id=await ctx.tokens.object_id())
    if others := [group for group in seen if group != workspace_id]:
        raise OwnershipConflict(
            f"the profile of {ctx.organization.name} sees {len(others)} workspaces beside its own: somebody gave it "
            f"{', '.join(others)}. Take it out of them in Power BI, then try again."
        )


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The profile is gone, also one whose making we never heard the end of."""
    profile_id = artifact.vendor_id
    if profile_id is None:
        found = await ctx.vendors.powerbi.find_profile(_name(ctx))
        profile_id = None if found is None else found.id
    if profile_id is not None:
        await ctx.vendors.powerbi.delete_profile(profile_id)


def _name(ctx: StepContext) -> str:
    return powerbi_profile_name(ctx.organization.id, ctx.organization.subdomain)
