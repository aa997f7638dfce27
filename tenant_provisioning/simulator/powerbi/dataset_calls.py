"""The calls about datasets: their sources and parameters, refreshes and queries, and the sources' gateways."""

import json

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric.records import Model, ModelTable, Source
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import answer, origin
from tenant_provisioning.simulator.powerbi import bodies, views
from tenant_provisioning.simulator.powerbi.access import ROOT, Call, in_group_or_not, route
from tenant_provisioning.simulator.powerbi.errors import query_failed
from tenant_provisioning.simulator.powerbi.queries import QueryError, evaluate

MOST_ROWS = 100_000
UPDATABLE = frozenset({"sql"})


def dataset_routes() -> list[Route]:
    """Datasets in their group and by their id alone, and gateways."""
    one = "/datasets/{dataset}"
    both = [
        *in_group_or_not("GET", one, "get_dataset", get_dataset),
        *in_group_or_not("DELETE", one, "delete_dataset", delete_dataset),
        *in_group_or_not("GET", f"{one}/datasources", "list_datasources", list_datasources),
        *in_group_or_not("GET", f"{one}/parameters", "list_parameters", list_parameters),
        *in_group_or_not("POST", f"{one}/Default.UpdateParameters", "update_parameters", update_parameters),
        *in_group_or_not("POST", f"{one}/Default.UpdateDatasources", "update_datasources", update_datasources),
        *in_group_or_not("POST", f"{one}/Default.TakeOver", "take_over_dataset", take_over),
        *in_group_or_not("POST", f"{one}/Default.BindToGateway", "bind_to_gateway", bind_to_gateway),
        *in_group_or_not(
            "GET", f"{one}/Default.GetBoundGatewayDatasources", "list_bound_datasources", list_bound_datasources
        ),
        *in_group_or_not("GET", f"{one}/Default.DiscoverGateways", "discover_gateways", discover_gateways),
        *in_group_or_not("POST", f"{one}/refreshes", "refresh_dataset", refresh_dataset),
        *in_group_or_not("GET", f"{one}/refreshes", "list_refreshes", list_refreshes),
        *in_group_or_not("GET", f"{one}/refreshes/{{refresh}}", "get_refresh", get_refresh),
        *in_group_or_not("DELETE", f"{one}/refreshes/{{refresh}}", "cancel_refresh", cancel_refresh),
        *in_group_or_not("POST", f"{one}/executeQueries", "execute_queries", execute_queries),
        *in_group_or_not("POST", f"{one}/tables/{{table}}/rows", "add_rows", add_rows),
    ]
    return [
        *both,
        route("GET", "/groups/{group}/datasets", "list_datasets", list_datasets),
        route("POST", "/groups/{group}/datasets", "create_push_dataset", create_push_dataset),
        route("GET", "/gateways", "list_gateways", list_gateways),
        route("GET", "/gateways/{gateway}/datasources", "list_gateway_datasources", list_gateway_datasources),
        route("GET", "/gateways/{gateway}/datasources/{source}", "get_gateway_datasource", get_gateway_datasource),
        route("PATCH", "/gateways/{gateway}/datasources/{source}", "update_datasource", update_datasource),
    ]


async def list_datasets(call: Call) -> Response:
    """GET datasets of a group."""
    found = call.powerbi.items(call.workspace(), "SemanticModel")
    return call.listed("datasets", (views.dataset(item, call.fabric.models.get(item.id)) for item in found))


async def get_dataset(call: Call) -> Response:
    """GET datasets/{id}."""
    return call.one("datasets", views.dataset(*call.dataset()))


async def create_push_dataset(call: Call) -> Response:
    """POST datasets: a push dataset and nothing else, which can be neither bound nor refreshed."""
    given = await call.body(bodies.CreateDataset)
    workspace = call.workspace(*WRITERS)
    if given.defaultMode in {"AsAzure", "AsOnPrem"}:
        raise Refusal("BadRequest", "This API only supports push datasets.")
    item = call.fabric.items.reserve(workspace, "SemanticModel", given.name, unique=False, visible_at=call.world.now())
    tables = (
        ModelTable(table.name, tuple(column.name for column in table.columns), None, "push") for table in given.tables
    )
    model = call.fabric.models.push(item.id, call.caller.id, tables)
    for table in given.tables:
        _push(call, model.id, table.name, table.rows or [])
    shown = {"id": item.id, "name": item.name, "defaultRetentionPolicy": "None", "addRowsAPIEnabled": True}
    return answer({"@odata.context": f"{call.context('datasets')}/$entity", **shown}, 201)


