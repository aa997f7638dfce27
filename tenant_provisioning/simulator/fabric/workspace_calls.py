"""The calls about workspaces, capacities, roles, folders and operations."""

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric import bodies, views
from tenant_provisioning.simulator.fabric.access import (
    POLL_RETRY_SECONDS,
    Call,
    emptied,
    home_cluster,
    null,
    paged,
    route,
)
from tenant_provisioning.simulator.fabric.records import Folder, Grant, Role
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import answer, origin

TENANT_SETTINGS = {
    "ServicePrincipalAccessPermissionAPIs": "call_apis",
    "ServicePrincipalAccessGlobalAPIs": "create_workspaces",
    "AllowServicePrincipalsUseReadAdminAPIs": "read_admin_apis",
    "AllowServicePrincipalsCreateAndUseProfiles": "use_profiles",
    "DatasetExecuteQueries": "execute_queries",
}


def workspace_routes() -> list[Route]:
    """Everything about workspaces but their items."""
    one = "/workspaces/{workspace}"
    return [
        route("POST", "/workspaces", "create_workspace", create_workspace),
        route("GET", "/workspaces", "list_workspaces", list_workspaces),
        route("GET", one, "get_workspace", get_workspace),
        route("PATCH", one, "update_workspace", update_workspace),
        route("DELETE", one, "delete_workspace", delete_workspace),
        route("POST", f"{one}/assignToCapacity", "assign_to_capacity", assign_to_capacity),
        route("POST", f"{one}/unassignFromCapacity", "unassign_from_capacity", unassign_from_capacity),
        route("POST", f"{one}/roleAssignments", "create_role_assignment", create_role),
        route("GET", f"{one}/roleAssignments", "list_role_assignments", list_roles),
        route("GET", f"{one}/roleAssignments/{{principal}}", "get_role_assignment", get_role),
        route("PATCH", f"{one}/roleAssignments/{{principal}}", "update_role_assignment", update_role),
        route("DELETE", f"{one}/roleAssignments/{{principal}}", "delete_role_assignment", delete_role),
        route("POST", f"{one}/folders", "create_folder", create_folder),
        route("GET", f"{one}/folders", "list_folders", list_folders),
        route("GET", f"{one}/folders/{{folder}}", "get_folder", get_folder),
        route("PATCH", f"{one}/folders/{{folder}}", "update_folder", update_folder),
        route("DELETE", f"{one}/folders/{{folder}}", "delete_folder", delete_folder),
        route("GET", "/capacities", "list_capacities", list_capacities),
        route("GET", "/capacities/{capacity}", "get_capacity", get_capacity),
        route("GET", "/operations/{operation}", "get_operation", get_operation),
        route("GET", "/operations/{operation}/result", "get_operation_result", get_operation_result),
        route("GET", "/admin/tenantsettings", "list_tenant_settings", list_tenant_settings),
        route("POST", "/admin/workspaces/{workspace}/restore", "restore_workspace", restore_workspace),
        route("DELETE", "/admin/workspaces/{workspace}", "purge_workspace", purge_workspace),
    ]


async def create_workspace(call: Call) -> Response:
    """POST /workspaces."""
    given = await call.body(bodies.CreateWorkspace)
    capacity = given.capacityId.lower() if given.capacityId else None
    made = call.fabric.workspaces.create(call.caller.grant(), given.displayName, given.description, capacity)
    return answer(views.workspace(made), 201, {"Location": f"{origin(call.request)}/v1/workspaces/{made.id}"})


async def list_workspaces(call: Call) -> Response:
    """GET /workspaces: those that the caller sees, by role where roles are named; there is no filter by name."""
    seen = call.fabric.workspaces.seen_by(call.caller.id)
    wanted = {role.strip().lower() for role in call.request.query_params.get("roles", "").split(",") if role.strip()}
    if wanted:
        seen = [found for found in seen if (call.fabric.workspaces.role(found, call.caller.id) or "").lower() in wanted]
    return paged(call, seen, views.workspace)


async def get_workspace(call: Call) -> Response:
    """GET /workspaces/{id}."""
    return answer(views.workspace_info(call.fabric, call.workspace()))


