"""The tenant's dataset (a semantic model): the template's definition pointed at the tenant's own data store, bound through a
connection, refreshed. The data store itself is `fabric_data_store`."""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.model.naming import connection_name, dataset_name
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps._item import find_item, remember_operation, remove_item
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.steps.tmdl import point_to
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.fabric_records import Connection, DefinitionPart, ServicePrincipal, SqlEndpoint

KIND = ArtifactKind.DATASET


async def ensure(ctx: StepContext) -> StepResult:
    """The dataset exists, reads the tenant's data store and no other, and has been refreshed."""
    workspace_id, source = await _workspace_id(ctx), await _source(ctx)
    dataset, connection = await together(
        _ensure_model(ctx, workspace_id, source), _ensure_connection(ctx, workspace_id, source)
    )
    dataset_id, deadline = str(dataset.vendor_id), ctx.settings.operation_deadline
    await ctx.vendors.powerbi.wait_for_datasources(workspace_id, dataset_id, deadline=deadline)
    await ctx.vendors.fabric.bind_connection(
        workspace_id, dataset_id, str(connection.vendor_id), server=source.server, database=source.id
    )
    refresh_id = await ctx.vendors.powerbi.refresh_dataset(workspace_id, dataset_id)
    await ctx.vendors.powerbi.wait_for_refresh(workspace_id, dataset_id, refresh_id, deadline=deadline)
    return StepResult(
        facts={
            "dataset_id": dataset_id,
            "name": dataset_name(ctx.organization.name),
            "connection_id": str(connection.vendor_id),
            "server": source.server,
            "database": source.id,
        },
        links={"open": f"{ctx.settings.powerbi_app_url}/groups/{workspace_id}/datasets/{dataset_id}"},
    )


async def _ensure_model(ctx: StepContext, workspace_id: str, source: SqlEndpoint) -> Artifact:
    fabric, name = ctx.vendors.fabric, dataset_name(ctx.organization.name)

    async def find(row: Artifact | None) -> Found | None:
        return await find_item(ctx, row, workspace_id, "SemanticModel", name)

    async def create(row: Artifact) -> Found:
        template = await fabric.get_definition(
            str(ctx.settings.template_workspace_id),
            str(ctx.settings.template_dataset_id),
            deadline=ctx.settings.operation_deadline,
        )

        async def make() -> Found:
            item = await fabric.create_semantic_model(
                workspace_id,
                name,
                pointed_at(template, source),
                description=ctx.mark,
                deadline=ctx.settings.operation_deadline,
                on_operation=remember_operation(ctx, row),
            )
            return Found(item.id, ours=True)

        return await once_free(ctx, "powerbi_dataset", name, make)

    return await ensure_artifact(ctx, KIND, thing=f"the dataset “{name}”", find=find, create=create)


def pointed_at(template: tuple[DefinitionPart, ...], source: SqlEndpoint) -> tuple[DefinitionPart, ...]:
    """The template's definition, reading this source. SetupError when the template names no data source to replace."""
    parts, replaced = [], 0
    for part in template:
        if part.path.endswith(".tmdl"):
            text, count = point_to(part.content.decode(), source.server, source.id)
            parts.append(DefinitionPart(part.path, text.encode()))
            replaced += count
        elif part.path != ".platform":  # carries the template's own name and identity
            parts.append(part)
    if not replaced:
        raise SetupError(
            "the template dataset names no Sql.Database(…) in its definition: TEMPLATE_DATASET_ID must be a model that reads one"
        )
    return tuple(parts)


async def _ensure_connection(ctx: StepContext, workspace_id: str, source: SqlEndpoint) -> Artifact:
    fabric, name = ctx.vendors.fabric, connection_name(workspace_id)

    async def find(row: Artifact | None) -> Found | None:
        if row is None:
            return None  # the list of all tenants' connections is long; `create` hears of a duplicate
        connection = await fabric.find_connection(row.vendor_id) if row.vendor_id else None
        return described(connection or await fabric.find_connection_by_name(name))

    async def create(_row: Artifact) -> Found:
        secret = ctx.settings.connection_secret.get_secret_value()
        reader = ServicePrincipal(ctx.settings.entra_tenant_id, ctx.settings.entra_client_id, secret)
        try:
            made = await fabric.create_connection(name, server=source.server, database=source.id, credentials=reader)
        except VendorRejected as refusal:
            found = described(await fabric.find_connection_by_name(name))
            if found is None or not (refusal.code or "").startswith("DuplicateConnectionName"):
                raise
            return replace(found, existed=True)
        return Found(made.id, ours=True, details={"name": name})

    def described(connection: Connection | None) -> Found | None:
        # The name carries the id of a workspace that only we could have made: that is the mark.
        return None if connection is None else Found(connection.id, ours=True, details={"name": name})

    return await ensure_artifact(
        ctx, ArtifactKind.CONNECTION, thing=f"the connection “{name}”", find=find, create=create
    )


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the dataset reads this tenant's data store and no other, and answers a query with this tenant's data only."""
    workspace_id = await _workspace_id(ctx)
    row = await require_artifact(ctx, KIND, step="powerbi_dataset")
    lakehouse = await ctx.vendors.fabric.find_lakehouse(
        str((await require_artifact(ctx, ArtifactKind.FABRIC_WORKSPACE, step="fabric_workspace")).vendor_id),
        str((await require_artifact(ctx, ArtifactKind.LAKEHOUSE, step="fabric_data_store")).vendor_id),
    )
    endpoint = lakehouse.sql_endpoint if lakehouse else None
    own = "no data store" if endpoint is None else f"{endpoint.server};{endpoint.id}"
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
            reason="The dataset reads another data store than this tenant's own. Do not go live: run the dataset step again.",
        ),
        judged(
            "dataset_answers_a_query",
            expected=str(ctx.organization.id),
            found=", ".join(owners) or "no row",
            reason="A query through the dataset does not return this organization's data and only that. Do not go live: "
            "run the data store and dataset steps again.",
        ),
    ]


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


async def _source(ctx: StepContext) -> SqlEndpoint:
    store = await require_artifact(ctx, ArtifactKind.LAKEHOUSE, step="fabric_data_store")
    return SqlEndpoint(str(store.details["database"]), str(store.details["server"]))
