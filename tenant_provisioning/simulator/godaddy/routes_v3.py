"""GoDaddy's records API, version 3: records one by one, each with an id, for holders of a personal access token."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.godaddy import errors
from tenant_provisioning.simulator.godaddy.access import guarded
from tenant_provisioning.simulator.godaddy.records import (
    CannotStandTogether,
    NoSuchDomain,
    Record,
    RecordSet,
    ZoneIsChanging,
)
from tenant_provisioning.simulator.godaddy.requests import LEAST_TTL, NAME, RecordV3, data_fits, extras
from tenant_provisioning.simulator.http import BadBody, Handler, answer, operation, origin, read_body, world_of
from tenant_provisioning.simulator.world import World

RECORDS = "/v3/domains/zones/{zone}/dns-records"
MOST_TTL = 86_400
READ_ONLY = {"SOA", "NS"}


def routes(world: World) -> list[Route]:
    """List, create, get, delete. There is no PUT: GoDaddy's own CLI removed it because it wiped zones."""

    def route(path: str, method: str, name: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(
            path, operation("godaddy", name, guarded(world, _in_v3(handler), tokens_only=True)), methods=[method]
        )

    return [
        route(RECORDS, "GET", "list_records_v3", _list_records),
        route(RECORDS, "POST", "create_record_v3", _create_record),
        route(f"{RECORDS}/{{record}}", "GET", "get_record_v3", _get_record),
        route(f"{RECORDS}/{{record}}", "DELETE", "delete_record_v3", _delete_record),
    ]


async def _list_records(request: Request) -> Response:
    kind, name = request.query_params.get("type"), request.query_params.get("name")
    found = world_of(request).godaddy.records(request.path_params["zone"], kind, name)
    page, size = _page_of(request)
    shown = [_as_json(kept, record) for kept, record in found[(page - 1) * size : page * size]]
    links = [{"rel": "self", "href": f"{origin(request)}{request.scope['path']}?page={page}&pageSize={size}"}]
    totals = {"totalItems": len(found), "totalPages": -(-len(found) // size)}
    counted = request.query_params.get("totalRequired") == "true" and found
    return answer({"items": shown, "links": links, **(totals if counted else {})})


async def _create_record(request: Request) -> Response:
    given = await read_body(request, RecordV3)
    _check(given)
    record = world_of(request).godaddy.new_record(given.data.removesuffix("."), given.ttl, **extras(given))
    name, zone = given.name.lower(), request.path_params["zone"]
    world_of(request).godaddy.add(zone, [(given.type, name, record)])
    made = _as_json(RecordSet(zone, given.type, name, (record,)), record)
    return answer(made, 201, {"Location": f"{origin(request)}{request.scope['path']}/{record.id}"})


async def _get_record(request: Request) -> Response:
    wanted = request.path_params["record"]
    found = (pair for pair in world_of(request).godaddy.records(request.path_params["zone"]) if pair[1].id == wanted)
    return answer(_as_json(*(next(found, None) or _absent())))


async def _delete_record(request: Request) -> Response:
    if not world_of(request).godaddy.delete_record(request.path_params["zone"], request.path_params["record"]):
        _absent()
    return answer(status=204)


def _check(given: RecordV3) -> None:
    if not LEAST_TTL <= given.ttl <= MOST_TTL:
        raise errors.refused_v3(422, "INVALID_RECORD", f"ttl must be between {LEAST_TTL} and {MOST_TTL}", "INVALID_TTL")
    if given.type in READ_ONLY:
        raise errors.refused_v3(422, "INVALID_RECORD", f"{given.type} records are read-only", "READ_ONLY_TYPE")
    if not NAME.match(given.name) or not data_fits(given.type, given.data):
        raise errors.refused_v3(
            422, "INVALID_RECORD", f"name or data is not valid for type {given.type}", "INVALID_DATA"
        )
    if given.type == "CNAME" and not given.data.endswith("."):
        raise errors.refused_v3(422, "INVALID_RECORD", "the target of a CNAME ends in a dot", "INVALID_DATA")


def _page_of(request: Request) -> tuple[int, int]:
    try:
        return max(1, int(request.query_params.get("page", 1))), max(1, int(request.query_params.get("pageSize", 100)))
    except ValueError:
        raise errors.refused_v3(400, "INVALID_PARAMETER", "page and pageSize are integers") from None


def _absent() -> Any:
    raise errors.refused_v3(404, "RECORD_NOT_FOUND", "The zone has no record with this id")


def _as_json(kept: RecordSet, record: Record) -> dict[str, Any]:
    data = f"{record.data}." if kept.type in {"CNAME", "MX", "NS", "SRV"} and record.data != "@" else record.data
    shown: dict[str, Any] = {
        "recordId": record.id,
        "name": kept.name,
        "type": kept.type,
        "data": data,
        "ttl": record.ttl,
    }
    more = ("priority", "port", "weight", "service", "protocol")
    return shown | {name: value for name in more if (value := getattr(record, name)) is not None}


def _in_v3(handler: Handler) -> Handler:
    """The handler with its findings told in version 3's words."""

    async def carry_out(request: Request) -> Response:
        try:
            return await handler(request)
        except NoSuchDomain:
            raise errors.refused_v3(404, "ZONE_NOT_FOUND", "The zone was not found") from None
        except ZoneIsChanging:
            raise errors.refused_v3(409, "CONFLICT", "The zone is being changed by another request") from None
        except CannotStandTogether as conflict:
            raise errors.refused_v3(409, "DUPLICATE_RECORD", f"The record conflicts with another: {conflict}") from None
        except BadBody as problem:
            status = {"media_type": 415, "syntax": 400, "properties": 422}[problem.kind]
            raise errors.refused_v3(status, "INVALID_BODY", problem.message) from None

    return carry_out
