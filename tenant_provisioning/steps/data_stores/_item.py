"""What data stores share that are items of the tenant's data workspace."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.steps._item import find_item, remove_item
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import STEP
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.sql import SqlDatabase

NO_ADDRESS_YET = {"server": None, "database": None}  # those of the store before would lead the dataset there


async def data_workspace_id(ctx: StepContext) -> str:
    """The tenant's data workspace."""
    workspace = await require_artifact(ctx, ArtifactKind.FABRIC_WORKSPACE, step="fabric_workspace")
    return str(workspace.vendor_id)


async def ensure_in_workspace(
    ctx: StepContext, item_type: str, name: str, *, thing: str, create: Callable[[Artifact], Awaitable[Found]]
) -> Artifact:
    """The ledger row of the item of this type and name, which exists and is ours; one made anew has no address yet."""
    workspace_id = await data_workspace_id(ctx)

    async def find(row: Artifact | None) -> Found | None:
        found = await find_item(ctx, row, workspace_id, item_type, name)
        if found is None or row is None or found.vendor_id == row.vendor_id:
            return found
        return replace(found, details=NO_ADDRESS_YET)

    async def make(row: Artifact) -> Found:
        return await once_free(ctx, STEP, name, lambda: create(row))

    return await ensure_artifact(ctx, ArtifactKind.DATA_STORE, thing=thing, find=find, create=make)


async def open_up_in_workspace(ctx: StepContext, item_type: str, row: Artifact) -> SqlDatabase:
    """Where the warehouse or SQL database of this row is connected to, once it answers."""
    store = await ctx.vendors.fabric.wait_for_sql_store(
        await data_workspace_id(ctx), item_type, str(row.vendor_id), deadline=ctx.settings.operation_deadline
    )
    at = SqlDatabase(store.server, store.database)
    await ctx.vendors.sql.wait_until_open(at, deadline=ctx.settings.operation_deadline)
    return at


async def find_in_workspace(ctx: StepContext, item_type: str, row: Artifact) -> SqlDatabase | None:
    """Where the warehouse or SQL database of this row is connected to; None when it is gone."""
    store = await ctx.vendors.fabric.find_sql_store(await data_workspace_id(ctx), item_type, str(row.vendor_id))
    return SqlDatabase(store.server, store.database) if store and store.server else None


async def remove_from_workspace(ctx: StepContext, artifact: Artifact, item_type: str, name: str) -> None:
    """The item is gone; quiet when its workspace already is."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.FABRIC_WORKSPACE)
    if workspace is not None and workspace.vendor_id:
        await remove_item(ctx, artifact, workspace.vendor_id, item_type, name)
