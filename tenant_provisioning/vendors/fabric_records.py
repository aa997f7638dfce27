"""What Fabric tells, as records of ours: the few fields this product needs, each read from the vendor's JSON in one
place.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class Workspace:
    """A workspace; `capacity_progress` (Completed, InProgress, Failed) is told by `get_workspace` only."""

    id: str
    name: str
    description: str = ""
    capacity_id: str | None = None
    capacity_progress: str | None = None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Workspace or WorkspaceInfo; the real service leaves an empty description out."""
        return cls(
            body["id"],
            body["displayName"],
            body.get("description") or "",
            body.get("capacityId"),
            body.get("capacityAssignmentProgress"),
        )

    def is_on(self, capacity_id: str) -> bool:
        """Whether it has arrived on this capacity."""
        return self.capacity_id == capacity_id and self.capacity_progress == "Completed"


@dataclass(frozen=True)
class Capacity:
    """A Fabric capacity; `state` is Active or Inactive."""

    id: str
    name: str
    sku: str
    region: str
    state: str

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Capacity."""
        return cls(body["id"], body["displayName"], body["sku"], body["region"], body["state"])


@dataclass(frozen=True)
class TenantSetting:
    """A switch of the admin portal; `groups` counts the security groups it is limited to, 0 where it holds for all."""

    name: str
    title: str
    enabled: bool
    groups: int = 0

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a TenantSetting."""
        groups = body.get("enabledSecurityGroups") or ()
        return cls(body["settingName"], body.get("title") or "", bool(body["enabled"]), len(groups))


@dataclass(frozen=True)
class Item:
    """Anything that lives in a workspace; `type` is Fabric's word for it, such as Lakehouse or SemanticModel."""

    id: str
    type: str
    name: str
    description: str = ""
    workspace_id: str | None = None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From an Item of any type."""
        return cls(
            body["id"], body["type"], body["displayName"], body.get("description") or "", body.get("workspaceId")
        )


@dataclass(frozen=True)
class SqlEndpoint:
    """A lakehouse's SQL endpoint; a dataset names `server` and, as its database, `id`."""

    id: str
    server: str


@dataclass(frozen=True)
class Lakehouse:
    """A lakehouse; its `sql_endpoint` is made later, None until `sql_endpoint_status` is Success."""

    id: str
    name: str
    description: str
    workspace_id: str
    sql_endpoint_status: str
    sql_endpoint: SqlEndpoint | None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Lakehouse; while the endpoint is in progress its id and connection string are null."""
        told = (body.get("properties") or {}).get("sqlEndpointProperties") or {}
        status = told.get("provisioningStatus") or "InProgress"
        ready = status == "Success" and told.get("id") and told.get("connectionString")
        endpoint = SqlEndpoint(told["id"], told["connectionString"]) if ready else None
        return cls(
            body["id"], body["displayName"], body.get("description") or "", body["workspaceId"], status, endpoint
        )


@dataclass(frozen=True)
class SqlStore:
    """A warehouse or SQL database; `server` is empty until it can be connected to, as `database`."""

    id: str
    name: str
    server: str
    database: str

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Warehouse, which SQL knows by its name, or a SQLDatabase, which it knows by another; the port is left out."""
        told = body.get("properties") or {}
        server = str(told.get("serverFqdn") or told.get("connectionString") or "").partition(",")[0]
        return cls(body["id"], body["displayName"], server, told.get("databaseName") or body["displayName"])


@dataclass(frozen=True)
class DefinitionPart:
    """One file of an item's definition, such as definition/expressions.tmdl."""

    path: str
    content: bytes

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From an ItemDefinitionPart, whose payload is always base64."""
        return cls(body["path"], base64.b64decode(body["payload"], validate=True))

    def told(self) -> dict[str, str]:
        """As Fabric wants it."""
        return {"path": self.path, "payload": base64.b64encode(self.content).decode(), "payloadType": "InlineBase64"}


@dataclass(frozen=True)
class Connection:
    """A shareable connection: an object of the whole Entra tenant, which outlives every workspace. `path` is
    "server;database".
    """

    id: str
    name: str
    type: str
    path: str

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Connection; personal ones have no name."""
        details = body["connectionDetails"]
        return cls(body["id"], body.get("displayName") or "", details.get("type") or "", details.get("path") or "")


@dataclass(frozen=True)
class ServicePrincipal:
    """The credentials a connection signs in with; the secret is left out of what is printed."""

    tenant_id: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Job:
    """A run of an item, such as a notebook; `retry_after` is in how many seconds Fabric wants to be asked about it
    first.
    """

    workspace_id: str
    item_id: str
    id: str
    retry_after: float | None = None
