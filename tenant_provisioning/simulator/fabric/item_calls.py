"""The calls about items: of any type at /items, and of the kinds that have a path of their own."""

from collections.abc import Callable, Mapping
from functools import partial

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric import bodies, views
from tenant_provisioning.simulator.fabric.access import Call, accepted, emptied, null, paged, route
from tenant_provisioning.simulator.fabric.creation import Order
from tenant_provisioning.simulator.fabric.definitions import text_of
from tenant_provisioning.simulator.fabric.records import Item, Operation, Part, Role
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.stores import LAKEHOUSE, SQL_DATABASE, SQL_ENDPOINT, WAREHOUSE
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import answer, origin

# the path and the word for one, by the kinds that have calls of their own; others are made at /items only
KINDS: Mapping[str, tuple[str, str]] = {
    LAKEHOUSE: ("lakehouses", "lakehouse"),
    WAREHOUSE: ("warehouses", "warehouse"),
    SQL_DATABASE: ("sqlDatabases", "sql_database"),
    "SemanticModel": ("semanticModels", "semantic_model"),
    "Report": ("reports", "report"),
    "Notebook": ("notebooks", "notebook"),
}
NEEDS_DEFINITION = frozenset({"SemanticModel", "Report"})
ITEM_TYPES = frozenset({
    *KINDS, "ApacheAirflowJob", "CopyJob", "CosmosDBDatabase", "DataAgent", "DataPipeline", "Dataflow", "Environment",
    "Eventhouse", "Eventstream", "GraphQLApi", "KQLDashboard", "KQLDatabase", "KQLQueryset", "MLExperiment", "MLModel",
    "MirroredDatabase", "MountedDataFactory", "Reflex", "SparkJobDefinition", "UserDataFunction", "VariableLibrary",
})  # fmt: skip
DEFINITION_RETRY_SECONDS = 20


def item_routes() -> list[Route]:
    """Items, their definitions, SQL endpoints, and the runs of notebooks."""
    ws = "/workspaces/{workspace}"
    made = [
        route("POST", f"{ws}/items", "create_item", create_item),
        *_of_kind(f"{ws}/items", "item", None),
        route("POST", f"{ws}/items/{{item}}/move", "move_item", move_item),
        route("GET", f"{ws}/items/{{item}}/connections", "list_item_connections", list_item_connections),
        route("POST", f"{ws}/items/{{item}}/jobs/instances", "run_job", run_job),
        route("POST", f"{ws}/items/{{item}}/jobs/{{type}}/instances", "run_job", run_job),
        route("GET", f"{ws}/items/{{item}}/jobs/instances", "list_jobs", list_jobs),
        route("GET", f"{ws}/items/{{item}}/jobs/instances/{{job}}", "get_job", get_job),
        route("POST", f"{ws}/items/{{item}}/jobs/instances/{{job}}/cancel", "cancel_job", cancel_job),
        route("GET", f"{ws}/lakehouses/{{item}}/tables", "list_tables", list_tables),
        route("GET", f"{ws}/sqlEndpoints", "list_sql_endpoints", partial(list_items, type=SQL_ENDPOINT)),
        route("GET", f"{ws}/sqlEndpoints/{{item}}/connectionString", "get_connection_string", get_connection_string),
        route("GET", f"{ws}/warehouses/{{item}}/connectionString", "get_connection_string", get_connection_string),
        route("POST", f"{ws}/sqlEndpoints/{{item}}/refreshMetadata", "refresh_metadata", refresh_metadata),
    ]
    for kind, (plural, word) in KINDS.items():
        made += _of_kind(f"{ws}/{plural}", word, kind)
        made.append(route("POST", f"{ws}/{plural}", f"create_{word}", partial(create_of_kind, type=kind)))
    return made


