"""Fabric as a whole: its parts, the world before any tenant, and what a snapshot shows. Behaviour is in the parts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric import template
from tenant_provisioning.simulator.fabric.agenda import Agenda
from tenant_provisioning.simulator.fabric.connections import Connections
from tenant_provisioning.simulator.fabric.creation import Creation
from tenant_provisioning.simulator.fabric.definitions import read_model
from tenant_provisioning.simulator.fabric.items import Items
from tenant_provisioning.simulator.fabric.models import Models
from tenant_provisioning.simulator.fabric.notebooks import Jobs
from tenant_provisioning.simulator.fabric.operations import Operations
from tenant_provisioning.simulator.fabric.records import Capacity, Credentials, Grant, Role, Workspace
from tenant_provisioning.simulator.fabric.reports import Reports
from tenant_provisioning.simulator.fabric.stores import LAKEHOUSE, Stores
from tenant_provisioning.simulator.fabric.views import workspace_snapshot
from tenant_provisioning.simulator.fabric.workspaces import Workspaces
from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    CLIENT_ID,
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_SQL_ENDPOINT_HOST,
    TEMPLATE_SQL_ENDPOINT_ID,
    TEMPLATE_WORKSPACE_ID,
    TENANT_ID,
)

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

TEMPLATE_LAKEHOUSE_ID = "88888888-8888-4888-8888-888888888888"
PAUSED_CAPACITY_ID = "33333333-3333-4333-8333-333333333334"


class FabricKnobs(BaseModel):
    """What a test may change about Fabric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    created_at_once: float | None = Field(
        default=None, ge=0, le=1, description="chance of 201 instead of 202; by kind when None"
    )
    definition_at_once: float = Field(
        default=0.25, ge=0, le=1, description="chance of 200 instead of 202 for definitions"
    )
    calls_per_minute: int | None = Field(
        default=None, ge=1, description="per caller and operation; no number is published"
    )
    minute: float = Field(default=60, gt=0, description="seconds that a minute of this limit lasts")
    # the tenant settings of the admin portal, as far as service principals need them
    call_apis: bool = Field(default=True, description="Service principals can call Fabric public APIs")
    create_workspaces: bool = Field(
        default=True, description="Service principals can create workspaces, connections, and deployment pipelines"
    )
    read_admin_apis: bool = Field(default=True, description="Service principals can access read-only admin APIs")
    use_profiles: bool = Field(default=True, description="Allow service principals to create and use profiles")
    execute_queries: bool = Field(default=True, description="Dataset Execute Queries REST API")
    capacity_contributor: bool = Field(default=True, description="whether callers may use the capacities")
    workspaces_per_principal: int = Field(default=1_000, ge=1, description="Microsoft allows 1,000")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a service principal, or a profile of one."""

    id: str
    type: str = "ServicePrincipal"

    def grant(self) -> Grant:
        """The grant that makes it a workspace's first admin."""
        return Grant(self.id, self.type, Role.ADMIN, 0.0)


