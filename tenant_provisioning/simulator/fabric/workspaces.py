"""Workspaces, their capacity and who may do what in them. What a workspace holds is in `items`."""

from collections import defaultdict
from dataclasses import replace

from tenant_provisioning.simulator.fabric.records import Capacity, Grant, Role, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

RESERVED_NAMES = frozenset({"my workspace", "admin monitoring"})
LONGEST_NAME = 256
GRANTS_PER_WORKSPACE = 1_000
WRITERS = (Role.ADMIN, Role.MEMBER, Role.CONTRIBUTOR)


class Workspaces:
    """All workspaces of the Entra tenant; a name is taken for all of them, whoever may see it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.capacities = world.table("fabric.capacities", Capacity)
        self._table = world.table("fabric.workspaces", Workspace)
        self._by_name: dict[str, str] = {}
        self._by_principal: dict[str, dict[str, None]] = defaultdict(dict)
        for workspace in self._table.values():
            self._index(workspace)

    # finding

    def get(self, workspace_id: str, principal_id: str) -> Workspace:
        """The workspace, if the principal may see it; to anyone else it is not found."""
        workspace = self._table.get(workspace_id)
        if workspace is None or workspace.deleted_at is not None or not self.role(workspace, principal_id):
            raise Refusal(
                "WorkspaceNotFound",
                f"The workspace with id {workspace_id} was not found.",
                resource=(workspace_id, "Workspace"),
            )
        return workspace

    def get_to(self, workspace_id: str, principal_id: str, *roles: Role) -> Workspace:
        """The workspace, if the principal holds one of these roles in it."""
        workspace = self.get(workspace_id, principal_id)
        if self.role(workspace, principal_id) not in roles:
            raise Refusal(
                "InsufficientPrivileges", "The caller does not have sufficient permissions to perform this operation."
            )
        return workspace

    def role(self, workspace: Workspace, principal_id: str) -> Role | None:
        """The role that is in effect by now, or None."""
        grant = workspace.grant(principal_id)
        return grant.role if grant and grant.effective_at <= self._world.now() else None

    def role_in(self, workspace_id: str, principal_id: str) -> Role | None:
        """The principal's role in the workspace with this id, None where either is unknown."""
        workspace = self._table.get(workspace_id)
        return self.role(workspace, principal_id) if workspace and workspace.deleted_at is None else None

    def named(self, name: str) -> Workspace | None:
        """The workspace with exactly this name (case aside), whoever may see it."""
        workspace_id = self._by_name.get(name.casefold())
        return self._table.get(workspace_id) if workspace_id else None

    def seen_by(self, principal_id: str) -> list[Workspace]:
        """The workspaces in which the principal has a role, oldest first."""
        known = (self._table.get(workspace_id) for workspace_id in self._by_principal[principal_id])
        return [workspace for workspace in known if workspace and self.role(workspace, principal_id)]

    def deleted(self, workspace_id: str) -> Workspace:
        """The workspace that is in retention."""
        workspace = self._table.get(workspace_id)
        if workspace is None or workspace.deleted_at is None:
            raise Refusal("WorkspaceNotFound", f"No deleted workspace has the id {workspace_id}.")
        return workspace

    def all(self) -> list[Workspace]:
        """Every workspace, deleted ones included."""
        return self._table.values()

    # changing

    def create(
        self,
        owner: Grant,
        name: str,
        description: str,
        capacity_id: str | None,
        *,
        id: str | None = None,  # noqa: A002 - the vendor's word
    ) -> Workspace:
        """A workspace whose owner is its admin at once."""
        self._check_name(name)
        knobs = self._world.fabric.knobs if id is None else None  # the template workspace is there before any setting
        if knobs is not None and not knobs.create_workspaces:
            raise Refusal("FeatureNotAvailable", "The feature is not available")
        if knobs is not None and len(self._by_principal[owner.principal_id]) >= knobs.workspaces_per_principal:
            raise Refusal(
                "PrincipalWorkspaceLimitExceeded",
                f"The principal has reached its limit of {knobs.workspaces_per_principal:,} workspaces.",
            )
        now = self._world.now()
        workspace = Workspace(
            id or self._world.new_id(), name, description, now, (replace(owner, role=Role.ADMIN, effective_at=now),)
        )
        if capacity_id is not None:
            if knobs is not None:
                self._check_capacity_is_ours()
            workspace = self._on_capacity(workspace, capacity_id)
        return self._keep(workspace)

    def rename(self, workspace: Workspace, name: str | None, description: str | None) -> Workspace:
        """The workspace with another name or description, each only when given."""
        if name is not None and name.casefold() != workspace.name.casefold():
            self._check_name(name)
        self._by_name.pop(workspace.name.casefold(), None)
        changed = replace(
            workspace,
            name=workspace.name if name is None else name,
            description=workspace.description if description is None else description,
        )
        return self._keep(changed)

    def assign(self, workspace: Workspace, capacity_id: str | None) -> Workspace:
        """The workspace on its way to the capacity, or off any capacity when None."""
        if capacity_id is None:
            return self._keep(
                replace(workspace, capacity_id=None, capacity_settled_at=self._world.now(), capacity_failed=False)
            )
        self._check_capacity_is_ours()
        return self._keep(self._on_capacity(workspace, capacity_id))

    def delete(self, workspace: Workspace) -> float:
        """Put the workspace into retention, from the moment returned: nobody finds it, its name is free."""
        self._by_name.pop(workspace.name.casefold(), None)
        for grant in workspace.grants:
            self._by_principal[grant.principal_id].pop(workspace.id, None)
        now = self._world.now()
        self._table.put(workspace.id, replace(workspace, deleted_at=now))
        return now

    def restore(self, workspace: Workspace, owner: Grant, name: str | None) -> Workspace:
        """The deleted workspace again, with this owner as its admin."""
        self._check_name(name or workspace.name)
        now = self._world.now()
        others = tuple(grant for grant in workspace.grants if grant.principal_id != owner.principal_id)
        grants = (*others, replace(owner, role=Role.ADMIN, effective_at=now))
        return self._keep(replace(workspace, name=name or workspace.name, grants=grants, deleted_at=None))

    def purge(self, workspace: Workspace) -> None:
        """Forget a deleted workspace for good."""
        self._table.delete(workspace.id)

    def give(self, workspace: Workspace, grant: Grant) -> Grant:
        """Add a grant; the service lets the principal in a little later."""
        if workspace.grant(grant.principal_id):
            raise Refusal(
                "PrincipalAlreadyHasWorkspaceRolePermissions",
                "The provided principal already has a role assigned in the workspace.",
            )
        if len(workspace.grants) >= GRANTS_PER_WORKSPACE:
            raise Refusal(
                "WorkspaceRoleAssignmentsLimitExceeded", "The workspace has its full number of role assignments."
            )
        late = replace(grant, effective_at=self._world.now() + self._world.latency.lasts("fabric.permission"))
        self._keep(replace(workspace, grants=(*workspace.grants, late)))
        return late

    def change_role(self, workspace: Workspace, principal_id: str, role: Role) -> Grant:
        """The principal's grant with another role."""
        grant = self.grant(workspace, principal_id)
        changed = replace(grant, role=role)
        self._keep(replace(workspace, grants=tuple(changed if g is grant else g for g in workspace.grants)))
        return changed

    def take(self, workspace: Workspace, principal_id: str) -> None:
        """Remove the principal's grant."""
        grant = self.grant(workspace, principal_id)
        if grant.role is Role.ADMIN and sum(g.role is Role.ADMIN for g in workspace.grants) == 1:
            raise Refusal("CannotDeleteLastAdmin", "A workspace must keep at least one admin.")
        self._by_principal[principal_id].pop(workspace.id, None)
        self._keep(replace(workspace, grants=tuple(g for g in workspace.grants if g is not grant)))

    def forget_principal(self, principal_id: str) -> None:
        """The principal is gone from the directory, and from every workspace."""
        for workspace_id in list(self._by_principal.pop(principal_id, ())):
            workspace = self._table.get(workspace_id)
            if workspace:
                left = tuple(grant for grant in workspace.grants if grant.principal_id != principal_id)
                self._table.put(workspace_id, replace(workspace, grants=left))

    def grant(self, workspace: Workspace, principal_id: str) -> Grant:
        """The principal's grant in the workspace; refused when there is none."""
        grant = workspace.grant(principal_id)
        if grant is None:
            raise Refusal("WorkspaceRoleAssignmentNotFound", "The requested role assignment could not be found.")
        return grant

    def let_in(self, principal_id: str) -> None:
        """Make every role of the principal effective now."""
        now = self._world.now()
        for workspace_id in list(self._by_principal[principal_id]):
            workspace = self._table.get(workspace_id)
            if workspace:
                grants = tuple(
                    replace(g, effective_at=min(g.effective_at, now)) if g.principal_id == principal_id else g
                    for g in workspace.grants
                )
                self._table.put(workspace_id, replace(workspace, grants=grants))

    def progress(self, workspace: Workspace) -> str:
        """How far the assignment to the capacity is."""
        if workspace.capacity_failed:
            return "Failed"
        return "Completed" if workspace.capacity_settled_at <= self._world.now() else "InProgress"

    def on_capacity(self, workspace: Workspace) -> bool:
        """Whether the workspace has arrived on a capacity."""
        return workspace.capacity_id is not None and self.progress(workspace) == "Completed"

    def _on_capacity(self, workspace: Workspace, capacity_id: str) -> Workspace:
        capacity = self.capacities.get(capacity_id)
        if capacity is None:
            raise Refusal(
                "CapacityNotFound",
                f"The capacity with id {capacity_id} was not found.",
                resource=(capacity_id, "Capacity"),
            )
        if capacity.state != "Active":
            raise Refusal(
                "CapacityNotInActiveState",
                "The capacity is not in an active state.",
                resource=(capacity_id, "Capacity"),
            )
        now = self._world.now()
        doomed = self._world.faults.claim("capacity_failed", "fabric", "assign_to_capacity", workspace.name)
        settled = now + self._world.latency.lasts("fabric.capacity_assignment")
        return replace(
            workspace,
            capacity_id=capacity_id,
            capacity_since=now,
            capacity_settled_at=settled,
            capacity_failed=doomed is not None,
        )

    def _check_capacity_is_ours(self) -> None:
        if not self._world.fabric.knobs.capacity_contributor:
            raise Refusal(
                "InsufficientPermissionsOverCapacity", "The caller does not have permissions over the target capacity."
            )

    def _check_name(self, name: str) -> None:
        if not name.strip() or len(name) > LONGEST_NAME:
            raise Refusal("InvalidInput", f"The workspace name must have 1 to {LONGEST_NAME} characters.")
        if name.casefold() in RESERVED_NAMES:
            raise Refusal("WorkspaceNameIsReserved", "The requested workspace name is reserved.")
        if name.casefold() in self._by_name:
            raise Refusal(
                "WorkspaceNameAlreadyExists", "Only unused workspace names are allowed. The requested name is taken."
            )

    def _keep(self, workspace: Workspace) -> Workspace:
        self._index(workspace)
        return self._table.put(workspace.id, workspace)

    def _index(self, workspace: Workspace) -> None:
        if workspace.deleted_at is None:
            self._by_name[workspace.name.casefold()] = workspace.id
            for grant in workspace.grants:
                self._by_principal[grant.principal_id][workspace.id] = None
