"""A SQL database in the tenant's data workspace, with the schema of the template .dacpac: one call brings both."""

import asyncio

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.naming import database_name
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
from tenant_provisioning.steps.data_stores._tables import condition, require_tables, sign_tables
from tenant_provisioning.steps.ownership import Found
from tenant_provisioning.vendors.sql import SqlDatabase

ITEM = "SQLDatabase"
LARGEST_DACPAC = 64 * 1024**2  # it travels as base64 within JSON


async def make(ctx: StepContext) -> Artifact:
    """The SQL database exists and is ours."""
    fabric, deadline = ctx.vendors.fabric, ctx.settings.operation_deadline
    workspace_id, name = await data_workspace_id(ctx), database_name(ctx.organization.subdomain)

    async def create(row: Artifact) -> Found:
        made = await fabric.create_sql_database(
            workspace_id, name, await asyncio.to_thread(_dacpac, ctx),
            description=ctx.mark, deadline=deadline, on_operation=remember_operation(ctx, row),
        )  # fmt: skip
        return Found(made, ours=True, details=NO_ADDRESS_YET)

    return await ensure_in_workspace(ctx, ITEM, name, thing=f"the SQL database “{name}”", create=create)


async def open_up(ctx: StepContext, row: Artifact) -> SqlDatabase:
    """Where the SQL database is connected to, once it answers."""
    return await open_up_in_workspace(ctx, ITEM, row)


async def ensure(ctx: StepContext) -> Ready:
    """The SQL database exists and has its tables."""
    row = await make(ctx)
    workspace_id, name = await data_workspace_id(ctx), database_name(ctx.organization.subdomain)
    at = await open_up(ctx, row)
    await require_tables(ctx, at, template="DATA_STORE_DACPAC_PATH")
    await sign_tables(ctx, at)
    return Ready(
        row,
        at,
        {"sql_database_id": str(row.vendor_id), "name": name},
        f"{ctx.settings.fabric_app_url}/groups/{workspace_id}/sqldatabases/{row.vendor_id}",
    )


def _dacpac(ctx: StepContext) -> bytes:
    path = ctx.settings.data_store_dacpac_path
    if path is None:
        raise SetupError("DATA_STORE_DACPAC_PATH is not set: a Fabric SQL database is made from a template .dacpac")
    try:
        if path.stat().st_size > LARGEST_DACPAC:
            raise SetupError(f"DATA_STORE_DACPAC_PATH: {path} is over {LARGEST_DACPAC // 1024**2} MB")
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"DATA_STORE_DACPAC_PATH: {path} cannot be read: {error.strerror}") from None


async def find(ctx: StepContext, row: Artifact) -> SqlDatabase | None:
    """Where the SQL database is connected to; None when it is gone."""
    return await find_in_workspace(ctx, ITEM, row)


async def verify(ctx: StepContext, row: Artifact) -> Condition:
    """Whether the SQL database answers and has every table."""
    return await condition(ctx, await find(ctx, row), gone="no SQL database")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The SQL database is gone; quiet when its workspace already is."""
    await remove_from_workspace(ctx, artifact, ITEM, database_name(ctx.organization.subdomain))
