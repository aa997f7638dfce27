"""The tenant's own data store: a lakehouse in its data workspace, with the platform's tables and a SQL endpoint that shows them."""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.naming import lakehouse_name
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps._item import find_item, remember_operation, remove_item
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.fabric_records import SqlEndpoint

KIND = ArtifactKind.LAKEHOUSE
COLUMN = "data_store_connection"
NO_ENDPOINT_YET = {"server": None, "database": None}  # those of a lakehouse before would lead the dataset there


async def ensure(ctx: StepContext) -> StepResult:
    """The lakehouse exists with its tables, its SQL endpoint answers, and the connection string is stored encrypted."""
    fabric, deadline = ctx.vendors.fabric, ctx.settings.operation_deadline
    workspace_id, name = await _workspace_id(ctx), lakehouse_name(ctx.organization.subdomain)

    async def find(row: Artifact | None) -> Found | None:
        found = await find_item(ctx, row, workspace_id, "Lakehouse", name)
        if found is None or row is None or found.vendor_id == row.vendor_id:
            return found
        return replace(found, details=NO_ENDPOINT_YET)

    async def create(row: Artifact) -> Found:
        async def make() -> Found:
            lakehouse = await fabric.create_lakehouse(
                workspace_id, name, description=ctx.mark, deadline=deadline, on_operation=remember_operation(ctx, row)
            )
            return Found(lakehouse.id, ours=True, details=NO_ENDPOINT_YET)

        return await once_free(ctx, "fabric_data_store", name, make)

    row = await ensure_artifact(ctx, KIND, thing=f"the lakehouse “{name}”", find=find, create=create)
    endpoint = await fabric.wait_for_sql_endpoint(workspace_id, str(row.vendor_id), deadline=deadline)
    await _ensure_tables(ctx, workspace_id, row, endpoint)
    await artifacts.note(ctx.db, row.id, server=endpoint.server, database=endpoint.id)
    connection = f"Server={endpoint.server};Database={endpoint.id}"
    sealed = ctx.vault.encrypt(connection, ctx.organization.id, COLUMN)
    await organizations.save_connection(ctx.db, ctx.organization.id, sealed)
    return StepResult(
        facts={
            "lakehouse_id": str(row.vendor_id),
            "name": name,
            "sql_endpoint_id": endpoint.id,
            "tables": len(ctx.settings.table_names),
        },
        links={"open": f"{ctx.settings.fabric_app_url}/groups/{workspace_id}/lakehouses/{row.vendor_id}"},
    )


async def _ensure_tables(ctx: StepContext, workspace_id: str, row: Artifact, endpoint: SqlEndpoint) -> None:
    """The template notebook has made the tables, and the SQL endpoint shows them.

    No definition and no API call carries a lakehouse's tables; running a notebook is the way that leaves them the tenant's own.
    """
    fabric = ctx.vendors.fabric
    if row.details.get("tables_made") and not await _missing_tables(ctx, workspace_id, endpoint.id):
        return
    job = await fabric.run_notebook(
        str(ctx.settings.template_workspace_id),
        str(ctx.settings.template_notebook_id),
        parameters={"organization_id": str(ctx.organization.id)},
        default_lakehouse=await fabric.get_lakehouse(workspace_id, str(row.vendor_id)),
    )
    await fabric.wait_for_job(job, deadline=ctx.settings.operation_deadline)
    if missing := await _missing_tables(ctx, workspace_id, endpoint.id):
        raise SetupError(
            f"the template notebook ran, but made no table {', '.join(missing)}: look at TEMPLATE_NOTEBOOK_ID and DATA_STORE_TABLES"
        )
    await artifacts.note(ctx.db, row.id, tables_made=True)


async def _missing_tables(ctx: StepContext, workspace_id: str, sql_endpoint_id: str) -> list[str]:
    """The tables that the SQL endpoint does not show, after it has looked again."""
    shown = await ctx.vendors.fabric.refresh_sql_endpoint_metadata(
        workspace_id, sql_endpoint_id, deadline=ctx.settings.operation_deadline
    )
    return [table for table in ctx.settings.table_names if table not in shown]


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether every table is there and the SQL endpoint is up."""
    workspace_id = await _workspace_id(ctx)
    row = await require_artifact(ctx, KIND, step="fabric_data_store")
    lakehouse = await ctx.vendors.fabric.find_lakehouse(workspace_id, str(row.vendor_id))
    endpoint = "no lakehouse" if lakehouse is None else lakehouse.sql_endpoint_status
    if lakehouse is None or lakehouse.sql_endpoint is None:
        missing = list(ctx.settings.table_names)
    else:
        missing = await _missing_tables(ctx, workspace_id, lakehouse.sql_endpoint.id)
    return [
        judged(
            "schema_is_ready",
            expected="no table missing",
            found=", ".join(missing) + " missing" if missing else "no table missing",
            reason="The data store lacks tables the reports need. Run this step again; "
            "if it stays so, look at the template notebook.",
        ),
        judged(
            "endpoint_is_ready",
            expected="Success",
            found=endpoint,
            reason="The data store's SQL endpoint is not up, so the dataset cannot read. Run this step again.",
        ),
    ]


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The lakehouse is gone; quiet when its workspace already is."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.FABRIC_WORKSPACE)
    if workspace is not None and workspace.vendor_id:
        await remove_item(ctx, artifact, workspace.vendor_id, "Lakehouse", lakehouse_name(ctx.organization.subdomain))


async def _workspace_id(ctx: StepContext) -> str:
    workspace = await require_artifact(ctx, ArtifactKind.FABRIC_WORKSPACE, step="fabric_workspace")
    return str(workspace.vendor_id)
