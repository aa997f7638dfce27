"""The tenant's dataset (a semantic model): the template's definition pointed at the tenant's own data store, bound through a
connection, refreshed.

What the template is, `dataset_template` knows; one that is a .pbix is `imported_dataset`. The data store is `fabric_data_store`.
"""

import re

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.model.naming import dataset_name
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps import fabric_data_store
from tenant_provisioning.steps._connection import ensure_connection, remove_connection
from tenant_provisioning.steps._item import find_item, remember_operation, remove_item
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.dataset_template import Template, fetch_template, own_definition, pbix_path
from tenant_provisioning.steps.imported_dataset import ensure_imported, point_imported
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.powerbi_records import Datasource
from tenant_provisioning.vendors.sql import SqlDatabase

KIND = ArtifactKind.DATASET
ELSEWHERE = "The dataset reads another data store than this tenant's own. Do not go live: run the dataset step again."
# what a failed refresh says, in the engine's words, and what to do then; the first that fits is told
WHAT_TO_DO = {
    "credential|login failed": "The connection's sign-in was refused: check that ENTRA_CLIENT_SECRET, or "
    "CONNECTION_CLIENT_SECRET, is current, and that the service principal may read the data store.",
    "network-related|could not be reached|timeout": "The data store does not answer: run the data store step again.",
    "didn't match any rows|does not exist in the rowset|invalid object name": "The template dataset reads what the data store "
    "does not have: compare its tables with DATA_STORE_TABLES and with the template that makes them.",
    "memory|capacity": "The capacity is too small or too busy: look at it in Fabric, then run this step again.",
}
ELSE_TO_DO = "Open the dataset's refresh history in Power BI, then run this step again."
NO_DATA_STORE = "The tenant's data store is gone or not up. Do not go live: run the data store and dataset steps again."


async def ensure_shell(ctx: StepContext) -> StepResult:
    """The dataset exists and reads the tenant's data store and no other; nothing is in it. Done ahead of `ensure`, which needs
    nothing of it.

    Reports are bound to it while its data, and the tables that they come from, are still being made.
    """
    workspace_id, known = await _workspace_id(ctx), await artifacts.find_artifact(ctx.db, ctx.organization.id, KIND)
    template: Template = ()
    if known is not None and known.vendor_id:
        source = await fabric_data_store.open_up(ctx)
    else:
        source, template = await together(fabric_data_store.open_up(ctx), fetch_template(ctx))
    return _told(ctx, workspace_id, source, *await _ensure_bound(ctx, workspace_id, source, template))


async def ensure(ctx: StepContext) -> StepResult:
    """The dataset exists, reads the tenant's data store and no other, and has been refreshed."""
    workspace_id, source = await _workspace_id(ctx), await _source(ctx)
    dataset, connection = await _ensure_bound(ctx, workspace_id, source)
    await _refresh(ctx, workspace_id, str(dataset.vendor_id))
    return _told(ctx, workspace_id, source, dataset, connection)


def _told(
    ctx: StepContext, workspace_id: str, source: SqlDatabase, dataset: Artifact, connection: Artifact
) -> StepResult:
    return StepResult(
        facts={
            "dataset_id": str(dataset.vendor_id),
            "name": dataset_name(ctx.organization.name),
            "connection_id": str(connection.vendor_id),
            "server": source.server,
            "database": source.database,
        },
        links={"open": f"{ctx.settings.powerbi_app_url}/groups/{workspace_id}/datasets/{dataset.vendor_id}"},
    )


async def _ensure_bound(
    ctx: StepContext, workspace_id: str, source: SqlDatabase, template: Template = ()
) -> tuple[Artifact, Artifact]:
    """The ledger rows of the dataset, which reads this source, and of the connection that it reads it through."""
    dataset, connection = await together(
        _ensure_model(ctx, workspace_id, source, template), ensure_connection(ctx, workspace_id, source)
    )
    dataset_id, connection_id, fabric = str(dataset.vendor_id), str(connection.vendor_id), ctx.vendors.fabric
    deadline = ctx.settings.operation_deadline
    read, bound_to = await together(
        ctx.vendors.powerbi.wait_for_datasources(workspace_id, dataset_id, deadline=deadline),
        fabric.list_item_connections(workspace_id, dataset_id),
    )
    if points_elsewhere := {(one.server, one.database) for one in read} != {(source.server, source.database)}:
        await _repoint(ctx, workspace_id, dataset_id, source)
    if points_elsewhere or connection_id not in bound_to:
        await fabric.bind_connection(
            workspace_id, dataset_id, connection_id, server=source.server, database=source.database
        )
    return dataset, connection


