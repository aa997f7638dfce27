"""The databases' calls, thin: token, api-version, the path's parents, the body, and the state's answer as ARM shows it.

Not simulated: servers and elastic pools themselves (one of each exists), restore and replication modes.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.azure_sql.errors import (
    api_version_missing,
    api_version_unknown,
    group_not_found,
    refusal,
    server_not_found,
    subscription_not_found,
    unauthenticated,
)
from tenant_provisioning.simulator.azure_sql.records import Database, Operation, sku_of
from tenant_provisioning.simulator.azure_sql.state import (
    LOCATION,
    RESOURCE_GROUP,
    SERVER,
    SERVER_ID,
    SUBSCRIPTION_ID,
    AzureSqlState,
    Wish,
)
from tenant_provisioning.simulator.entra.state import ARM_AUDIENCE, TokenProblem
from tenant_provisioning.simulator.http import Body, Handler, answer, bearer, identify, operation, origin, read_body
from tenant_provisioning.simulator.world import TENANT_ID, World

API_VERSION = re.compile(r"20(1[4-9]|2\d)-\d\d-\d\d(-preview)?")
SERVERS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Sql/servers/{server}"
LOCATIONS = "/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{location}"
POLL_SECONDS = 15  # as Azure SQL's Retry-After says
NAMES = {"create": "CreateLogicalDatabase", "update": "UpdateLogicalDatabase", "delete": "DropLogicalDatabase"}
Call = Callable[[Request, AzureSqlState], Awaitable[Response]]


class SkuBody(Body):
    """A SKU as a caller names it."""

    name: str
    tier: str | None = None
    size: str | None = None
    family: str | None = None
    capacity: int | None = None


class Properties(Body):
    """What may be asked of a database."""

    model_config = ConfigDict(alias_generator=to_camel)

    create_mode: str | None = None
    source_database_id: str | None = None
    elastic_pool_id: str | None = None
    collation: str | None = None
    max_size_bytes: int | None = None
    requested_backup_storage_redundancy: str | None = None
    zone_redundant: bool | None = None
    license_type: str | None = None
    read_scale: str | None = None
    auto_pause_delay: int | None = None
    min_capacity: float | None = None
    maintenance_configuration_id: str | None = None


class DatabasePatch(Body):
    """PATCH of a database."""

    sku: SkuBody | None = None
    tags: dict[str, str] | None = None
    properties: Properties | None = None

    def wish(self, location: str | None = None) -> Wish:
        """The same in the state's words."""
        asked = self.properties.model_dump(exclude_none=True, by_alias=True) if self.properties else {}
        return Wish(
            location=location,
            create_mode=asked.pop("createMode", "Default"),
            source_id=asked.pop("sourceDatabaseId", None),
            pool_id=asked.pop("elasticPoolId", None),
            collation=asked.pop("collation", None),
            sku=sku_of(self.sku.name, self.sku.tier, self.sku.capacity) if self.sku else None,
            tags=self.tags,
            settings=asked,
        )


class DatabasePut(DatabasePatch):
    """PUT of a database."""

    location: str


def routes(world: World) -> list[Route]:  # noqa: ARG001 - the shape of every vendor's
    """Every route of the server's databases and of the operations on them."""
    database = f"{SERVERS}/databases/{{database}}"
    return [
        _route("GET", f"{SERVERS}/databases", "list_databases", list_databases),
        _route("GET", database, "get_database", get_database),
        _route("PUT", database, "put_database", put_database),
        _route("PATCH", database, "patch_database", patch_database),
        _route("DELETE", database, "delete_database", delete_database),
        _route("GET", f"{LOCATIONS}/databaseAzureAsyncOperation/{{id}}", "get_operation", get_operation),
        _route("GET", f"{LOCATIONS}/databaseOperationResults/{{id}}", "get_operation_result", get_operation_result),
    ]


async def list_databases(_: Request, state: AzureSqlState) -> Response:
    """GET all databases of the server."""
    return answer({"value": [_shown(database) for database in state.list_databases()]})


async def get_database(request: Request, state: AzureSqlState) -> Response:
    """GET one database."""
    return answer(_shown(state.get_database(request.path_params["database"])))


async def put_database(request: Request, state: AzureSqlState) -> Response:
    """PUT: create, copy, or update; 200 when there is nothing to do, else an operation."""
    given = await read_body(request, DatabasePut)
    database, begun = state.put_database(request.path_params["database"], given.wish(given.location))
    return answer(_shown(database)) if begun is None else _accepted(request, begun)


async def patch_database(request: Request, state: AzureSqlState) -> Response:
    """PATCH: update what is there."""
    given = await read_body(request, DatabasePatch)
    database, begun = state.patch_database(request.path_params["database"], given.wish())
    return answer(_shown(database)) if begun is None else _accepted(request, begun)


