"""What every Power BI call begins and ends with: token or profile, throttling, lists in OData's form."""

import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.entra.state import POWERBI_AUDIENCE, TokenProblem
from tenant_provisioning.simulator.fabric.access import home_cluster
from tenant_provisioning.simulator.fabric.records import Item, Model, Report, Role, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.state import FabricState, Principal
from tenant_provisioning.simulator.http import Body, answer, bearer, identify, operation, origin, read_body
from tenant_provisioning.simulator.powerbi import errors
from tenant_provisioning.simulator.powerbi.state import PowerBIState

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

ROOT = "/v1.0/myorg"
B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class Call:
    """One call by a known caller; `service_principal` owns the profile that the caller may be."""

    request: Request
    world: "World"
    caller: Principal
    service_principal: str

    @property
    def fabric(self) -> FabricState:
        """The world that Power BI shares."""
        return self.world.fabric

    @property
    def powerbi(self) -> PowerBIState:
        """What is Power BI's own."""
        return self.world.powerbi

    def path(self, name: str) -> str:
        """A parameter of the path; ids are compared in lower case."""
        return str(self.request.path_params[name]).lower()

    def query(self, name: str) -> str | None:
        """A query parameter, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.request.query_params.items() if key.lower() == wanted), None)

    def flag(self, name: str, usual: bool = False) -> bool:
        """A query parameter that is true or false."""
        said = self.query(name)
        return usual if said is None else said.lower() == "true"

    def number(self, name: str, usual: int | None = None) -> int | None:
        """A query parameter that is a number from 0 on."""
        said = self.query(name)
        if said is None:
            return usual
        if not said.isdecimal():
            raise Refusal("BadRequest", f"The query parameter {name} must be a number.")
        return int(said)

    def workspace(self, *roles: Role) -> Workspace:
        """The group of the path, if the caller sees it and holds one of the roles, where any are named."""
        if roles:
            return self.fabric.workspaces.get_to(self.path("group"), self.caller.id, *roles)
        return self.fabric.workspaces.get(self.path("group"), self.caller.id)

    def dataset(self, *roles: Role) -> tuple[Item, Model]:
        """The dataset of the path, in the path's group where there is one."""
        item, model = self.powerbi.dataset(self.path("dataset"), self.caller.id, self._group(roles))
        self._check(item, roles)
        return item, model

    def report(self, *roles: Role) -> tuple[Item, Report]:
        """The report of the path, in the path's group where there is one."""
        item, report = self.powerbi.report(self.path("report"), self.caller.id, self._group(roles))
        self._check(item, roles)
        return item, report

    def own_dataset(self) -> tuple[Item, Model]:
        """The dataset of the path, which the caller has to own."""
        item, model = self.dataset()
        if model.owner_id != self.caller.id:
            raise Refusal("NotOwner", "Only the dataset's owner may do this; take it over first.")
        return item, model

    async def body(self, model: type[B]) -> B:
        """The request's body."""
        return await read_body(self.request, model)

    def listed(self, what: str, values: Iterable[dict[str, Any]]) -> Response:
        """A list in OData's form."""
        return answer({"@odata.context": self.context(what), "value": list(values)})

    def one(self, what: str, value: dict[str, Any]) -> Response:
        """One entity in OData's form: flat, with its context."""
        return answer({"@odata.context": f"{self.context(what)}/$entity", **value})

    def context(self, what: str) -> str:
        """The address of the metadata of what is answered."""
        return f"{origin(self.request)}{ROOT}/$metadata#{what}"

    def _group(self, roles: tuple[Role, ...]) -> Workspace | None:
        return self.workspace(*roles) if "group" in self.request.path_params else None

    def _check(self, item: Item, roles: tuple[Role, ...]) -> None:
        if roles and self.fabric.workspaces.role_in(item.workspace_id, self.caller.id) not in roles:
            raise Refusal("InsufficientPrivileges", "The caller may not do this.")


Answering = Callable[[Call], Awaitable[Response]]


def route(method: str, path: str, name: str, handler: Answering) -> Route:
    """The route at /v1.0/myorg + path; the caller is known and what was due is done before the handler runs."""

    async def carry_out(request: Request) -> Response:
        world: World = request.scope["world"]
        try:
            identity = world.entra.check(bearer(request), POWERBI_AUDIENCE)
        except TokenProblem as problem:
            raise errors.unauthorized(problem.reason) from None
        identify(request, identity.client_id)
        if request.query_params.get("preferClientRouting", "").lower() == "true" and "localhost" in origin(request):
            return _sent_home(request)
        world.fabric.agenda.settle()
        try:
            _check_tenant_settings(request, world, name)
            caller = _caller(request, world, identity.object_id)
            blocked = world.powerbi.blocked_until(caller.id, name)
            if blocked is not None:
                raise errors.throttled(math.ceil(blocked - world.now()))
            return await handler(Call(request, world, caller, identity.object_id))
        except Refusal as refusal:
            raise errors.refused(refusal) from None

    return Route(f"{ROOT}{path}", operation("powerbi", name, carry_out), methods=[method])


def in_group_or_not(method: str, path: str, name: str, handler: Answering) -> list[Route]:
    """The route at /groups/{group} + path and the same at path alone."""
    return [route(method, f"/groups/{{group}}{path}", name, handler), route(method, path, name, handler)]


def _check_tenant_settings(request: Request, world: "World", name: str) -> None:
    """Refuse what the admin portal does not let service principals do."""
    knobs = world.fabric.knobs
    about_profiles = name.endswith(("_profile", "_profiles")) or "x-powerbi-profile-id" in request.headers
    if (
        not knobs.call_apis
        or (about_profiles and not knobs.use_profiles)
        or (name == "execute_queries" and not knobs.execute_queries)
    ):
        raise Refusal("Unauthorized", "")


def _caller(request: Request, world: "World", object_id: str) -> Principal:
    profile_id = request.headers.get("x-powerbi-profile-id")
    if profile_id is None:
        return Principal(object_id)
    return Principal(world.powerbi.profile(profile_id, object_id).id, "ServicePrincipalProfile")


def _sent_home(request: Request) -> Response:
    """307 to the tenant's home cluster, which is the same simulator by its other name."""
    query = "&".join(
        part
        for part in request.scope["query_string"].decode().split("&")
        if not part.lower().startswith("preferclientrouting")
    )
    target = f"{home_cluster(request)}{request.scope['path']}" + (f"?{query}" if query else "")
    return Response(b"", 307, {"Location": target, "home-cluster-uri": f"{home_cluster(request)}/"})
