"""The workspace that holds the tenant's data: ours, on the platform's capacity, or the customer's own where it brings one."""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.data_store import OwnDataStore
from tenant_provisioning.model.errors import OwnershipConflict, SetupError
from tenant_provisioning.model.naming import fabric_workspace_name
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps._workspace import ensure_workspace, remove_workspace, verify_workspace
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import require_artifact
from tenant_provisioning.store import artifacts

KIND = ArtifactKind.FABRIC_WORKSPACE
CHECK = "workspace_is_on_capacity"


async def ensure(ctx: StepContext) -> StepResult:
    """The data workspace exists, is ours and is on the capacity; or the customer's own is there and lets us in."""
    own = ctx.form.own_data_store
    if own is not None:
        return await _take_customers(ctx, own)
    name = fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain)
    return await ensure_workspace(ctx, KIND, name, app_url=ctx.settings.fabric_app_url)


async def _take_customers(ctx: StepContext, own: OwnDataStore) -> StepResult:
    """The customer's workspace in the ledger as adopted: nothing in it was made by us, and rollback leaves it as it is."""
    workspace = await ctx.vendors.fabric.find_workspace(own.workspace_id)
    if workspace is None:
        raise SetupError(
            f"the workspace that {ctx.organization.name} brings is not there, or does not let us in: the customer has to give "
            f"the service principal {ctx.settings.entra_client_id} a role in it, then run this step again"
        )
    is_template = workspace.id == str(ctx.settings.template_workspace_id)
    if is_template or await artifacts.is_anothers(ctx.db, ctx.organization.id, workspace.id, created=True):
        raise OwnershipConflict(
            f"the workspace that {ctx.organization.name} brings was made by this platform for somebody else: "
            "check the address with the customer"
        )
    row = await artifacts.adopt(ctx.db, ctx.organization.id, KIND, "", workspace.id, {"name": workspace.name})
    return StepResult(
        facts={"workspace_id": str(row.vendor_id), "whose": "the customer's"}, links={"open": own.workspace_url}
    )


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the data workspace is on the capacity and active; of a customer's own, whether it is on any."""
    if ctx.form.own_data_store is None:
        return await verify_workspace(ctx, KIND, CHECK)
    row = await require_artifact(ctx, KIND, step=KIND)
    workspace = await ctx.vendors.fabric.find_workspace(str(row.vendor_id))
    on_capacity = workspace is not None and workspace.capacity_id and workspace.capacity_progress == "Completed"
    return [
        judged(
            CHECK,
            expected="on a capacity",
            found="no such workspace" if workspace is None else "on a capacity" if on_capacity else "on no capacity",
            reason="The customer's workspace is gone, does not let us in, or has no capacity. The customer has to put that right.",
        )
    ]


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The data workspace is gone, with the data store in it; a customer's own stays."""
    if ctx.form.own_data_store is None:
        await remove_workspace(ctx, artifact, fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain))