def _of_kind(base: str, word: str, type: str | None) -> list[Route]:  # noqa: A002 - the vendor's word
    one = f"{base}/{{item}}"
    routes = [
        route("GET", base, f"list_{word}s", partial(list_items, type=type)),
        route("GET", one, f"get_{word}", partial(get_item, type=type)),
        route("PATCH", one, f"update_{word}", partial(update_item, type=type)),
        route("DELETE", one, f"delete_{word}", partial(delete_item, type=type)),
    ]
    if type != WAREHOUSE:
        routes += [
            route("POST", f"{one}/getDefinition", f"get_{word}_definition", partial(get_definition, type=type)),
            route(
                "POST", f"{one}/updateDefinition", f"update_{word}_definition", partial(update_definition, type=type)
            ),
        ]
    return routes


async def create_item(call: Call) -> Response:
    """POST /items."""
    given = await call.body(bodies.CreateItem)
    if given.type not in ITEM_TYPES:
        raise Refusal("InvalidItemType", f"The item type '{given.type}' cannot be created.")
    if given.type in NEEDS_DEFINITION and given.definition is None:
        raise Refusal("InvalidInput", f"An item of the type {given.type} is created with a definition.")
    if given.type == WAREHOUSE and given.definition is not None:
        raise Refusal("OperationNotSupportedForItem", "A warehouse cannot be created with a definition.")
    order = _order(call, given.type, given, given.definition, given.creationPayload or {})
    return _created(call, order, views.item)


async def create_of_kind(call: Call, type: str) -> Response:  # noqa: A002
    """POST of an item at its kind's own path."""
    if type == WAREHOUSE:
        warehouse = await call.body(bodies.CreateWarehouse)
        payload = warehouse.creationPayload.model_dump() if warehouse.creationPayload else {}
        return _created(call, _order(call, type, warehouse, None, payload))
    if type == LAKEHOUSE:
        lakehouse = await call.body(bodies.CreateLakehouse)
        if lakehouse.definition and lakehouse.creationPayload:
            raise Refusal(
                "RequestWithDefinitionAndCreationPayloadNotSupported",
                "Give a definition or a creation payload, not both.",
            )
        payload = lakehouse.creationPayload.model_dump() if lakehouse.creationPayload else {}
        return _created(call, _order(call, type, lakehouse, lakehouse.definition, payload))
    if type == SQL_DATABASE:
        database = await call.body(bodies.CreateSqlDatabase)
        if database.definition and database.creationPayload:
            raise Refusal(
                "RequestWithDefinitionAndCreationPayloadNotSupported",
                "Give a definition or a creation payload, not both.",
            )
        if database.creationPayload and database.creationPayload.creationMode != "New":
            raise Refusal("OperationNotSupportedForItem", "Only a new SQL database can be created here.")
        return _created(call, _order(call, type, database, database.definition, {}))
    given = await call.body(bodies.CreateDefined if type in NEEDS_DEFINITION else bodies.CreateOfKind)
    return _created(call, _order(call, type, given, given.definition, {}))


async def list_items(call: Call, type: str | None) -> Response:  # noqa: A002
    """GET of the workspace's items; there is no filter by name."""
    workspace = call.workspace()
    wanted = type or call.request.query_params.get("type")
    show = partial(views.item_with_properties, call.fabric) if type else views.item
    return paged(call, call.fabric.items.within(workspace.id, wanted), show)


async def get_item(call: Call, type: str | None) -> Response:  # noqa: A002
    """GET of one item."""
    item = call.item(type)
    return answer(views.item_with_properties(call.fabric, item) if type else views.item(item))


async def update_item(call: Call, type: str | None) -> Response:  # noqa: A002
    """PATCH of an item's name and description."""
    given = await call.body(bodies.Change)
    changed = call.fabric.items.change(call.item(type, write=True), given.displayName, given.description)
    return answer(views.item(changed))


