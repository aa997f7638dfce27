"""The tenant's dataset (a semantic model): the template's definition pointed at the tenant's own data store, bound through a
connection, refreshed. The data store itself is `fabric_data_store`."""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.model.naming import connection_name, dataset_name
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps import fabric_data_store
from tenant_provisioning.steps._item import find_item, remember_operation, remove_item
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.steps.tmdl import point_to
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.fabric_records import Connection, DefinitionPart, ServicePrincipal
from tenant_provisioning.vendors.powerbi_records import Datasource
from tenant_provisioning.vendors.sql import SqlDatabase

KIND = ArtifactKind.DATASET
ELSEWHERE = "The dataset reads another data store than this tenant's own. Do not go live: run the dataset step again."
NO_DATA_STORE = "The tenant's data store is gone or not up. Do not go live: run the data store and dataset steps again."


async def ensure(ctx: StepContext) -> StepResult:
    """The dataset exists, reads the tenant's data store and no other, and has been refreshed."""
    workspace_id, source = await _workspace_id(ctx), await _source(ctx)
    dataset, connection = await together(
        _ensure_model(ctx, workspace_id, source), _ensure_connection(ctx, workspace_id, source)
    )
    dataset_id, deadline = str(dataset.vendor_id), ctx.settings.operation_deadline
    read = await ctx.vendors.powerbi.wait_for_datasources(workspace_id, dataset_id, deadline=deadline)
    if {(one.server, one.database) for one in read} != {(source.server, source.database)}:
        await _repoint(ctx, workspace_id, dataset_id, source)
    await ctx.vendors.fabric.bind_connection(
        workspace_id, dataset_id, str(connection.vendor_id), server=source.server, database=source.database
    )
    refresh_id = await ctx.vendors.powerbi.refresh_dataset(workspace_id, dataset_id)
    await ctx.vendors.powerbi.wait_for_refresh(workspace_id, dataset_id, refresh_id, deadline=deadline)
    return StepResult(
        facts={
            "dataset_id": dataset_id,
            "name": dataset_name(ctx.organization.name),
            "connection_id": str(connection.vendor_id),
            "server": source.server,
            "database": source.database,
        },
        links={"open": f"{ctx.settings.powerbi_app_url}/groups/{workspace_id}/datasets/{dataset_id}"},
    )


async def _ensure_model(ctx: StepContext, workspace_id: str, source: SqlDatabase) -> Artifact:
    fabric, name = ctx.vendors.fabric, dataset_name(ctx.organization.name)

    async def find(row: Artifact | None) -> Found | None:
        return await find_item(ctx, row, workspace_id, "SemanticModel", name)

    async def create(row: Artifact) -> Found:
        parts = await _own_definition(ctx, source)

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
    parts, deadline = await _own_definition(ctx, source), ctx.settings.operation_deadline
    await ctx.vendors.fabric.update_definition(workspace_id, dataset_id, parts, deadline=deadline)

    def reads_own(read: tuple[Datasource, ...]) -> bool:  # what else the template reads is for the check to tell
        return {(one.server, one.database) for one in read if one.type == "Sql"} == {(source.server, source.database)}

    await ctx.vendors.powerbi.wait_for_datasources(workspace_id, dataset_id, deadline=deadline, until=reads_own)


async def _own_definition(ctx: StepContext, source: SqlDatabase) -> tuple[DefinitionPart, ...]:
    """What the tenant's dataset is to be defined by."""
    template = await ctx.vendors.fabric.get_definition(
        str(ctx.settings.template_workspace_id),
        str(ctx.settings.template_dataset_id),
        deadline=ctx.settings.operation_deadline,
    )
    return pointed_at(template, source)


def pointed_at(template: tuple[DefinitionPart, ...], source: SqlDatabase) -> tuple[DefinitionPart, ...]:
    """The template's definition, reading this source. SetupError when the template names no data source to replace."""
    parts, replaced = [], 0
    for part in template:
        if part.path.endswith(".tmdl"):
            text, count = point_to(part.content.decode(), source.server, source.database)
            parts.append(DefinitionPart(part.path, text.encode()))
            replaced += count
        elif part.path != ".platform":  # carries the template's own name and identity
            parts.append(part)
    if not replaced:
        raise SetupError(
            "the template dataset names no Sql.Database(…) in its definition: TEMPLATE_DATASET_ID must be a model that reads one"
        )
    return tuple(parts)