async def update_workspace(call: Call) -> Response:
    """PATCH /workspaces/{id}."""
    given = await call.body(bodies.Change)
    changed = call.fabric.workspaces.rename(call.workspace(Role.ADMIN), given.displayName, given.description)
    return answer(views.workspace(changed))


async def delete_workspace(call: Call) -> Response:
    """DELETE /workspaces/{id}."""
    call.fabric.delete_workspace(call.workspace(Role.ADMIN))
    return emptied()


async def assign_to_capacity(call: Call) -> Response:
    """POST assignToCapacity: 202 without Location, to be seen in the workspace's capacityAssignmentProgress."""
    given = await call.body(bodies.Assign)
    call.fabric.workspaces.assign(call.workspace(Role.ADMIN), given.capacityId.lower())
    return null(202)


async def unassign_from_capacity(call: Call) -> Response:
    """POST unassignFromCapacity."""
    call.fabric.workspaces.assign(call.workspace(Role.ADMIN), None)
    return null(202)


async def create_role(call: Call) -> Response:
    """POST roleAssignments."""
    given = await call.body(bodies.CreateRole)
    role = given.known_role()
    if role is None:
        raise Refusal("InvalidInput", f"The role '{given.role}' is not known.")
    principal = given.principal
    if role is not Role.ADMIN and principal.type == "ServicePrincipalProfile" and role is Role.VIEWER:
        raise Refusal(
            "WorkspaceRoleNotAllowedForServicePrincipalProfile",
            "The role is not allowed for a service principal profile.",
        )
    if not call.world.powerbi.is_known_principal(principal.id.lower(), principal.type):
        raise Refusal("PrincipalNotFound", "The provided principal was not found.")
    workspace = call.workspace(Role.ADMIN, Role.MEMBER)
    grant = call.fabric.workspaces.give(
        workspace, Grant(principal.id.lower(), principal.type, role, 0.0, principal.displayName or "")
    )
    location = f"{origin(call.request)}/v1/workspaces/{workspace.id}/roleAssignments/{grant.principal_id}"
    return answer(views.role_assignment(grant), 201, {"Location": location})


async def list_roles(call: Call) -> Response:
    """GET roleAssignments."""
    return paged(call, call.workspace(Role.ADMIN, Role.MEMBER).grants, views.role_assignment)


async def get_role(call: Call) -> Response:
    """GET roleAssignments/{id}."""
    return answer(views.role_assignment(call.fabric.workspaces.grant(call.workspace(), call.path("principal"))))


async def update_role(call: Call) -> Response:
    """PATCH roleAssignments/{id}."""
    given = await call.body(bodies.ChangeRole)
    workspace = call.workspace(Role.ADMIN)
    return answer(
        views.role_assignment(call.fabric.workspaces.change_role(workspace, call.path("principal"), Role(given.role)))
    )


async def delete_role(call: Call) -> Response:
    """DELETE roleAssignments/{id}."""
    call.fabric.workspaces.take(call.workspace(Role.ADMIN), call.path("principal"))
    return emptied()


async def create_folder(call: Call) -> Response:
    """POST /folders."""
    given = await call.body(bodies.CreateFolder)
    workspace = call.workspace(*WRITERS)
    folders = call.fabric.items.folders
    if any(
        (f.workspace_id, f.parent_id, f.name) == (workspace.id, given.parentFolderId, given.displayName)
        for f in folders.values()
    ):
        raise Refusal("FolderDisplayNameAlreadyInUse", "The folder name is already in use.")
    made = Folder(call.world.new_id(), workspace.id, given.displayName, given.parentFolderId)
    return answer(views.folder(folders.put(made.id, made)), 201)


async def list_folders(call: Call) -> Response:
    """GET /folders."""
    workspace = call.workspace()
    return paged(call, [f for f in call.fabric.items.folders.values() if f.workspace_id == workspace.id], views.folder)


async def get_folder(call: Call) -> Response:
    """GET /folders/{id}."""
    return answer(views.folder(_folder(call)))