async def _refresh(ctx: StepContext, workspace_id: str, dataset_id: str) -> None:
    """The dataset holds what the data store holds now; the error of one that failed says what to do about it."""
    powerbi = ctx.vendors.powerbi
    refresh_id = await powerbi.refresh_dataset(workspace_id, dataset_id)
    try:
        await powerbi.wait_for_refresh(workspace_id, dataset_id, refresh_id, deadline=ctx.settings.operation_deadline)
    except VendorRejected as failure:
        known = (hint for words, hint in WHAT_TO_DO.items() if re.search(words, failure.message, re.IGNORECASE))
        raise VendorRejected(
            failure.vendor, failure.operation, f"{failure.message.rstrip('.')}. {next(known, ELSE_TO_DO)}",
            status=failure.status, code=failure.code, request_id=failure.request_id,
        ) from failure  # fmt: skip


async def _ensure_model(ctx: StepContext, workspace_id: str, source: SqlDatabase, template: Template) -> Artifact:
    fabric, name = ctx.vendors.fabric, dataset_name(ctx.organization.name)
    if path := pbix_path(ctx):
        return await ensure_imported(ctx, workspace_id, path)

    async def find(row: Artifact | None) -> Found | None:
        return await find_item(ctx, row, workspace_id, "SemanticModel", name)

    async def create(row: Artifact) -> Found:
        parts = await own_definition(ctx, source, template)

        async def make() -> Found:
            item = await fabric.create_semantic_model(
                workspace_id,
                name,
                parts,
                description=ctx.mark,
                deadline=ctx.settings.operation_deadline,
                on_operation=remember_operation(ctx, row),
            )
            return Found(item.id, ours=True)

        return await once_free(ctx, "powerbi_dataset", name, make)

    return await ensure_artifact(ctx, KIND, thing=f"the dataset “{name}”", find=find, create=create)


async def _repoint(ctx: StepContext, workspace_id: str, dataset_id: str, source: SqlDatabase) -> None:
    """The dataset reads the tenant's data store again: somebody has pointed it elsewhere, or the data store was made anew."""
    deadline = ctx.settings.operation_deadline
    if pbix_path(ctx):
        await point_imported(ctx, workspace_id, dataset_id, source)
    else:
        parts = await own_definition(ctx, source)
        await ctx.vendors.fabric.update_definition(workspace_id, dataset_id, parts, deadline=deadline)

    def reads_own(read: tuple[Datasource, ...]) -> bool:  # what else the template reads is for the check to tell
        return {(one.server, one.database) for one in read if one.type == "Sql"} == {(source.server, source.database)}

    await ctx.vendors.powerbi.wait_for_datasources(workspace_id, dataset_id, deadline=deadline, until=reads_own)


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the dataset reads this tenant's data store and no other, and answers a query with this tenant's data only."""
    workspace_id = await _workspace_id(ctx)
    row = await require_artifact(ctx, KIND, step="powerbi_dataset")
    store, sources, rows = await together(
        fabric_data_store.find(ctx),
        ctx.vendors.powerbi.list_datasources(workspace_id, str(row.vendor_id)),
        ctx.vendors.powerbi.execute_query(workspace_id, str(row.vendor_id), "EVALUATE 'tenant'"),
    )
    own = "no data store" if store is None else f"{store.server};{store.database}"
    found = ", ".join(sorted({f"{source.server};{source.database}" for source in sources})) or "no data source"
    owners = sorted(
        {str(value) for row_ in rows for column, value in row_.items() if column.endswith("[organization_id]")}
    )
    return [
        judged(
            "dataset_is_bound_to_own_data",
            expected=own,
            found=found,
            reason=ELSEWHERE if store else NO_DATA_STORE,
        ),
        await _judge_owners(ctx, owners),
    ]


async def _judge_owners(ctx: StepContext, owners: list[str]) -> Verdict:
    """Whether what a query answers is this organization's; what a customer brings need not know our ids, only no other's."""
    expected, found = str(ctx.organization.id), ", ".join(owners) or "no row"
    if ctx.organization.data_store is DataStoreKind.BRING_YOUR_OWN:
        others = await organizations.others_among(ctx.db, ctx.organization.id, owners)
        expected, found = "no other organization's data", ", ".join(others) or "no other organization's data"
    return judged(
        "dataset_answers_a_query",
        expected=expected,
        found=found,
        reason="A query through the dataset does not return this organization's data and only that. Do not go live: "
        "run the data store and dataset steps again.",
    )


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The dataset or the connection is gone; quiet when it already was."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
    workspace_id = workspace.vendor_id if workspace is not None else None
    if artifact.kind is ArtifactKind.CONNECTION:
        await remove_connection(ctx, artifact, workspace_id)
    elif workspace_id is not None:
        await remove_item(ctx, artifact, workspace_id, "SemanticModel", dataset_name(ctx.organization.name))


async def _workspace_id(ctx: StepContext) -> str:
    return str((await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")).vendor_id)


async def _source(ctx: StepContext) -> SqlDatabase:
    store = await require_artifact(ctx, ArtifactKind.DATA_STORE, step="fabric_data_store")
    if not (store.details.get("server") and store.details.get("database")):
        raise SetupError(
            f"the data store of {ctx.organization.name} is not finished: run the step fabric_data_store first"
        )
    return SqlDatabase(str(store.details["server"]), str(store.details["database"]))
