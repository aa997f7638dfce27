"""What every Fabric call begins and ends with: token, throttling, paging, and the answers that are alike."""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.entra.state import FABRIC_AUDIENCE, POWERBI_AUDIENCE, TokenProblem
from tenant_provisioning.simulator.fabric import errors
from tenant_provisioning.simulator.fabric.records import Item, Operation, Role, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.state import FabricState, Principal
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import Body, answer, bearer, identify, operation, origin, read_body

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

PAGE = 100
CREATE_RETRY_SECONDS = 20
POLL_RETRY_SECONDS = 20
B = TypeVar("B", bound=Body)
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One call by a known caller."""

    request: Request
    world: "World"
    fabric: FabricState
    caller: Principal

    def path(self, name: str) -> str:
        """A parameter of the path; ids are compared in lower case."""
        return str(self.request.path_params[name]).lower()

    def workspace(self, *roles: Role) -> Workspace:
        """The workspace of the path, if the caller sees it and holds one of the roles, where any are named."""
        if roles:
            return self.fabric.workspaces.get_to(self.path("workspace"), self.caller.id, *roles)
        return self.fabric.workspaces.get(self.path("workspace"), self.caller.id)

    def item(self, type: str | None = None, *, write: bool = False) -> Item:  # noqa: A002 - the vendor's word
        """The item of the path, if the caller sees it, or may write it."""
        workspace = self.workspace(*(WRITERS if write else ()))
        return self.fabric.items.get(workspace.id, self.path("item"), type)

    async def body(self, model: type[B]) -> B:
        """The request's body."""
        return await read_body(self.request, model)

    async def optional_body(self, model: type[B]) -> B:
        """The request's body, which may be left out."""
        return await self.body(model) if await self.request.body() else model()


Answering = Callable[[Call], Awaitable[Response]]


def route(method: str, path: str, name: str, handler: Answering) -> Route:
    """The route at /v1 + path; the caller is known and what was due is done before the handler runs."""

    async def carry_out(request: Request) -> Response:
        world: World = request.scope["world"]
        try:
            identity = world.entra.check(bearer(request), (FABRIC_AUDIENCE, POWERBI_AUDIENCE))
        except TokenProblem as problem:
            raise errors.unauthorized(problem.reason == "expired") from None
        identify(request, identity.client_id)
        fabric = world.fabric
        fabric.agenda.settle()
        blocked = fabric.blocked_until(identity.object_id, name)
        if blocked is not None:
            raise errors.throttled(math.ceil(blocked - world.now()))
        try:
            _check_tenant_settings(fabric, name)
            return await handler(Call(request, world, fabric, Principal(identity.object_id)))
        except Refusal as refusal:
            raise errors.refused(refusal) from None

    return Route(f"/v1{path}", operation("fabric", name, carry_out), methods=[method])


def _check_tenant_settings(fabric: FabricState, name: str) -> None:
    """Refuse what the admin portal does not let service principals do."""
    allowed = fabric.knobs.read_admin_apis if name == "list_tenant_settings" else fabric.knobs.call_apis
    if not allowed:
        raise Refusal("Unauthorized", "The caller is not authenticated to access this resource")
    if name == "create_connection" and not fabric.knobs.create_workspaces:
        raise Refusal("FeatureNotAvailable", "The feature is not available")


def accepted(call: Call, begun: Operation) -> Response:
    """202 with the literal null, and where to ask for the operation: on another host than the one that was called."""
    location = f"{home_cluster(call.request)}/v1/operations/{begun.id}"
    headers = {
        "Location": location,
        "x-ms-operation-id": begun.id,
        "Retry-After": str(call.world.latency.retry_after(CREATE_RETRY_SECONDS)),
        "home-cluster-uri": f"{home_cluster(call.request)}/",
    }
    return null(202, headers)


def null(status: int, headers: dict[str, str] | None = None) -> Response:
    """A JSON body that is `null`, which is what the service sends where others send nothing."""
    return Response(b"null", status, headers, "application/json; charset=utf-8")


def emptied() -> Response:
    """200 as the service answers a DELETE: no body, as an octet stream."""
    return Response(b"", 200, media_type="application/octet-stream")


def home_cluster(request: Request) -> str:
    """The same simulator by its other name: operations are to be asked for at another host."""
    called = origin(request)
    host = called.removeprefix("https://").partition(":")[0]
    return called.replace(host, "127.0.0.1" if host == "localhost" else "localhost", 1)


def paged(call: Call, records: Iterable[T], show: Callable[[T], dict[str, Any]], key: str = "value") -> Response:
    """A page of the records, with the way to the next one when there is one."""
    everything: Sequence[T] = list(records)
    start = _offset(call.request.query_params.get("continuationToken"))
    body: dict[str, Any] = {key: [show(record) for record in everything[start : start + PAGE]]}
    if start + PAGE < len(everything):
        token = base64.urlsafe_b64encode(f"from:{start + PAGE}".encode()).decode()
        query = {name: value for name, value in call.request.query_params.items() if name != "continuationToken"}
        path = f"{origin(call.request)}{call.request.scope['path']}"
        body |= {
            "continuationToken": token,
            "continuationUri": f"{path}?{urlencode({**query, 'continuationToken': token})}",
        }
    return answer(body)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        mark, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if mark == "from":
            return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise Refusal("InvalidContinuationToken", "The continuation token is invalid.")