async def update_folder(call: Call) -> Response:
    """PATCH /folders/{id}."""
    given = await call.body(bodies.ChangeFolder)
    call.workspace(*WRITERS)
    known = _folder(call)
    renamed = Folder(known.id, known.workspace_id, given.displayName, known.parent_id)
    return answer(views.folder(call.fabric.items.folders.put(known.id, renamed)))


async def delete_folder(call: Call) -> Response:
    """DELETE /folders/{id}: only an empty one."""
    workspace, known = call.workspace(*WRITERS), _folder(call)
    inside = any(item.folder_id == known.id for item in call.fabric.items.within(workspace.id))
    if inside or any(f.parent_id == known.id for f in call.fabric.items.folders.values()):
        raise Refusal("FolderNotEmpty", "The folder is not empty.")
    call.fabric.items.folders.delete(known.id)
    return emptied()


async def list_capacities(call: Call) -> Response:
    """GET /capacities."""
    mine = call.fabric.workspaces.capacities.values() if call.fabric.knobs.capacity_contributor else []
    return paged(call, mine, views.capacity)


async def get_capacity(call: Call) -> Response:
    """GET /capacities/{id}."""
    capacity = call.fabric.workspaces.capacities.get(call.path("capacity"))
    if capacity is None or not call.fabric.knobs.capacity_contributor:
        raise Refusal("CapacityNotFound", "The requested capacity was not found.")
    return answer(views.capacity(capacity))


async def get_operation(call: Call) -> Response:
    """GET /operations/{id}: Retry-After while it runs, Location of the result once there is one."""
    found = call.fabric.operations.get(call.path("operation"))
    here = f"{home_cluster(call.request)}/v1/operations/{found.id}"
    headers = {"x-ms-operation-id": found.id}
    if found.finished_at is None:
        headers |= {"Location": here, "Retry-After": str(call.world.latency.retry_after(POLL_RETRY_SECONDS))}
    elif found.has_result and found.failure is None:
        headers["Location"] = f"{here}/result"
    return answer(views.operation(call.fabric, found), headers=headers)


async def get_operation_result(call: Call) -> Response:
    """GET /operations/{id}/result."""
    fabric, found = call.fabric, call.fabric.operations.result(call.path("operation"))
    if isinstance(found.result, list):
        return answer(views.synchronized(found.result, found.created_at, found.finished_at or found.created_at))
    item = fabric.items.find(str(found.result))
    if item is None:
        raise Refusal("ItemNotFound", "The requested item was not found.")
    if found.work == "get_definition":
        return answer(views.definition(fabric.items.definition(item.id)))
    return answer(views.item_with_properties(fabric, item))


async def list_tenant_settings(call: Call) -> Response:
    """GET /admin/tenantsettings: those of the real hundred and more that are about service principals."""
    knobs, described = call.fabric.knobs, type(call.fabric.knobs).model_fields
    shown = [
        {
            "settingName": name,
            "title": described[knob].description,
            "enabled": getattr(knobs, knob),
            "canSpecifySecurityGroups": True,
            "tenantSettingGroup": "DeveloperSettings",
        }
        for name, knob in TENANT_SETTINGS.items()
    ]
    return answer({"tenantSettings": shown})


async def restore_workspace(call: Call) -> Response:
    """POST /admin/workspaces/{id}/restore."""
    given = await call.body(bodies.RestoreWorkspace)
    owner = Grant(given.newWorkspaceAdminPrincipal.id.lower(), given.newWorkspaceAdminPrincipal.type, Role.ADMIN, 0.0)
    call.fabric.restore_workspace(call.path("workspace"), owner, given.restoredWorkspaceName)
    return emptied()


async def purge_workspace(call: Call) -> Response:
    """DELETE /admin/workspaces/{id}: for good."""
    call.fabric.purge_workspace(call.path("workspace"))
    return emptied()


def _folder(call: Call) -> Folder:
    folder = call.fabric.items.folders.get(call.path("folder"))
    if folder is None or folder.workspace_id != call.workspace().id:
        raise Refusal("FolderNotFound", "The requested folder was not found.")
    return folder
