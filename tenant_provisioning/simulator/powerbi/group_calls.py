"""The calls about groups, their users and capacity, and about profiles."""

import re
from dataclasses import replace

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric.records import Grant, Role, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.http import answer
from tenant_provisioning.simulator.powerbi import bodies, views
from tenant_provisioning.simulator.powerbi.access import Call, route

NO_CAPACITY = "00000000-0000-0000-0000-000000000000"
MOST_GROUPS = 5_000
FILTER = re.compile(
    r"^\s*(?:(name|id)\s+eq\s+(?:'((?:[^']|'')*)'|([0-9a-fA-F-]{36}))|contains\(\s*name\s*,\s*'((?:[^']|'')*)'\s*\))\s*$"
)


def group_routes() -> list[Route]:
    """Groups, capacities and profiles."""
    one = "/groups/{group}"
    return [
        route("GET", "/groups", "list_groups", list_groups),
        route("POST", "/groups", "create_group", create_group),
        route("GET", one, "get_group", get_group),
        route("PATCH", one, "update_group", update_group),
        route("DELETE", one, "delete_group", delete_group),
        route("GET", f"{one}/users", "list_group_users", list_users),
        route("POST", f"{one}/users", "add_group_user", add_user),
        route("PUT", f"{one}/users", "update_group_user", update_user),
        route("DELETE", f"{one}/users/{{user}}", "delete_group_user", delete_user),
        route("POST", f"{one}/AssignToCapacity", "assign_to_capacity", assign_to_capacity),
        route("GET", f"{one}/CapacityAssignmentStatus", "get_capacity_assignment", capacity_status),
        route("GET", "/capacities", "list_capacities", list_capacities),
        route("POST", "/RefreshUserPermissions", "refresh_user_permissions", refresh_permissions),
        route("GET", "/profiles", "list_profiles", list_profiles),
        route("POST", "/profiles", "create_profile", create_profile),
        route("GET", "/profiles/{profile}", "get_profile", get_profile),
        route("PUT", "/profiles/{profile}", "update_profile", update_profile),
        route("DELETE", "/profiles/{profile}", "delete_profile", delete_profile),
        route("POST", "/admin/groups/{group}/restore", "restore_group", restore_group),
    ]


async def list_groups(call: Call) -> Response:
    """GET /groups: $filter by name is the only look-up by name on the server that there is."""
    condition = call.query("$filter")
    found = _filtered(call, condition) if condition else call.fabric.workspaces.seen_by(call.caller.id)
    skip, top = call.number("$skip", 0) or 0, call.number("$top", MOST_GROUPS)
    return call.listed("groups", (views.group(call.fabric, workspace) for workspace in found[skip : skip + (top or 0)]))


async def create_group(call: Call) -> Response:
    """POST /groups: workspaceV2 has the value true only, and may be left out."""
    given = await call.body(bodies.CreateGroup)
    if not call.flag("workspaceV2", usual=True):
        raise Refusal("BadRequest", "Groups of the old style cannot be created any more; use workspaceV2=true.")
    made = call.fabric.workspaces.create(call.caller.grant(), given.name, "", None)
    return call.one("groups", views.group(call.fabric, made))


async def get_group(call: Call) -> Response:
    """GET /groups/{id}."""
    return call.one("groups", views.group(call.fabric, call.workspace()))


async def update_group(call: Call) -> Response:
    """PATCH /groups/{id}."""
    given = await call.body(bodies.ChangeGroup)
    call.fabric.workspaces.rename(call.workspace(Role.ADMIN), given.name, None)
    return answer()


async def delete_group(call: Call) -> Response:
    """DELETE /groups/{id}."""
    call.fabric.delete_workspace(call.workspace(Role.ADMIN))
    return answer()


async def list_users(call: Call) -> Response:
    """GET /groups/{id}/users."""
    return call.listed("users", (views.group_user(grant) for grant in call.workspace().grants))


async def add_user(call: Call) -> Response:
    """POST /groups/{id}/users."""
    given = await call.body(bodies.GroupUser)
    call.fabric.workspaces.give(call.workspace(Role.ADMIN, Role.MEMBER), _grant(call, given))
    return answer()


async def update_user(call: Call) -> Response:
    """PUT /groups/{id}/users."""
    given = await call.body(bodies.GroupUser)
    grant = _grant(call, given)
    call.fabric.workspaces.change_role(call.workspace(Role.ADMIN), grant.principal_id, grant.role)
    return answer()


async def delete_user(call: Call) -> Response:
    """DELETE /groups/{id}/users/{user}: by e-mail address or object id; a profile's is in the query."""
    profile = call.query("profileId")
    call.fabric.workspaces.take(call.workspace(Role.ADMIN), profile.lower() if profile else call.path("user"))
    return answer()


async def assign_to_capacity(call: Call) -> Response:
    """POST AssignToCapacity."""
    given = await call.body(bodies.Assign)
    capacity = given.capacityId.lower()
    call.fabric.workspaces.assign(call.workspace(Role.ADMIN), None if capacity == NO_CAPACITY else capacity)
    return answer()