async def add_rows(call: Call) -> Response:
    """POST rows into a table of a push dataset."""
    given = await call.body(bodies.AddRows)
    item, model = call.dataset(*WRITERS)
    if not model.pushed:
        raise Refusal("BadRequest", "Rows can be added to push datasets only.")
    _push(call, item.id, str(call.request.path_params["table"]), given.rows)
    return answer()


async def delete_dataset(call: Call) -> Response:
    """DELETE datasets/{id}: reports that show it in its group go with it."""
    item, _ = call.dataset(*WRITERS)
    call.fabric.creation.delete(item)
    return answer()


async def list_datasources(call: Call) -> Response:
    """GET datasources: none at first, after a model was created."""
    _, model = call.dataset()
    return call.listed("datasources", map(views.datasource, call.fabric.models.sources(model)))


async def list_parameters(call: Call) -> Response:
    """GET parameters."""
    return call.listed("parameters", map(views.parameter, call.dataset()[1].parameters))


async def update_parameters(call: Call) -> Response:
    """POST Default.UpdateParameters, by the owner; what the model reads from follows its parameters."""
    given = await call.body(bodies.UpdateParameters)
    _, model = call.own_dataset()
    values = {update.name: update.newValue or "" for update in given.updateDetails}
    known = {parameter.name for parameter in model.parameters}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise Refusal("DMTS_InvalidMashupParameters", f"The dataset has no parameter named '{unknown[0]}'.")
    call.fabric.models.set_parameters(model, values)
    return answer()


async def update_datasources(call: Call) -> Response:
    """POST Default.UpdateDatasources, by the owner: another place of the same type; credentials have no place here."""
    given = await call.body(bodies.UpdateDatasources)
    _, model = call.own_dataset()
    if model.parameters:
        raise Refusal("BadRequest", "Data sources with parameters are updated by Default.UpdateParameters.")
    for update in given.updateDetails:
        selector = update.datasourceSelector
        if selector and selector.datasourceType and selector.datasourceType.lower() not in UPDATABLE:
            raise Refusal(
                "DMTS_UpdatingDatasourceTypeNotSupportedError", f"'{selector.datasourceType}' cannot be updated."
            )
        source = _selected(model, selector)
        details = update.connectionDetails
        model = call.fabric.models.redirect(
            model, source, details.server or source.server, details.database or source.database
        )
    return answer()


async def take_over(call: Call) -> Response:
    """POST Default.TakeOver: the caller owns the dataset, whose credentials are gone."""
    _, model = call.dataset(*WRITERS)
    call.fabric.models.take_over(model, call.caller.id)
    return answer()


async def bind_to_gateway(call: Call) -> Response:
    """POST Default.BindToGateway with a connection's id among the data source ids: the older way to bind."""
    given = await call.body(bodies.BindToGateway)
    _, model = call.own_dataset()
    for identifier in given.datasourceObjectIds or ():
        connection = call.fabric.connections.get(identifier.lower(), call.caller.id)
        if given.gatewayObjectId.lower() not in {
            connection.gateway_id,
            *(source.gateway_id for source in model.sources),
        }:
            raise Refusal("DMTS_DatasourceNotFound", "The gateway has no such data source.")
        model = call.fabric.models.bind(model, call.fabric.models.source(model, connection.path), connection)
    return answer()


async def list_bound_datasources(call: Call) -> Response:
    """GET Default.GetBoundGatewayDatasources."""
    _, model = call.dataset()
    bound = [source for source in model.sources if source.connection_id or source.credentials]
    return call.listed("gatewayDatasources", map(views.gateway_datasource, bound))


async def discover_gateways(call: Call) -> Response:
    """GET Default.DiscoverGateways: no on-premises gateway is simulated."""
    call.dataset()
    return call.listed("gateways", ())


async def refresh_dataset(call: Call) -> Response:
    """POST refreshes: 202 with the refresh's id in a header and at Location."""
    given = await call.body(bodies.RefreshDataset) if await call.request.body() else bodies.RefreshDataset()
    item, model = call.dataset(*WRITERS)
    workspace = call.fabric.workspaces.get(item.workspace_id, call.caller.id)
    begun = call.powerbi.refreshes.begin(
        item,
        model,
        enhanced=given.is_enhanced,
        kind=given.type or "Full",
        on_capacity=call.fabric.workspaces.on_capacity(workspace),
    )
    location = f"{origin(call.request)}{ROOT}/groups/{workspace.id}/datasets/{item.id}/refreshes/{begun.id}"
    # the second header is not in the swagger; an independent client takes the refresh's id from it
    return Response(b"", 202, {"x-ms-request-id": begun.id, "RequestId": begun.id, "Location": location})