async def delete_item(call: Call, type: str | None) -> Response:  # noqa: A002
    """DELETE of an item: soft unless hardDelete=true, which only an admin may ask for."""
    hard = call.request.query_params.get("hardDelete", "").lower() == "true"
    if hard:
        call.workspace(Role.ADMIN)
    item = call.item(type, write=True)
    if item.type == SQL_ENDPOINT:
        raise Refusal("OperationNotSupportedForItem", "A SQL endpoint is deleted with its lakehouse.")
    call.fabric.creation.delete(item, hard=hard)
    return emptied()


async def get_definition(call: Call, type: str | None) -> Response:  # noqa: A002
    """POST getDefinition: 200 with it, or 202 and an operation."""
    item = call.item(type, write=True)
    if not call.fabric.items.definition(item.id):
        raise Refusal("OperationNotSupportedForItem", "The item has no definition that could be exported.")
    begun = call.fabric.creation.get_definition(item, call.fabric.knobs.definition_at_once)
    if begun is not None:
        return accepted(call, begun)
    return answer(views.definition(call.fabric.items.definition(item.id), call.request.query_params.get("format")))


async def update_definition(call: Call, type: str | None) -> Response:  # noqa: A002
    """POST updateDefinition: 200, or 202 and an operation without a result."""
    given = await call.body(bodies.UpdateDefinition)
    parts = _checked(given.definition.records())
    begun = call.fabric.creation.redefine(call.item(type, write=True), parts, call.fabric.knobs.definition_at_once)
    return accepted(call, begun) if begun else null(200)


async def move_item(call: Call) -> Response:
    """POST move: to a folder, or out of any."""
    given = await call.body(bodies.MoveItem) if await call.request.body() else bodies.MoveItem()
    if given.targetFolderId and given.targetFolderId.lower() not in call.fabric.items.folders:
        raise Refusal("FolderNotFound", "The requested folder was not found.")
    moved = call.fabric.items.move(call.item(write=True), given.targetFolderId)
    return answer({"value": [views.item(moved)]})


async def list_item_connections(call: Call) -> Response:
    """GET of the connections that an item's data sources are bound to."""
    item = call.item()
    model = call.fabric.models.find(item.id)
    shown = []
    for source in model.sources if model else ():
        connection = call.fabric.models.connection_of(source)
        entry: dict[str, object] = {
            "connectivityType": "None",
            "connectionDetails": {"type": "SQL", "path": source.path},
        }
        if connection:
            entry |= {"id": connection.id, "displayName": connection.name, "connectivityType": connection.connectivity}
        shown.append(entry)
    return answer({"value": shown})


async def run_job(call: Call) -> Response:
    """POST jobs/{type}/instances: 202, to be polled at Location, which is no operation."""
    given = await call.optional_body(bodies.RunJob)
    execution = given.executionData or bodies.NotebookExecution()
    parameters = {name: parameter.value for name, parameter in execution.parameters.items()}
    parameters |= {parameter.name: parameter.value for parameter in given.parameters or ()}
    lakehouse = execution.configuration.defaultLakehouse if execution.configuration else None
    item = call.item(write=True)
    if lakehouse is not None:
        _check_lakehouse(call, lakehouse)
    job_type = call.request.path_params.get("type") or call.request.query_params.get("jobType", "")
    job = call.fabric.jobs.run(item, job_type, parameters, lakehouse.id.lower() if lakehouse else None)
    location = f"{origin(call.request)}/v1/workspaces/{item.workspace_id}/items/{item.id}/jobs/instances/{job.id}"
    return Response(b"", 202, {"Location": location, "Retry-After": str(call.world.latency.retry_after(20))})


async def list_jobs(call: Call) -> Response:
    """GET jobs/instances, newest first."""
    jobs = call.fabric.jobs
    return paged(call, jobs.of_item(call.item().id), lambda job: views.job(job, jobs.status(job)))


async def get_job(call: Call) -> Response:
    """GET jobs/instances/{id}."""
    job = call.fabric.jobs.get(call.item().id, call.path("job"))
    status = call.fabric.jobs.status(job)
    headers = {"Retry-After": str(call.world.latency.retry_after(10))} if status in {"NotStarted", "InProgress"} else {}
    return answer(views.job(job, status), headers=headers)


