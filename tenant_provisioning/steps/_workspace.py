"""What the Fabric and the Power BI workspace share: both are one kind of object, in one name space, made through Fabric's API
because only that takes our mark and the capacity in the same call."""

from dataclasses import replace

from tenant_provisioning.model.artifact import WORKSPACE_KINDS, Artifact, ArtifactKind
from tenant_provisioning.model.budget import WORKSPACES_PER_TENANT, WorkspaceBudget
from tenant_provisioning.model.errors import OwnershipConflict, SetupError, VendorError, VendorRejected
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.fabric_records import Workspace

NAME_TAKEN = ("WorkspaceNameAlreadyExists", "WorkspaceNameIsReserved")


async def ensure_workspace(ctx: StepContext, kind: ArtifactKind, name: str, *, app_url: str) -> StepResult:
    """The workspace of this name exists, carries our mark and is on the capacity; it opens in the app at this address."""
    fabric = ctx.vendors.fabric
    there: list[Workspace] = []  # found, not made

    async def find(row: Artifact | None) -> Found | None:
        workspace = None
        if row is not None and row.vendor_id is not None:
            workspace = await fabric.find_workspace(row.vendor_id)
        if workspace is None:
            group = await ctx.vendors.powerbi.find_group(name)
            workspace = None if group is None else await fabric.find_workspace(group.id)
        if workspace is None:
            return None
        there.append(workspace)
        return described(workspace)

    async def create(row: Artifact) -> Found:
        await _check_budget(ctx)
        try:
            workspace = await _make_workspace(ctx, kind, name)
        except VendorRejected as refusal:
            if refusal.code != "WorkspaceNameAlreadyExists":
                raise
            # Permissions become visible late: what we could not see a moment ago may be our own earlier attempt.
            found = await find(row)
            if found is None:
                raise OwnershipConflict(
                    f"the workspace “{name}” exists already, where we may not see it. "
                    "Rename or remove it in Fabric, or onboard under another name, then try again."
                ) from refusal
            return replace(found, existed=True)
        return described(workspace)

    def described(workspace: Workspace) -> Found:
        return Found(workspace.id, ours=workspace.description == ctx.mark, details={"name": name})

    artifact = await ensure_artifact(ctx, kind, thing=f"the workspace “{name}”", find=find, create=create)
    _, holds = await together(_ensure_capacity(ctx, str(artifact.vendor_id), there), _budget(ctx))
    return StepResult(
        facts={
            "workspace_id": str(artifact.vendor_id),
            "name": artifact.details["name"],
            "capacity_id": str(ctx.settings.fabric_capacity_id),
            "service_principal_holds": str(holds),
        },
        links={"open": f"{app_url}/groups/{artifact.vendor_id}"},
    )


async def _ensure_capacity(ctx: StepContext, workspace_id: str, there: list[Workspace]) -> None:
    """The workspace is on the capacity, also one found `there` that was taken off it or never arrived."""
    fabric, capacity = ctx.vendors.fabric, str(ctx.settings.fabric_capacity_id)
    if any(not found.is_on(capacity) and found.capacity_progress != "InProgress" for found in there):
        await fabric.assign_to_capacity(workspace_id, capacity)
    await fabric.wait_for_capacity(workspace_id, capacity, deadline=ctx.settings.operation_deadline)


async def _check_budget(ctx: StepContext) -> None:
    """Quiet when what this tenant still needs is within the service principal's budget of workspaces, else SetupError.

    Both workspaces of a tenant are counted before its first is made, so that none is left with half of them.
    """
    budget = await _budget(ctx)
    rows = await artifacts.list_artifacts(ctx.db, ctx.organization.id)
    has = sum(row.kind in WORKSPACE_KINDS and row.created and row.vendor_id is not None for row in rows)
    takes = WORKSPACES_PER_TENANT if ctx.form.own_data_store is None else 1
    if budget.left < (needed := takes - has):
        raise SetupError(
            f"the service principal holds {budget}, and {ctx.organization.name} needs {needed} more. Roll back tenants that "
            "are not needed, or onboard this one with another service principal; Microsoft allows each 1,000 "
            "(WORKSPACE_BUDGET)."
        )


async def _budget(ctx: StepContext) -> WorkspaceBudget:
    return WorkspaceBudget(await ctx.vendors.powerbi.count_groups(), ctx.settings.workspace_budget)


async def _make_workspace(ctx: StepContext, kind: ArtifactKind, name: str) -> Workspace:
    """A new workspace, once its name is free of one that was rolled back: that it is free at once is not documented."""

    async def make() -> Workspace:
        return await ctx.vendors.fabric.create_workspace(
            name, capacity_id=str(ctx.settings.fabric_capacity_id), description=ctx.mark
        )

    async def is_kept(refusal: VendorError) -> bool:
        if refusal.code not in NAME_TAKEN or not await artifacts.was_removed(ctx.db, kind, name):
            return False
        return await ctx.vendors.powerbi.find_group(name) is None

    return await once_free(ctx, kind, name, make, is_kept)


async def verify_workspace(ctx: StepContext, kind: ArtifactKind, check: str) -> list[Verdict]:
    """Whether the workspace is there and sits on the capacity, active."""
    row = await require_artifact(ctx, kind, step=kind)
    workspace = await ctx.vendors.fabric.find_workspace(str(row.vendor_id))
    capacity = str(ctx.settings.fabric_capacity_id)
    if workspace is None:
        found = "no such workspace"
    else:
        found = f"capacity {workspace.capacity_id}, assignment {workspace.capacity_progress}"
    return [
        judged(
            check,
            expected=f"capacity {capacity}, assignment Completed",
            found=found,
            reason="The workspace is not on the platform's capacity. Check in Fabric that the capacity is running, "
            "then run this step again: it puts the workspace back.",
        )
    ]


async def remove_workspace(ctx: StepContext, artifact: Artifact, name: str) -> None:
    """The workspace and everything in it is gone, also one whose making we never heard the end of."""
    fabric, workspace_id = ctx.vendors.fabric, artifact.vendor_id
    if workspace_id is None:
        group = await ctx.vendors.powerbi.find_group(name)
        workspace = None if group is None else await fabric.find_workspace(group.id)
        workspace_id = workspace.id if workspace is not None and workspace.description == ctx.mark else None
    if workspace_id is not None:
        await fabric.delete_workspace(workspace_id)
