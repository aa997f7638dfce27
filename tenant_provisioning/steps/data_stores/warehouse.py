"""A warehouse in the tenant's data workspace: its tables are made by T-SQL, as no API call takes a definition of it."""

from pathlib import Path

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.naming import warehouse_name
from tenant_provisioning.steps._item import remember_operation
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import Condition, Ready
from tenant_provisioning.steps.data_stores._item import (
    NO_ADDRESS_YET,
    data_workspace_id,
    ensure_in_workspace,
    find_in_workspace,
    open_up_in_workspace,
    remove_from_workspace,
)
from tenant_provisioning.steps.data_stores._tables import (
    condition,
    missing_tables,
    require_tables,
    sign_tables,
)
from tenant_provisioning.steps.ownership import Found
from tenant_provisioning.vendors.sql import SqlDatabase

ITEM = "Warehouse"
OWN_SCHEMA = Path(__file__).with_name("schema.sql")


async def make(ctx: StepContext) -> Artifact:
    """The warehouse exists and is ours."""
    fabric, deadline = ctx.vendors.fabric, ctx.settings.operation_deadline
    workspace_id, name = await data_workspace_id(ctx), warehouse_name(ctx.organization.subdomain)

    async def create(row: Artifact) -> Found:
        made = await fabric.create_warehouse(
            workspace_id, name, description=ctx.mark, deadline=deadline, on_operation=remember_operation(ctx, row)
        )
        return Found(made, ours=True, details=NO_ADDRESS_YET)

    return await ensure_in_workspace(ctx, ITEM, name, thing=f"the warehouse “{name}”", create=create)


async def open_up(ctx: StepContext, row: Artifact) -> SqlDatabase:
    """Where the warehouse is connected to, once it answers."""
    return await open_up_in_workspace(ctx, ITEM, row)


async def ensure(ctx: StepContext) -> Ready:
    """The warehouse exists and has its tables."""
    row = await make(ctx)
    workspace_id, name = await data_workspace_id(ctx), warehouse_name(ctx.organization.subdomain)
    at = await open_up(ctx, row)
    if await missing_tables(ctx, at):
        await ctx.vendors.sql.run(at, _schema(ctx), operation="make tables")
        await require_tables(ctx, at, template="DATA_STORE_SCHEMA_PATH")
    await sign_tables(ctx, at)
    return Ready(
        row,
        at,
        {"warehouse_id": str(row.vendor_id), "name": name},
        f"{ctx.settings.fabric_app_url}/groups/{workspace_id}/warehouses/{row.vendor_id}",
    )


def _schema(ctx: StepContext) -> str:
    path = ctx.settings.data_store_schema_path or OWN_SCHEMA
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"DATA_STORE_SCHEMA_PATH: {path} cannot be read: {error}") from None


async def find(ctx: StepContext, row: Artifact) -> SqlDatabase | None:
    """Where the warehouse is connected to; None when it is gone."""
    return await find_in_workspace(ctx, ITEM, row)


async def verify(ctx: StepContext, row: Artifact) -> Condition:
    """Whether the warehouse answers and has every table."""
    return await condition(ctx, await find(ctx, row), gone="no warehouse")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The warehouse is gone; quiet when its workspace already is."""
    await remove_from_workspace(ctx, artifact, ITEM, warehouse_name(ctx.organization.subdomain))