async def capacity_status(call: Call) -> Response:
    """GET CapacityAssignmentStatus."""
    workspace = call.workspace()
    words = {"Completed": "CompletedSuccessfully", "InProgress": "InProgress", "Failed": "AssignmentFailed"}
    shown: dict[str, object] = {"status": words[call.fabric.workspaces.progress(workspace)]}
    if workspace.capacity_id:
        shown |= {"capacityId": workspace.capacity_id, "startTime": views.moment(workspace.capacity_since)}
        if call.fabric.workspaces.on_capacity(workspace):
            shown["endTime"] = views.moment(workspace.capacity_settled_at)
    return call.one("capacityAssignmentStatus", shown)


async def list_capacities(call: Call) -> Response:
    """GET /capacities."""
    return call.listed(
        "capacities",
        (
            {
                "id": capacity.id.upper(),
                "displayName": capacity.name,
                "admins": [],
                "sku": capacity.sku,
                "state": "Active" if capacity.state == "Active" else "Suspended",
                "region": capacity.region,
                "capacityUserAccessRight": "Admin",
            }
            for capacity in call.fabric.workspaces.capacities.values()
        ),
    )


async def refresh_permissions(call: Call) -> Response:
    """POST /RefreshUserPermissions: rights given a moment ago hold now."""
    call.fabric.workspaces.let_in(call.caller.id)
    return answer()


async def list_profiles(call: Call) -> Response:
    """GET /profiles, by name where $filter says so."""
    mine = call.powerbi.profiles_of(call.service_principal)
    condition = call.query("$filter")
    if condition:
        found = re.fullmatch(r"\s*displayName\s+eq\s+'((?:[^']|'')*)'\s*", condition)
        if found is None:
            raise Refusal("BadRequest", "The query specified in the URI is not valid.")
        mine = [profile for profile in mine if profile.name == found.group(1).replace("''", "'")]
    skip, top = call.number("$skip", 0) or 0, call.number("$top", len(mine))
    page = mine[skip : skip + (top or 0)]
    return call.listed("profiles", ({"id": profile.id, "displayName": profile.name} for profile in page))


async def create_profile(call: Call) -> Response:
    """POST /profiles."""
    given = await call.body(bodies.CreateProfile)
    made = call.powerbi.create_profile(given.displayName, call.service_principal)
    return call.one("profiles", {"id": made.id, "displayName": made.name})


async def get_profile(call: Call) -> Response:
    """GET /profiles/{id}."""
    found = call.powerbi.profile(call.path("profile"), call.service_principal)
    return call.one("profiles", {"id": found.id, "displayName": found.name})


async def update_profile(call: Call) -> Response:
    """PUT /profiles/{id}."""
    given = await call.body(bodies.CreateProfile)
    found = call.powerbi.profile(call.path("profile"), call.service_principal)
    call.powerbi.profiles.put(found.id, replace(found, name=given.displayName))
    return call.one("profiles", {"id": found.id, "displayName": given.displayName})


async def delete_profile(call: Call) -> Response:
    """DELETE /profiles/{id}."""
    found = call.powerbi.profile(call.path("profile"), call.service_principal)
    call.fabric.workspaces.forget_principal(found.id)
    call.powerbi.profiles.delete(found.id)
    return answer()


async def restore_group(call: Call) -> Response:
    """POST /admin/groups/{id}/restore, with the named user as its admin."""
    given = await call.body(bodies.RestoreGroup)
    owner = Grant(given.emailAddress.lower(), "User", Role.ADMIN, 0.0)
    call.fabric.restore_workspace(call.path("group"), owner, given.name)
    return answer()


def _filtered(call: Call, condition: str) -> list[Workspace]:
    found = FILTER.match(condition)
    if found is None:
        raise Refusal("BadRequest", "The query specified in the URI is not valid.")
    field, text, identifier, part = found.groups()
    workspaces = call.fabric.workspaces
    if part is not None:
        wanted = part.replace("''", "'").casefold()
        return [workspace for workspace in workspaces.seen_by(call.caller.id) if wanted in workspace.name.casefold()]
    if field == "id":
        known = (identifier or text or "").lower()
        return [workspaces.get(known, call.caller.id)] if workspaces.role_in(known, call.caller.id) else []
    named = workspaces.named((text or "").replace("''", "'"))
    return [named] if named and workspaces.role(named, call.caller.id) else []


def _grant(call: Call, given: bodies.GroupUser) -> Grant:
    kind = {"App": "ServicePrincipal"}.get(given.principalType, given.principalType)
    identifier = given.identifier.lower()
    if given.profile is not None:
        kind, identifier = "ServicePrincipalProfile", given.profile.id.lower()
    if not call.powerbi.is_known_principal(identifier, kind):
        raise Refusal("PrincipalNotFound", f"The principal {identifier} was not found.")
    return Grant(identifier, kind, Role(given.groupUserAccessRight), 0.0, given.displayName or "")