async def delete_database(request: Request, state: AzureSqlState) -> Response:
    """DELETE: an operation, or 204 when there is no such database."""
    begun = state.delete_database(request.path_params["database"])
    return Response(status_code=204) if begun is None else _accepted(request, begun)


async def get_operation(request: Request, state: AzureSqlState) -> Response:
    """GET what `Azure-AsyncOperation` leads to: always 200, the body says how it stands."""
    begun = state.get_operation(request.path_params["id"])
    body: dict[str, Any] = {"name": begun.id, "status": "InProgress", "startTime": _time(begun.started_at)}
    if not state.is_done(begun):
        return answer(body, headers=_retry_after(request))
    if begun.failure is None:
        return answer({**body, "status": "Succeeded"})
    code, message = begun.failure
    return answer({**body, "status": "Failed", "error": {"code": code, "message": message}})


async def get_operation_result(request: Request, state: AzureSqlState) -> Response:
    """GET what `Location` leads to: 202 until the operation is done, then its outcome."""
    begun = state.get_operation(request.path_params["id"])
    if not state.is_done(begun):
        return _accepted(request, begun)
    if begun.failure is not None:
        raise refusal(500, *begun.failure)
    return Response(status_code=204) if begun.after is None else answer(_shown(state.get_database(begun.database)))


def _accepted(request: Request, begun: Operation) -> Response:
    place = f"{origin(request)}{LOCATIONS.format(subscription=SUBSCRIPTION_ID, location=LOCATION)}"
    version = request.query_params["api-version"]
    headers = {
        "Azure-AsyncOperation": f"{place}/databaseAzureAsyncOperation/{begun.id}?api-version={version}",
        "Location": f"{place}/databaseOperationResults/{begun.id}?api-version={version}",
        **_retry_after(request),
    }
    return answer({"operation": NAMES[begun.kind], "startTime": _time(begun.started_at)}, 202, headers)


def _retry_after(request: Request) -> Mapping[str, str]:
    world: World = request.scope["world"]
    return {"Retry-After": str(world.latency.retry_after(POLL_SECONDS))}


def _shown(database: Database) -> dict[str, Any]:
    pool = {"elasticPoolId": database.pool_id} if database.pool_id else {}
    kind = "system" if database.system else "user"
    return {
        "sku": database.sku.as_json(),
        "kind": f"v12.0,{kind}" + (",vcore" if database.sku.family else "") + (",pool" if pool else ""),
        "properties": {
            "collation": database.collation,
            "maxSizeBytes": 268_435_456_000,
            "status": database.status,
            "databaseId": database.id,
            "creationDate": _time(database.created_at),
            "currentServiceObjectiveName": database.sku.objective,
            "requestedServiceObjectiveName": database.sku.objective,
            "defaultSecondaryLocation": "northeurope",
            "catalogCollation": "SQL_Latin1_General_CP1_CI_AS",
            "zoneRedundant": False,
            "readScale": "Disabled",
            "currentBackupStorageRedundancy": "Geo",
            "requestedBackupStorageRedundancy": "Geo",
            **pool,
            **database.settings,
        },
        "location": database.location,
        "tags": dict(database.tags),
        "id": f"{SERVER_ID}/databases/{database.name}",
        "name": database.name,
        "type": "Microsoft.Sql/servers/databases",
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _route(method: str, path: str, name: str, call: Call) -> Route:
    return Route(path, operation("azure_sql", name, _guarded(call)), methods=[method])


def _guarded(call: Call) -> Handler:
    """The call for those with an ARM token, on a path whose parents exist."""

    async def guarded(request: Request) -> Response:
        world: World = request.scope["world"]
        version = request.query_params.get("api-version")
        if version is None:
            raise api_version_missing()
        try:
            caller = world.entra.check(bearer(request), ARM_AUDIENCE)
        except TokenProblem as problem:
            raise unauthenticated(problem.reason, TENANT_ID) from None
        identify(request, caller.client_id)
        if not API_VERSION.fullmatch(version):
            raise api_version_unknown(version)
        _check_parents(request.path_params)
        return await call(request, world.azure_sql)

    return guarded


def _check_parents(path: Mapping[str, str]) -> None:
    if path["subscription"].lower() != SUBSCRIPTION_ID:
        raise subscription_not_found(path["subscription"])
    if "group" in path and path["group"].lower() != RESOURCE_GROUP:
        raise group_not_found(path["group"])
    if "server" in path and path["server"].lower() != SERVER:
        raise server_not_found(f"Microsoft.Sql/servers/{path['server']}")