class FabricState:
    """The Fabric side of one Entra tenant."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = FabricKnobs()
        self.agenda = Agenda(world)
        self.workspaces = Workspaces(world)
        self.items = Items(world)
        self.stores = Stores(world, self.items)
        self.connections = Connections(world, lambda server, database: self.stores.at(server, database) is not None)
        self.models = Models(world, self.workspaces, self.stores, self.connections)
        self.reports = Reports(world)
        self.operations = Operations(world, self.agenda)
        self.jobs = Jobs(world, self.agenda, self.items, self.stores)
        self.creation = Creation(
            world,
            workspaces=self.workspaces,
            items=self.items,
            stores=self.stores,
            models=self.models,
            reports=self.reports,
            operations=self.operations,
        )
        self.operations.on("refresh_metadata", lambda subject: self.stores.refresh_metadata(str(subject)))
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}

    def seed(self) -> None:
        """Two capacities, one of them paused, and the template workspace with its lakehouse, notebook and model."""
        for identifier, state in ((CAPACITY_ID, "Active"), (PAUSED_CAPACITY_ID, "Inactive")):
            name = "Platform capacity" if state == "Active" else "Paused capacity"
            self.workspaces.capacities.put(identifier, Capacity(identifier, name, "F64", "North Europe", state))
        owner = Principal(object_id_of(CLIENT_ID))
        workspace = self.workspaces.create(
            owner.grant(), template.WORKSPACE_NAME, "Templates", CAPACITY_ID, id=TEMPLATE_WORKSPACE_ID
        )
        lakehouse = self.items.reserve(
            workspace, LAKEHOUSE, template.LAKEHOUSE_NAME, visible_at=0.0, id=TEMPLATE_LAKEHOUSE_ID
        )
        self.stores.create(
            workspace,
            lakehouse,
            tables=template.tables(),
            endpoint_id=TEMPLATE_SQL_ENDPOINT_ID,
            server=TEMPLATE_SQL_ENDPOINT_HOST,
        )
        notebook = self.items.reserve(
            workspace, "Notebook", template.NOTEBOOK_NAME, visible_at=0.0, id=TEMPLATE_NOTEBOOK_ID
        )
        self.items.define(notebook.id, template.notebook())
        model = self.items.reserve(
            workspace, "SemanticModel", template.MODEL_NAME, visible_at=0.0, id=TEMPLATE_DATASET_ID
        )
        self.items.define(model.id, template.model())
        self.models.create(model.id, owner.id, read_model(template.model()))

    def snapshot(self) -> dict[str, Any]:
        """Workspaces with everything in them, connections, and the ids of what is deleted but kept."""
        self.agenda.settle()
        alive = [workspace for workspace in self.workspaces.all() if workspace.deleted_at is None]
        return {
            "workspaces": [workspace_snapshot(self, workspace) for workspace in alive],
            "connections": [
                {"id": c.id, "displayName": c.name, "path": c.path, "credentialsAccepted": c.credentials.accepted}
                for c in self.connections.all()
            ],
            "deletedWorkspaces": [
                workspace.id for workspace in self.workspaces.all() if workspace.deleted_at is not None
            ],
        }

    def delete_workspace(self, workspace: Workspace) -> None:
        """Put the workspace and everything in it into retention; connections stay."""
        self.items.delete_all(workspace.id, self.workspaces.delete(workspace))

    def restore_workspace(self, workspace_id: str, owner: Grant, name: str | None) -> Workspace:
        """The deleted workspace again, with what it held when it was deleted."""
        deleted = self.workspaces.deleted(workspace_id)
        workspace = self.workspaces.restore(deleted, owner, name)
        self.items.restore_all(workspace_id, deleted.deleted_at or 0.0)
        return workspace

    def purge_workspace(self, workspace_id: str) -> None:
        """Leave nothing of the deleted workspace."""
        workspace = self.workspaces.deleted(workspace_id)
        for item in self.items.held(workspace_id):
            self.stores.forget(item.id)
            self.models.forget(item.id)
            self.reports.forget(item.id)
        self.items.forget_all(workspace_id)
        self.workspaces.purge(workspace)

    def sign_in(self, kind: str, tenant_id: str | None, client_id: str | None, secret: str | None) -> Credentials:
        """What the directory says to a service principal's credentials; the secret is not kept."""
        client = self._world.entra.client(client_id) if client_id else None
        known = client is not None and tenant_id == TENANT_ID and client.secret is not None and client.secret == secret
        return Credentials(kind, known, client.object_id if client else None)

    def blocked_until(self, principal_id: str, operation: str) -> float | None:
        """When the caller may call this operation again, None when now: counted by the minute."""
        allowed = self.knobs.calls_per_minute
        if allowed is None:
            return None
        length = self.knobs.minute
        minute = int(self._world.now() // length)
        since, calls = self._seen.get((principal_id, operation), (minute, 0))
        calls = calls + 1 if since == minute else 1
        self._seen[principal_id, operation] = minute, calls
        return (minute + 1) * length if calls > allowed else None