async def _ensure_connection(ctx: StepContext, workspace_id: str, source: SqlDatabase) -> Artifact:
    fabric, name = ctx.vendors.fabric, connection_name(workspace_id)

    async def find(row: Artifact | None) -> Found | None:
        if row is None:
            return None  # the list of all tenants' connections is long; `create` hears of a duplicate
        connection = await fabric.find_connection(row.vendor_id) if row.vendor_id else None
        connection = connection or await fabric.find_connection_by_name(name)
        if connection is None:
            return None
        if _leads_to(connection, source):
            return _described(connection)
        await fabric.delete_connection(connection.id)  # where a connection leads cannot be changed
        await artifacts.record_removed(ctx.db, row.id)
        return None

    async def create(_row: Artifact) -> Found:
        try:
            return _described(await make())
        except VendorRejected as refusal:
            connection = await fabric.find_connection_by_name(name)
            if connection is None or not (refusal.code or "").startswith("DuplicateConnectionName"):
                raise
        if _leads_to(connection, source):
            return replace(_described(connection), existed=True)
        await fabric.delete_connection(connection.id)
        return _described(await make())

    async def make() -> Connection:
        secret = ctx.settings.connection_secret.get_secret_value()
        reader = ServicePrincipal(ctx.settings.entra_tenant_id, ctx.settings.entra_client_id, secret)
        return await fabric.create_connection(name, server=source.server, database=source.database, credentials=reader)

    return await ensure_artifact(
        ctx, ArtifactKind.CONNECTION, thing=f"the connection “{name}”", find=find, create=create
    )


def _leads_to(connection: Connection, source: SqlDatabase) -> bool:
    return connection.path.casefold() == f"{source.server};{source.database}".casefold()


def _described(connection: Connection) -> Found:
    # The name carries the id of a workspace that only we could have made: that is the mark.
    return Found(connection.id, ours=True, details={"name": connection.name})


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the dataset reads this tenant's data store and no other, and answers a query with this tenant's data only."""
    workspace_id = await _workspace_id(ctx)
    row = await require_artifact(ctx, KIND, step="powerbi_dataset")
    store = await fabric_data_store.find(ctx)
    own = "no data store" if store is None else f"{store.server};{store.database}"
    sources = await ctx.vendors.powerbi.list_datasources(workspace_id, str(row.vendor_id))
    found = ", ".join(sorted({f"{source.server};{source.database}" for source in sources})) or "no data source"
    rows = await ctx.vendors.powerbi.execute_query(workspace_id, str(row.vendor_id), "EVALUATE 'tenant'")
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
        await _remove_connection(ctx, artifact, workspace_id)
    elif workspace_id is not None:
        await remove_item(ctx, artifact, workspace_id, "SemanticModel", dataset_name(ctx.organization.name))


async def _remove_connection(ctx: StepContext, artifact: Artifact, workspace_id: str | None) -> None:
    fabric, connection_id = ctx.vendors.fabric, artifact.vendor_id
    if connection_id is None and workspace_id is not None:  # we never heard the end of its making
        found = await fabric.find_connection_by_name(connection_name(workspace_id))
        connection_id = None if found is None else found.id
    if connection_id is not None:
        await fabric.delete_connection(connection_id)


async def _workspace_id(ctx: StepContext) -> str:
    return str((await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")).vendor_id)


async def _source(ctx: StepContext) -> SqlDatabase:
    store = await require_artifact(ctx, ArtifactKind.DATA_STORE, step="fabric_data_store")
    if not (store.details.get("server") and store.details.get("database")):
        raise SetupError(
            f"the data store of {ctx.organization.name} is not finished: run the step fabric_data_store first"
        )
    return SqlDatabase(str(store.details["server"]), str(store.details["database"]))