async def list_refreshes(call: Call) -> Response:
    """GET refreshes, newest first."""
    found = call.powerbi.refreshes.of(call.dataset()[0].id)
    return call.listed("refreshes", map(views.refresh, found[: call.number("$top")]))


async def get_refresh(call: Call) -> Response:
    """GET refreshes/{id}: 202 while it runs."""
    found = call.powerbi.refreshes.get(call.dataset()[0].id, call.path("refresh"))
    return answer(views.refresh_detail(found), 202 if found.finished_at is None else 200)


async def cancel_refresh(call: Call) -> Response:
    """DELETE refreshes/{id}."""
    call.powerbi.refreshes.cancel(call.powerbi.refreshes.get(call.dataset()[0].id, call.path("refresh")))
    return answer()


async def execute_queries(call: Call) -> Response:
    """POST executeQueries: what the dataset's last refresh loaded, or what is behind it now where it reads directly."""
    given = await call.body(bodies.ExecuteQueries)
    _, model = call.dataset()
    if model.has_roles:
        raise Refusal(
            "PowerBINotAuthorizedException", "Service principals cannot query datasets with row-level security."
        )
    try:
        tables = call.fabric.models.tables(model)
        if tables is None:
            first = model.tables[0].name if model.tables else ""
            raise query_failed(
                f"Table '{first}' needs to be recalculated or refreshed: the dataset was never refreshed."
            )
        rows = evaluate(given.queries[0].query, tables)
    except QueryError as mistake:
        raise query_failed(str(mistake)) from None
    except Refusal as refusal:
        raise query_failed(refusal.message) from None
    nulls = given.serializerSettings is not None and given.serializerSettings.includeNulls
    shown = [
        row if nulls else {name: value for name, value in row.items() if value is not None} for row in rows[:MOST_ROWS]
    ]
    return answer({"results": [{"tables": [{"rows": shown}]}]})


async def list_gateways(call: Call) -> Response:
    """GET /gateways: on-premises ones only, of which there are none."""
    return call.listed("gateways", ())


async def list_gateway_datasources(call: Call) -> Response:
    """GET /gateways/{id}/datasources."""
    found = call.powerbi.source(call.path("gateway"), None, call.caller.id)
    return call.listed("gatewayDatasources", (views.gateway_datasource(known.source) for known in found))


async def get_gateway_datasource(call: Call) -> Response:
    """GET /gateways/{id}/datasources/{id}."""
    found = call.powerbi.source(call.path("gateway"), call.path("source"), call.caller.id)[0]
    return call.one("gatewayDatasources", views.gateway_datasource(found.source))


async def update_datasource(call: Call) -> Response:
    """PATCH /gateways/{id}/datasources/{id}: credentials of a cloud data source come as they are, not encrypted."""
    details = (await call.body(bodies.UpdateDatasource)).credentialDetails
    found = call.powerbi.source(call.path("gateway"), call.path("source"), call.caller.id)
    if details.encryptionAlgorithm != "None":
        raise Refusal(
            "DMTS_EncryptionAlgorithmNotSupported", "Cloud data sources take the encryption algorithm None only."
        )
    try:
        data = json.loads(details.credentials)["credentialData"]
        values = {str(entry["name"]): str(entry["value"]) for entry in data or ()}
    except (ValueError, KeyError, TypeError):
        raise Refusal("BadRequest", "The credentials are not the JSON text that they should be.") from None
    call.powerbi.sign_in(found[0], details.credentialType, values.get("accessToken"))
    return answer()


def _selected(model: Model, selector: bodies.DatasourceSelector | None) -> Source:
    wanted = selector.connectionDetails if selector else None
    for source in model.sources:
        by_server = wanted is None or wanted.server is None or wanted.server.lower() == source.server.lower()
        by_database = wanted is None or wanted.database is None or wanted.database.lower() == source.database.lower()
        if by_server and by_database:
            return source
    raise Refusal("DMTS_DatasourceNotFound", "The dataset has no such data source.")


def _push(call: Call, dataset_id: str, table: str, rows: list[dict[str, object]]) -> None:
    model = call.fabric.models.get(dataset_id)
    known = next((found for found in model.tables if found.name == table), None)
    if known is None:
        raise Refusal("TableNotFound", f"Table '{table}' was not found.")
    unknown = next((name for row in rows for name in row if name not in known.columns), None)
    if unknown:
        raise Refusal("BadRequest", f"The table has no column '{unknown}'.")
    call.fabric.models.add_rows(model, table, (tuple(row.get(column) for column in known.columns) for row in rows))
