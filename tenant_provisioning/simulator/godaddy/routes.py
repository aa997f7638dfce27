"""GoDaddy's calls on domains and records, version 1; version 3 is in `routes_v3.py`. The zones are in `state.py`."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.godaddy import errors, routes_v3
from tenant_provisioning.simulator.godaddy.access import guarded
from tenant_provisioning.simulator.godaddy.records import Record, RecordType, as_json
from tenant_provisioning.simulator.godaddy.requests import RecordsOfName, RecordsOfType, RecordsOfZone, made
from tenant_provisioning.simulator.godaddy.state import NAME_SERVERS, Domain
from tenant_provisioning.simulator.http import answer, operation, read_body, world_of
from tenant_provisioning.simulator.world import World

DOMAIN = "/v1/domains/{domain}"


def routes(world: World) -> list[Route]:
    """The calls of version 1 and version 3."""

    def route(path: str, method: str, name: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, operation("godaddy", name, guarded(world, handler)), methods=[method])

    return [
        route("/v1/domains", "GET", "list_domains", _list_domains),
        route(DOMAIN, "GET", "get_domain", _get_domain),
        route(f"{DOMAIN}/records", "GET", "list_records", _get_records),
        route(f"{DOMAIN}/records", "PUT", "put_zone", _put_zone),
        route(f"{DOMAIN}/records", "PATCH", "add_records", _add_records),
        route(f"{DOMAIN}/records/{{type}}", "GET", "list_records_of_type", _get_records),
        route(f"{DOMAIN}/records/{{type}}", "PUT", "put_records_of_type", _put_records_of_type),
        route(f"{DOMAIN}/records/{{type}}/{{name}}", "GET", "get_records", _get_records),
        route(f"{DOMAIN}/records/{{type}}/{{name}}", "PUT", "put_records", _put_records_of_name),
        route(f"{DOMAIN}/records/{{type}}/{{name}}", "DELETE", "delete_records", _delete_records),
        *routes_v3.routes(world),
    ]


async def _list_domains(request: Request) -> Response:
    return answer([_summary(domain) for domain in world_of(request).godaddy.domains()])


async def _get_domain(request: Request) -> Response:
    return answer(_detail(world_of(request).godaddy.domain(request.path_params["domain"])))


async def _get_records(request: Request) -> Response:
    wanted = request.path_params
    kind = _kind_of(request) if "type" in wanted else None
    found = world_of(request).godaddy.records(wanted["domain"], kind, wanted.get("name"))
    first, count = _page_of(request)
    return answer([as_json(kept, record) for kept, record in found[first : first + count]])


async def _put_records_of_name(request: Request) -> Response:
    kind, name = _kind_of(request), str(request.path_params["name"])
    body = await read_body(request, RecordsOfName)
    records = [made(world_of(request).godaddy, one, kind, name, f"records[{at}]") for at, one in enumerate(body.root)]
    if any(one.name not in (None, name) for one in body.root):
        raise errors.invalid_record("records[0].name", "INVALID_VALUE", f"must be {name}")
    world_of(request).godaddy.replace(request.path_params["domain"], kind, name, records)
    return answer()


async def _put_records_of_type(request: Request) -> Response:
    kind = _kind_of(request)
    body = await read_body(request, RecordsOfType)
    by_name: dict[str, list[Record]] = {}
    for at, one in enumerate(body.root):
        by_name.setdefault(one.name.lower(), []).append(
            made(world_of(request).godaddy, one, kind, one.name, f"records[{at}]")
        )
    world_of(request).godaddy.replace_type(request.path_params["domain"], kind, by_name)
    return answer()


async def _put_zone(request: Request) -> Response:
    body = await read_body(request, RecordsOfZone)
    by_key: dict[tuple[str, str], list[Record]] = {}
    for at, one in enumerate(body.root):
        record = made(world_of(request).godaddy, one, one.type, one.name, f"records[{at}]")
        by_key.setdefault((one.type, one.name.lower()), []).append(record)
    world_of(request).godaddy.replace_zone(request.path_params["domain"], by_key)
    return answer()


async def _add_records(request: Request) -> Response:
    body = await read_body(request, RecordsOfZone)
    additions: list[tuple[str, str, Record]] = [
        (one.type, one.name.lower(), made(world_of(request).godaddy, one, one.type, one.name, f"records[{at}]"))
        for at, one in enumerate(body.root)
    ]
    world_of(request).godaddy.add(request.path_params["domain"], additions)
    return answer()


async def _delete_records(request: Request) -> Response:
    world_of(request).godaddy.delete(request.path_params["domain"], _kind_of(request), request.path_params["name"])
    return answer(status=204)


def _kind_of(request: Request) -> str:
    kind = str(request.path_params["type"])
    if kind not in get_args(RecordType):
        raise errors.refused(
            422, "INVALID_VALUE_ENUM", f"`{kind}` is no record type", [{"code": "INVALID_VALUE_ENUM", "path": "type"}]
        )
    return kind


def _page_of(request: Request) -> tuple[int, int]:
    try:
        return int(request.query_params.get("offset", 0)), int(request.query_params.get("limit", 500))
    except ValueError:
        raise errors.refused(422, "INVALID_VALUE", "offset and limit are integers") from None


def _summary(domain: Domain) -> dict[str, Any]:
    return {
        "contactRegistrant": _contact(domain),
        "createdAt": _stamp(domain.created_at),
        "domain": domain.name,
        "domainId": domain.number,
        "expirationProtected": False,
        "expires": _stamp(domain.created_at + 365 * 86_400),
        "holdRegistrar": False,
        "locked": True,
        "nameServers": list(NAME_SERVERS),
        "privacy": True,
        "renewAuto": True,
        "renewDeadline": _stamp(domain.created_at + 400 * 86_400),
        "status": "ACTIVE",
        "transferProtected": False,
    }


def _detail(domain: Domain) -> dict[str, Any]:
    roles = ("contactAdmin", "contactBilling", "contactTech")
    return {**_summary(domain), "authCode": "simulated", **dict.fromkeys(roles, _contact(domain))}


def _contact(domain: Domain) -> dict[str, Any]:
    address = {
        "address1": "1 High Street",
        "city": "Leeds",
        "country": "GB",
        "postalCode": "LS1 1AA",
        "state": "West Yorkshire",
    }
    return {
        "nameFirst": "Domain",
        "nameLast": "Owner",
        "email": f"owner@{domain.name}",
        "phone": "+44.1130000000",
        "addressMailing": address,
    }


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
