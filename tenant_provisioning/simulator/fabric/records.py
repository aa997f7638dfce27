"""What Fabric remembers, as frozen records. How it changes is in the modules beside; its JSON is in views.

What takes time is a moment in the record (`ready_at`, `visible_at`), so that nothing has to run in the background.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NEVER = float("inf")


class Role(StrEnum):
    """What a principal may do in a workspace, weakest last."""

    ADMIN = "Admin"
    MEMBER = "Member"
    CONTRIBUTOR = "Contributor"
    VIEWER = "Viewer"


@dataclass(frozen=True, slots=True)
class Capacity:
    """A capacity that workspaces can be assigned to."""

    id: str
    name: str
    sku: str
    region: str
    state: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal's role in a workspace; the service lets it in from `effective_at` on."""

    principal_id: str
    principal_type: str
    role: Role
    effective_at: float
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace, which Power BI calls a group. `deleted_at` begins its retention."""

    id: str
    name: str
    description: str
    created_at: float
    grants: tuple[Grant, ...]
    capacity_id: str | None = None
    capacity_since: float = 0.0
    capacity_settled_at: float = 0.0
    capacity_failed: bool = False
    deleted_at: float | None = None

    def grant(self, principal_id: str) -> Grant | None:
        """The principal's grant, or None."""
        return next((grant for grant in self.grants if grant.principal_id == principal_id), None)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an item's definition; `payload` is base64 as the API carries it."""

    path: str
    payload: str


@dataclass(frozen=True, slots=True)
class Item:
    """Anything in a workspace. Its name is taken at once; it is seen from `visible_at` on, NEVER while it is made."""

    id: str
    workspace_id: str
    type: str
    name: str
    description: str
    created_at: float
    visible_at: float
    folder_id: str | None = None
    deleted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in a workspace."""

    id: str
    workspace_id: str
    name: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class TableData:
    """A table's columns and rows; rows are shared, never changed."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """The data of a lakehouse, warehouse or SQL database (`id` is the item's).

    `written` is what was stored, `visible` what SQL sees of it: of a lakehouse only what the last metadata refresh saw.
    """

    id: str
    workspace_id: str
    kind: str
    server: str
    created_at: float
    ready_at: float
    endpoint_id: str | None = None
    failed: bool = False
    schemas_enabled: bool = False
    collation: str | None = None
    written: Mapping[str, TableData] | None = None
    visible: Mapping[str, TableData] | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a data source is signed in to: never the secret, only whether the directory accepts it."""

    kind: str
    accepted: bool
    principal_id: str | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, which belongs to the Entra tenant and outlives every workspace."""

    id: str
    name: str
    connectivity: str
    type: str
    path: str
    privacy: str
    single_sign_on: str
    encryption: str
    skip_test: bool
    credentials: Credentials
    gateway_id: str
    owner_id: str
    created_at: float
    bound_at: float | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A data source as a model's definition names it, with its own credentials and the connection it is bound to.

    `server_from` and `database_from` are the parameters that name it, None where the definition does itself.
    """

    kind: str
    server: str
    database: str
    gateway_id: str
    datasource_id: str
    credentials: Credentials | None = None
    connection_id: str | None = None
    server_from: str | None = None
    database_from: str | None = None

    @property
    def path(self) -> str:
        """The path a connection must have to be bound to this source."""
        return f"{self.server};{self.database}" if self.database else self.server


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table of a model: `item` is the table it reads from the data source, None when it is calculated or pushed."""

    name: str
    columns: tuple[str, ...]
    item: str | None
    mode: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A Power Query parameter of a model."""

    name: str
    type: str
    value: str
    required: bool


@dataclass(frozen=True, slots=True)
class Model:
    """What a semantic model's definition means (`id` is the item's), and the data its last refresh loaded."""

    id: str
    owner_id: str
    sources: tuple[Source, ...]
    tables: tuple[ModelTable, ...]
    parameters: tuple[Parameter, ...]
    sources_ready_at: float
    has_roles: bool = False
    pushed: bool = False
    loaded: Mapping[str, TableData] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report's bond (`id` is the item's): the dataset it shows and where its content came from."""

    id: str
    dataset_id: str | None
    original_id: str | None = None
    package: str | None = None
    rebound: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something that ran in the background failed, in the vendor's words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running operation. `work` names what is done with `subject` when it is due."""

    id: str
    work: str
    subject: object
    created_at: float
    due_at: float
    has_result: bool
    finished_at: float | None = None
    result: object = None
    failure: Failure | None = None
    doomed: Failure | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A run of an item, such as a notebook."""

    id: str
    item_id: str
    workspace_id: str
    type: str
    created_at: float
    starts_at: float
    due_at: float
    parameters: Mapping[str, object]
    lakehouse_id: str | None
    status: str = "NotStarted"
    finished_at: float | None = None
    failure: Failure | None = None
    doomed: Failure | None = None
