"""A data store that the customer brings, in a Fabric workspace of its own: looked up, never made or changed, never ours to remove.

It has to be in the workspace that the request names, to let our service principal in, to have the platform's tables, and to be
nobody else's.
"""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.data_store import address_in
from tenant_provisioning.model.errors import OwnershipConflict, SetupError, VendorError
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import Condition, Ready
from tenant_provisioning.steps.data_stores._item import data_workspace_id
from tenant_provisioning.steps.data_stores._tables import condition, missing_tables
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.sql import SqlDatabase

NOT_THERE = (
    "the connection string of {name} leads to no data store of the workspace that the request names: "
    "check both with the customer, then submit the request again"
)


async def make(ctx: StepContext) -> Artifact:
    """The customer's data store is where the request says, lets us in, and has the platform's tables."""
    at = await _address(ctx)
    item_id = await _item_at(ctx, at)
    if item_id is None:
        raise SetupError(NOT_THERE.format(name=ctx.organization.name))
    if await artifacts.is_anothers(ctx.db, ctx.organization.id, item_id):
        raise OwnershipConflict(
            f"the data store that {ctx.organization.name} brings belongs to another organization of this platform"
        )
    await _require_tables(ctx, at)
    return await artifacts.adopt(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE, "", item_id)


async def open_up(ctx: StepContext, row: Artifact) -> SqlDatabase:  # noqa: ARG001 - the shape of every kind's
    """Where the customer says that its data store is."""
    return await _address(ctx)


async def ensure(ctx: StepContext) -> Ready:
    """All of that: nothing of it is made."""
    row = await make(ctx)
    workspace_id = await data_workspace_id(ctx)
    link = f"{ctx.settings.fabric_app_url}/groups/{workspace_id}"
    return Ready(row, await open_up(ctx, row), {"item_id": str(row.vendor_id)}, link)


async def _require_tables(ctx: StepContext, at: SqlDatabase) -> None:
    try:
        missing = await missing_tables(ctx, at)
    except VendorError as closed:
        if not ctx.vendors.sql.refuses_sign_in(closed):
            raise
        raise SetupError(
            f"the data store that {ctx.organization.name} brings does not let us in: the customer has to give "
            f"the service principal {ctx.settings.entra_client_id} a role in the workspace, then run this step again"
        ) from closed
    if missing:
        raise SetupError(
            f"the data store that {ctx.organization.name} brings has no table {', '.join(missing)}: "
            "the customer has to make them, then run this step again"
        )


async def find(ctx: StepContext, row: Artifact) -> SqlDatabase | None:
    """Where the customer's data store is connected to; None when it is not in the workspace any more."""
    at = await _address(ctx)
    return at if await _item_at(ctx, at) == row.vendor_id else None


async def verify(ctx: StepContext, row: Artifact) -> Condition:
    """Whether the data store answers us and has every table."""
    return await condition(ctx, await find(ctx, row), gone="not in the customer's workspace")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """Nothing: it is the customer's, whatever the ledger says."""


async def _address(ctx: StepContext) -> SqlDatabase:
    sealed = await organizations.get_connection(ctx.db, ctx.organization.id)
    if sealed is None:
        raise SetupError(f"{ctx.organization.name} has no connection string: submit the request again")
    server, database = address_in(ctx.vault.decrypt(sealed, ctx.organization.id, organizations.CONNECTION_COLUMN))
    return SqlDatabase(server, database)


async def _item_at(ctx: StepContext, at: SqlDatabase) -> str | None:
    """The id of the item of the customer's workspace that answers at this address."""
    fabric, workspace_id = ctx.vendors.fabric, await data_workspace_id(ctx)
    for item in await fabric.list_items(workspace_id):
        if item.type in {"Warehouse", "SQLDatabase"}:
            store = await fabric.find_sql_store(workspace_id, item.type, item.id)
            if store and store.server.casefold() == at.server and at.database in {store.database, store.id}:
                return item.id
        elif item.type == "Lakehouse":
            lakehouse = await fabric.find_lakehouse(workspace_id, item.id)
            endpoint = lakehouse.sql_endpoint if lakehouse else None
            if endpoint and endpoint.server.casefold() == at.server and at.database in {endpoint.id, item.name}:
                return item.id
    return None
