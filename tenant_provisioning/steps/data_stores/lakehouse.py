"""A lakehouse in the tenant's data workspace: tables made by the template notebook, read through its SQL endpoint."""

import logging

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.model.errors import SetupError, VendorError
from tenant_provisioning.model.naming import lakehouse_name
from tenant_provisioning.steps._item import remember_operation
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import UP, Condition, Ready
from tenant_provisioning.steps.data_stores._item import (
    NO_ADDRESS_YET,
    data_workspace_id,
    ensure_in_workspace,
    remove_from_workspace,
)
from tenant_provisioning.steps.data_stores._tables import missing_tables
from tenant_provisioning.steps.ownership import Found
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.sql import SqlDatabase

ITEM = "Lakehouse"
log = logging.getLogger(__name__)


async def make(ctx: StepContext) -> Artifact:
    """The lakehouse exists and is ours."""
    fabric, deadline = ctx.vendors.fabric, ctx.settings.operation_deadline
    workspace_id, name = await data_workspace_id(ctx), lakehouse_name(ctx.organization.subdomain)

    async def create(row: Artifact) -> Found:
        made = await fabric.create_lakehouse(
            workspace_id, name, description=ctx.mark, deadline=deadline, on_operation=remember_operation(ctx, row)
        )
        return Found(made, ours=True, details=NO_ADDRESS_YET)

    return await ensure_in_workspace(ctx, ITEM, name, thing=f"the lakehouse “{name}”", create=create)


async def open_up(ctx: StepContext, row: Artifact) -> SqlDatabase:
    """The SQL endpoint, which a dataset names by its id, once it is up."""
    endpoint = await ctx.vendors.fabric.wait_for_sql_endpoint(
        await data_workspace_id(ctx), str(row.vendor_id), deadline=ctx.settings.operation_deadline
    )
    return SqlDatabase(endpoint.server, endpoint.id)


async def ensure(ctx: StepContext) -> Ready:
    """The lakehouse exists with its tables, and its SQL endpoint shows them."""
    row = await make(ctx)
    workspace_id, name = await data_workspace_id(ctx), lakehouse_name(ctx.organization.subdomain)
    endpoint = await _ensure_tables(ctx, workspace_id, row)
    return Ready(
        row,
        endpoint,
        {"lakehouse_id": str(row.vendor_id), "name": name, "sql_endpoint_id": endpoint.database},
        f"{ctx.settings.fabric_app_url}/groups/{workspace_id}/lakehouses/{row.vendor_id}",
    )


async def _ensure_tables(ctx: StepContext, workspace_id: str, row: Artifact) -> SqlDatabase:
    """The SQL endpoint, once it shows the tables that the template notebook has made.

    No definition and no API call carries a lakehouse's tables; running a notebook is the way that leaves them the tenant's own.
    The notebook does not need the endpoint, so that one is asked for after it and has come up meanwhile.
    """
    if not row.details.get("tables_made"):
        await _run_template_notebook(ctx, workspace_id, row)
        endpoint = await open_up(ctx, row)
    else:
        endpoint = await open_up(ctx, row)
        if not await _not_shown(ctx, workspace_id, endpoint):
            return endpoint
        await _run_template_notebook(ctx, workspace_id, row)
    if missing := await _not_shown(ctx, workspace_id, endpoint):
        raise SetupError(
            f"the template notebook ran, but made no table {', '.join(missing)}: look at TEMPLATE_NOTEBOOK_ID and DATA_STORE_TABLES"
        )
    await artifacts.note(ctx.db, row.id, tables_made=True)
    return endpoint


async def _run_template_notebook(ctx: StepContext, workspace_id: str, row: Artifact) -> None:
    fabric = ctx.vendors.fabric
    job = await fabric.run_notebook(
        str(ctx.settings.template_workspace_id),
        str(ctx.settings.template_notebook_id),
        parameters={"organization_id": str(ctx.organization.id)},
        default_lakehouse=await fabric.get_lakehouse(workspace_id, str(row.vendor_id)),
    )
    await fabric.wait_for_job(job, deadline=ctx.settings.operation_deadline)


async def _not_shown(ctx: StepContext, workspace_id: str, endpoint: SqlDatabase) -> tuple[str, ...]:
    """The tables that the SQL endpoint does not show, after it has looked again."""
    shown = await ctx.vendors.fabric.refresh_sql_endpoint_metadata(
        workspace_id, endpoint.database, deadline=ctx.settings.operation_deadline
    )
    return tuple(table for table in ctx.settings.table_names if table not in shown)


async def find(ctx: StepContext, row: Artifact) -> SqlDatabase | None:
    """The SQL endpoint, which a dataset names by its id; None when it is not up."""
    lakehouse = await ctx.vendors.fabric.find_lakehouse(await data_workspace_id(ctx), str(row.vendor_id))
    endpoint = lakehouse.sql_endpoint if lakehouse else None
    return None if endpoint is None else SqlDatabase(endpoint.server, endpoint.id)


async def verify(ctx: StepContext, row: Artifact) -> Condition:
    """Whether the SQL endpoint answers and shows every table: asked of it in SQL, as a dataset does.

    Where SQL does not get through, by a firewall perhaps, the endpoint is made to look again by HTTPS, which takes longer.
    """
    workspace_id = await data_workspace_id(ctx)
    lakehouse = await ctx.vendors.fabric.find_lakehouse(workspace_id, str(row.vendor_id))
    if lakehouse is None or lakehouse.sql_endpoint is None:
        return Condition(
            "no lakehouse" if lakehouse is None else lakehouse.sql_endpoint_status, ctx.settings.table_names
        )
    endpoint = SqlDatabase(lakehouse.sql_endpoint.server, lakehouse.sql_endpoint.id)
    try:
        return Condition(UP, await missing_tables(ctx, endpoint))
    except VendorError as closed:
        log.info("%s; asking by HTTPS", closed)
    return Condition(UP, await _not_shown(ctx, workspace_id, endpoint))


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The lakehouse is gone; quiet when its workspace already is."""
    await remove_from_workspace(ctx, artifact, ITEM, lakehouse_name(ctx.organization.subdomain))
