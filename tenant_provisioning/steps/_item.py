"""What lakehouse and dataset share: both are items of a workspace that Fabric makes in an operation which can outlive us."""

from collections.abc import Awaitable, Callable

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.ownership import Found
from tenant_provisioning.store import artifacts


async def find_item(ctx: StepContext, row: Artifact | None, workspace_id: str, kind: str, name: str) -> Found | None:
    """The item of this name, once an operation that an earlier attempt began for it has ended."""
    fabric = ctx.vendors.fabric
    item = await fabric.find_item(workspace_id, kind, name)
    if item is None and row is not None and row.vendor_id is None and row.details.get("operation_id"):
        try:
            await fabric.wait_for_operation(str(row.details["operation_id"]), deadline=ctx.settings.operation_deadline)
        except VendorRejected:
            return None  # it failed, or Fabric has forgotten it: begin again
        item = await fabric.find_item(workspace_id, kind, name)
    return None if item is None else Found(item.id, ours=item.description == ctx.mark)


def remember_operation(ctx: StepContext, row: Artifact) -> Callable[[str], Awaitable[None]]:
    """Writes the operation's id into the ledger: a crash between the vendor's 202 and its end must not lose it."""

    async def remember(operation_id: str) -> None:
        await artifacts.note(ctx.db, row.id, operation_id=operation_id)

    return remember
