"""The control API, apart from the vendors' routes: what tests and demonstrations do to the world from outside it.

It is not slowed and not struck by faults, and its calls are not in the request log.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.bound import bound_of
from tenant_provisioning.simulator.faults import FaultPlan
from tenant_provisioning.simulator.following import ids
from tenant_provisioning.simulator.http import BadBody, Handler, VendorAnswer, answer, read_body, world_of
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_WORKSPACE_ID,
    TENANT_ID,
    World,
)

# the platform's own, which its settings name
CONFIGURED = ids(
    text.encode() for text in (TENANT_ID, CAPACITY_ID, TEMPLATE_WORKSPACE_ID, TEMPLATE_DATASET_ID, TEMPLATE_NOTEBOOK_ID)
)


class TemplateReport(BaseModel):
    """A report for the template workspace."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str


class Seeds(BaseModel):
    """What is put into the world beside what it starts with; repeating it changes nothing."""

    model_config = ConfigDict(extra="forbid")

    reports: list[TemplateReport] = Field(default_factory=list)
    domains: list[str] = Field(default_factory=list)


class LatencyChoice(BaseModel):
    """A latency profile and its scale."""

    model_config = ConfigDict(extra="forbid")

    profile: str
    scale: float = 1.0


class Credentials(BaseModel):
    """What an application proves itself with; the certificate is PEM, and is added to those it has."""

    model_config = ConfigDict(extra="forbid")

    secret: str | None = None
    certificate: str | None = None


class ClockStep(BaseModel):
    """How far the world's clock is put forward, in seconds."""

    model_config = ConfigDict(extra="forbid")

    advance: float = Field(ge=0)


def routes(_: World) -> list[Route]:
    """The control API's routes, all below /_control."""

    def route(path: str, method: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(f"/_control/{path}", _plain_errors(handler), methods=[method])

    return [
        route("reset", "POST", _reset),
        route("seed", "POST", _seed),
        route("snapshot", "GET", _snapshot),
        route("latency", "PUT", _set_latency),
        route("clock", "POST", _advance_clock),
        route("knobs/{vendor}", "PATCH", _change_knobs),
        route("entra/clients/{client_id}", "PUT", _register_client),
        route("requests", "GET", _requests_seen),
        route("requests", "DELETE", _forget_requests),
        route("followed", "POST", _follow),
        route("followed", "GET", _followed),
        route("followed", "DELETE", _follow_no_more),
        route("faults", "POST", _add_fault),
        route("faults", "GET", _faults),
        route("faults", "DELETE", _clear_faults),
        route("faults/{id}", "DELETE", _remove_fault),
    ]


async def _reset(request: Request) -> Response:
    world_of(request).reset()
    return answer({"reset": True})


async def _seed(request: Request) -> Response:
    seeds = await read_body(request, Seeds)
    for report in seeds.reports:
        world_of(request).powerbi.add_template_report(report.id, report.name)
    for domain in seeds.domains:
        world_of(request).godaddy.add_domain(domain)
    world_of(request).commit()
    return answer({"reports": len(seeds.reports), "domains": len(seeds.domains)})


async def _snapshot(request: Request) -> Response:
    return answer({name: state.snapshot() for name, state in world_of(request).states().items()})


async def _set_latency(request: Request) -> Response:
    choice = await read_body(request, LatencyChoice)
    world_of(request).latency = Latency(choice.profile, choice.scale)
    return answer(choice.model_dump())


async def _advance_clock(request: Request) -> Response:
    world_of(request).advance((await read_body(request, ClockStep)).advance)
    return answer({"now": world_of(request).now()})


async def _change_knobs(request: Request) -> Response:
    return answer(_set_knobs(world_of(request), request.path_params["vendor"], await request.json()))


async def _register_client(request: Request) -> Response:
    given = await read_body(request, Credentials)
    client_id = request.path_params["client_id"]
    client = world_of(request).entra.register(client_id, secret=given.secret, certificate=given.certificate)
    world_of(request).commit()
    return answer({"client_id": client.client_id, "object_id": client.object_id})


async def _requests_seen(request: Request) -> Response:
    return answer({"requests": [dataclasses.asdict(seen) for seen in list(world_of(request).log)]})


async def _forget_requests(request: Request) -> Response:
    world_of(request).log.clear()
    return answer({})


async def _follow(request: Request) -> Response:
    """From now on every call is followed; what was followed before is forgotten."""
    world_of(request).followed = []
    return answer({})


async def _followed(request: Request) -> Response:
    """The calls since then with their times and processes, and what is the best that could have been made of them."""
    world = world_of(request)
    calls = world.followed or []
    limits = {
        "godaddy": world.godaddy.knobs.requests_per_minute,
        "powerbi.execute_queries": world.powerbi.knobs.queries_per_minute,
    }
    bound = bound_of(calls, limits, configured=CONFIGURED)
    return answer({"bound": bound.as_json(), "calls": [call.as_json() for call in calls]})


async def _follow_no_more(request: Request) -> Response:
    world_of(request).followed = None
    return answer({})


async def _add_fault(request: Request) -> Response:
    return answer({"id": world_of(request).faults.add(await read_body(request, FaultPlan)).id}, 201)


async def _faults(request: Request) -> Response:
    return answer({"faults": [fault.as_json() for fault in world_of(request).faults.all()]})


async def _clear_faults(request: Request) -> Response:
    world_of(request).faults.clear()
    return answer({})


async def _remove_fault(request: Request) -> Response:
    if not world_of(request).faults.remove(request.path_params["id"]):
        raise VendorAnswer(404, {"error": "there is no such fault"})
    return answer({})


def _set_knobs(world: World, vendor: str, changes: dict[str, Any]) -> dict[str, Any]:
    state: Any = world.states().get(vendor)
    knobs = getattr(state, "knobs", None)
    if not isinstance(knobs, BaseModel):
        raise VendorAnswer(404, {"error": f"{vendor} has no knobs"})
    state.knobs = type(knobs).model_validate({**knobs.model_dump(), **changes})
    return dict(state.knobs.model_dump(mode="json"))


def _plain_errors(handler: Handler) -> Handler:
    async def carry_out(request: Request) -> Response:
        try:
            return await handler(request)
        except VendorAnswer as said:
            return said.response()
        except (BadBody, ValidationError, ValueError) as mistake:
            return answer({"error": str(mistake)}, 400)

    return carry_out
