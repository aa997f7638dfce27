"""The simulator's one ASGI application: every vendor's routes, told apart by their real paths, and the control API.

It finds the route for a request and hands it over; a path or method that nobody serves is answered in the form of the
vendor whose prefix it has. What the calls do is in the vendors' folders.
"""

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tenant_provisioning.simulator import control
from tenant_provisioning.simulator.http import ErrorForms, Handler, VendorAnswer, answer, operation
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.routing import Found, Routes
from tenant_provisioning.simulator.vendors import VENDORS, vendor_of
from tenant_provisioning.simulator.world import World


def build_world(
    *,
    seed: int = 0,
    latency: Latency | None = None,
    state_file: Path | None = None,
    record_file: Path | None = None,
    smtp_port: int = 0,
) -> World:
    """The world with every vendor in it, as it was left in the state file, else as it is before any tenant."""
    states = {vendor.name: vendor.state for vendor in VENDORS}
    return World(
        states, seed=seed, latency=latency, state_file=state_file, record_file=record_file, smtp_port=smtp_port
    )


class Simulator:
    """The ASGI application around one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._routes = Routes()
        self._errors = {vendor.name: vendor.errors for vendor in VENDORS}
        for vendor in VENDORS:
            self._routes.add(vendor.name, vendor.routes(world), any_case=vendor.any_case)
        self._routes.add("_control", control.routes(world))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":  # no vendor speaks anything else
            await send({"type": "websocket.close"})
            return
        raw_path = scope["raw_path"].decode("latin-1").partition("?")[0]
        found = self._routes.find(raw_path)
        vendor = found.vendor if found else vendor_of(scope["path"])
        request = Request(scope, receive)
        scope["world"], scope["abort"] = self.world, _abort(send)
        scope["errors"] = self._errors.get(vendor)
        if found and (handler := found.handlers.get("GET" if scope["method"] == "HEAD" else scope["method"])):
            scope["path_params"] = found.parameters
        else:
            handler = operation(vendor, "unknown", _refusal(found))
        response = await handler(request)
        # by the world's own clock, which is why the server itself sends no date
        response.headers.setdefault("Date", formatdate(self.world.now(), usegmt=True))
        await response(scope, receive, send)


def _refusal(found: Found | None) -> Handler:
    async def refuse(request: Request) -> Response:
        errors: ErrorForms | None = request.scope["errors"]
        method, path = request.method, request.scope["path"]
        if errors is None:
            return answer({"error": f"nothing is served at {method} {path}"}, 405 if found else 404)
        if found is None:
            raise errors.no_route(method, path)
        allowed = sorted(found.handlers)
        said = errors.wrong_method(method, path, allowed)
        raise VendorAnswer(said.status, said.body, {"Allow": ", ".join(allowed), **said.headers})

    return refuse


def _abort(send: Send) -> Callable[[], None] | None:
    """What resets the connection: uvicorn's `send` is a method of the object that holds the transport."""
    owner = getattr(send, "__self__", None)
    transport = getattr(owner, "transport", None)
    return None if transport is None else transport.abort


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