async def cancel_job(call: Call) -> Response:
    """POST jobs/instances/{id}/cancel."""
    job = call.fabric.jobs.get(call.item(write=True).id, call.path("job"))
    call.fabric.jobs.cancel(job)
    location = f"{origin(call.request)}{call.request.scope['path'].removesuffix('/cancel')}"
    return Response(b"", 202, {"Location": location, "Retry-After": str(call.world.latency.retry_after(10))})


async def list_tables(call: Call) -> Response:
    """GET of the tables that a lakehouse holds."""
    store = call.fabric.stores.get(call.item(LAKEHOUSE).id)
    base = f"abfss://{store.workspace_id}@onelake.dfs.fabric.microsoft.com/{store.id}/Tables"
    show = lambda name: {"type": "Managed", "name": name, "location": f"{base}/{name}", "format": "delta"}  # noqa: E731
    return paged(call, store.written or {}, show, "data")


async def get_connection_string(call: Call) -> Response:
    """GET connectionString of a SQL endpoint or a warehouse."""
    workspace, identifier = call.workspace(), call.path("item")
    item = call.fabric.items.get(workspace.id, identifier)
    endpoint = item.type == SQL_ENDPOINT
    store = call.fabric.stores.of_endpoint(workspace.id, identifier) if endpoint else call.fabric.stores.get(identifier)
    return answer({"connectionString": store.server})


async def refresh_metadata(call: Call) -> Response:
    """POST refreshMetadata: SQL sees the lakehouse's tables afterwards."""
    await call.optional_body(bodies.RefreshMetadata)
    workspace = call.workspace(*WRITERS)
    store = call.fabric.stores.of_endpoint(workspace.id, call.path("item"))
    if call.world.random.random() < call.fabric.knobs.definition_at_once:
        now = call.world.now()
        return answer(views.synchronized(call.fabric.stores.refresh_metadata(store.id), now, now))
    return accepted(call, call.fabric.operations.begin("refresh_metadata", store.id, about=workspace.name))


def _order(
    call: Call,
    type: str,  # noqa: A002
    given: bodies.CreateItem | bodies.CreateOfKind | bodies.CreateWarehouse,
    definition: bodies.Definition | None,
    options: Mapping[str, object],
) -> Order:
    parts = _checked(definition.records()) if definition else ()
    form = (definition.format or "") if definition else ""
    folder = given.folderId.lower() if given.folderId else None
    return Order(type, given.displayName, call.caller.id, given.description, folder, form, parts, options)


def _checked(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    if not parts:
        raise Refusal("InvalidInput", "A definition has at least one part.")
    for part in parts:
        if not part.path.endswith(".dacpac"):
            text_of(part)
    return parts


def _created(call: Call, order: Order, show: Callable[[Item], object] | None = None) -> Response:
    """The answer to a create, now or later; the item as its kind's own calls show it, unless `show` says otherwise."""
    made: Item | Operation = call.fabric.creation.create(
        call.workspace(*WRITERS), order, call.fabric.knobs.created_at_once
    )
    if isinstance(made, Operation):
        return accepted(call, made)
    location = f"{origin(call.request)}/v1/workspaces/{made.workspace_id}/items/{made.id}"
    shown = show(made) if show else views.item_with_properties(call.fabric, made)
    return answer(shown, 201, {"Location": location})


def _check_lakehouse(call: Call, lakehouse: bodies.DefaultLakehouse) -> None:
    found = call.fabric.items.find(lakehouse.id.lower())
    if found is None:
        return  # the run itself fails later, as it does at the vendor
    if call.fabric.workspaces.role_in(found.workspace_id, call.caller.id) not in WRITERS:
        raise Refusal(
            "InsufficientPrivileges", "The caller does not have sufficient permissions on the default lakehouse."
        )
