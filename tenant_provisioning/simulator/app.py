"""The simulator's one ASGI application: every vendor's routes, told apart by their real paths, and the control API.

It finds the route for a request and hands it over; a path or method that nobody serves is answered in the form of the
vendor whose prefix it has. What the calls do is in the vendors' folders.
"""

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tenant_provisioning.simulator import control
from tenant_provisioning.simulator.http import ErrorForms, Handler, VendorAnswer, answer, operation
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.routing import Found, Routes
from tenant_provisioning.simulator.world import VendorState, World

PACKAGE = "tenant_provisioning.simulator"
STATES = {
    "entra": "EntraState",
    "godaddy": "GoDaddyState",
    "vercel": "VercelState",
    "fabric": "FabricState",
    "powerbi": "PowerBIState",
    "supabase": "SupabaseState",
    "azure_sql": "AzureSqlState",
    "key_vault": "KeyVaultState",
}
ANY_CASE = frozenset({"powerbi", "azure_sql"})  # an independent Power BI client sends lower case; ARM documents it

# whose errors answer for a path that nobody serves; the first that fits
PREFIXES = (
    ("/v1.0/", "powerbi"),
    ("/v1/domains", "godaddy"),
    ("/v2/", "godaddy"),
    ("/v3/", "godaddy"),
    ("/v1/", "fabric"),
    ("/v4/", "vercel"),
    ("/v5/", "vercel"),
    ("/v6/", "vercel"),
    ("/v9/", "vercel"),
    ("/v10/", "vercel"),
    ("/auth/", "supabase"),
    ("/rest/", "supabase"),
    ("/subscriptions", "azure_sql"),
    ("/secrets", "key_vault"),
    ("/deletedsecrets", "key_vault"),
    ("/", "entra"),
)


def installed_vendors() -> dict[str, Callable[[World], VendorState]]:
    """The vendors' states by name, in the order in which they are made."""
    found: dict[str, Callable[[World], VendorState]] = {}
    for name, state in STATES.items():
        try:
            for part in ("errors", "routes"):
                import_module(f"{PACKAGE}.{name}.{part}")
            found[name] = getattr(import_module(f"{PACKAGE}.{name}.state"), state)
        except Exception as absent:  # noqa: BLE001 - only while the vendors are being written
            logging.getLogger(__name__).error("%s is not served yet: %r", name, absent)
    return found


def build_world(*, seed: int = 0, latency: Latency | None = None, state_file: Path | None = None) -> World:
    """The world with every vendor in it, as it was left in the state file, else as it is before any tenant."""
    return World(installed_vendors(), seed=seed, latency=latency, state_file=state_file)


class Simulator:
    """The ASGI application around one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._routes = Routes()
        self._errors: dict[str, ErrorForms] = {}
        for name in world.states():
            self._errors[name] = cast("ErrorForms", import_module(f"{PACKAGE}.{name}.errors"))
            routes = import_module(f"{PACKAGE}.{name}.routes").routes(world)
            self._routes.add(name, routes, any_case=name in ANY_CASE)
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
        vendor = found.vendor if found else _vendor_of(scope["path"])
        request = Request(scope, receive)
        scope["world"], scope["abort"] = self.world, _abort(send)
        scope["errors"] = self._errors.get(vendor)
        if found and (handler := found.handlers.get("GET" if scope["method"] == "HEAD" else scope["method"])):
            scope["path_params"] = found.parameters
        else:
            handler = operation(vendor, "unknown", _refusal(found))
        response = await handler(request)
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


def _vendor_of(path: str) -> str:
    return next(vendor for prefix, vendor in PREFIXES if path.lower().startswith(prefix))


def _abort(send: Send) -> Callable[[], None]:
    """What resets the connection: uvicorn's `send` is a method of the object that holds the transport."""
    owner = getattr(send, "__self__", None)
    transport = getattr(owner, "transport", None)
    return transport.abort if transport is not None else (lambda: None)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
