"""What data stores and dataset share: they are items of a workspace that Fabric makes in an operation which can outlive us."""

from collections.abc import Awaitable, Callable

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.ownership import Found
from tenant_provisioning.store import artifacts


async def find_item(ctx: StepContext, row: Artifact | None, workspace_id: str, kind: str, name: str) -> Found | None:
    """The item the ledger knows, or else the one of this name once an operation begun earlier has ended."""
    fabric = ctx.vendors.fabric
    there = await fabric.list_items(workspace_id, kind)
    known = [item for item in there if row is not None and item.id == row.vendor_id]  # even if somebody has renamed it
    item = next(iter(known or (item for item in there if item.name == name)), None)
    if item is None and row is not None and row.vendor_id is None and row.details.get("operation_id"):
        try:
            await fabric.wait_for_operation(str(row.details["operation_id"]), deadline=ctx.settings.operation_deadline)
        except VendorRejected:
            return None  # it failed, or Fabric has forgotten it: begin again
        item = await fabric.find_item(workspace_id, kind, name)
    return None if item is None else Found(item.id, ours=item.description == ctx.mark)


async def remove_item(ctx: StepContext, artifact: Artifact, workspace_id: str, kind: str, name: str) -> None:
    """The item is gone, also one whose making we never heard the end of."""
    item_id = artifact.vendor_id
    if item_id is None:
        found = await find_item(ctx, artifact, workspace_id, kind, name)
        item_id = found.vendor_id if found is not None and found.ours else None
    if item_id is not None:
        await ctx.vendors.fabric.delete_item(workspace_id, item_id)


def remember_operation(ctx: StepContext, row: Artifact) -> Callable[[str], Awaitable[None]]:
    """Writes the operation's id into the ledger: a crash between the vendor's 202 and its end must not lose it."""

    async def remember(operation_id: str) -> None:
        await artifacts.note(ctx.db, row.id, operation_id=operation_id)

    return remember
