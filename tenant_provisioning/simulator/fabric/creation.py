"""Making and unmaking items of every kind: at once, or as a long-running operation that reserves the name first."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenant_provisioning.simulator.fabric.dacpac import read_schema
from tenant_provisioning.simulator.fabric.definitions import read_model
from tenant_provisioning.simulator.fabric.items import Items
from tenant_provisioning.simulator.fabric.models import Models
from tenant_provisioning.simulator.fabric.operations import Operations
from tenant_provisioning.simulator.fabric.records import Item, Operation, Part, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.reports import Reports, dataset_named
from tenant_provisioning.simulator.fabric.stores import LAKEHOUSE, SQL_DATABASE, WAREHOUSE, Stores
from tenant_provisioning.simulator.fabric.workspaces import Workspaces
from tenant_provisioning.simulator.world import World

# how often a create is answered with 201 instead of 202; recorded: warehouses 6 of 27, models and reports never
AT_ONCE: Mapping[str, float] = {
    LAKEHOUSE: 0.9,
    WAREHOUSE: 6 / 27,
    SQL_DATABASE: 0.25,
    "SemanticModel": 0.0,
    "Report": 0.0,
}
ANY_OTHER_AT_ONCE = 0.5
ON_SHARED_CAPACITY = frozenset({"SemanticModel", "Report"})
STORES = frozenset({LAKEHOUSE, WAREHOUSE, SQL_DATABASE})


@dataclass(frozen=True)
class Order:
    """An item to be made in a workspace."""

    type: str
    name: str
    owner_id: str
    description: str = ""
    folder_id: str | None = None
    format: str = ""
    parts: tuple[Part, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Making:
    """An order whose name is reserved."""

    item_id: str
    workspace: Workspace
    order: Order


@dataclass(frozen=True)
class Redefining:
    """A new definition for an item."""

    item_id: str
    parts: tuple[Part, ...]


class Creation:
    """The makers of items. Models and stores are told about each item of their kind."""

    def __init__(
        self,
        world: World,
        *,
        workspaces: Workspaces,
        items: Items,
        stores: Stores,
        models: Models,
        reports: Reports,
        operations: Operations,
    ) -> None:
        self._world = world
        self._workspaces = workspaces
        self._items = items
        self._stores = stores
        self._models = models
        self._reports = reports
        self._operations = operations
        operations.on("create_item", self._make, self._give_up)
        operations.on("update_definition", self._redefine)
        operations.on("get_definition", lambda subject: subject)

    def create(self, workspace: Workspace, order: Order, at_once: float | None = None) -> Item | Operation:
        """The new item, or the operation that will make it: which of the two is chance, as it is at the vendor."""
        if order.type not in ON_SHARED_CAPACITY and not self._workspaces.on_capacity(workspace):
            raise Refusal(
                "UnsupportedCapacitySKU", "The workspace is not assigned to a capacity that supports this item."
            )
        chance = AT_ONCE.get(order.type, ANY_OTHER_AT_ONCE) if at_once is None else at_once
        item = self._items.reserve(workspace, order.type, order.name, order.description, order.folder_id)
        making = Making(item.id, workspace, order)
        if self._world.random.random() >= chance:
            return self._operations.begin("create_item", making, about=order.name)
        try:
            self._make(making)
        except Refusal:
            self._give_up(making)
            raise
        return self._items.get(workspace.id, item.id)

    def get_definition(self, item: Item, at_once: float) -> Operation | None:
        """None when the definition can be answered at once, else the operation that fetches it."""
        if self._world.random.random() < at_once:
            return None
        return self._operations.begin("get_definition", item.id, about=item.name)

    def redefine(self, item: Item, parts: tuple[Part, ...], at_once: float) -> Operation | None:
        """Give the item a new definition: None when done at once, else the operation that does it."""
        redefining = Redefining(item.id, parts)
        if self._world.random.random() < at_once:
            self._redefine(redefining)
            return None
        return self._operations.begin("update_definition", redefining, about=item.name, has_result=False)

    def delete(self, item: Item, *, hard: bool = False) -> None:
        """Delete the item with what it means; a dataset takes the reports that show it in its workspace along."""
        if item.type == "SemanticModel":
            for report in self._reports.showing(item.id):
                shown = self._items.find(report.id)
                if shown and shown.workspace_id == item.workspace_id:
                    self.delete(shown, hard=hard)
        self._stores.forget(item.id)
        self._models.forget(item.id)
        self._reports.forget(item.id)
        self._items.delete(item, hard=hard)

    def _make(self, subject: object) -> object:
        assert isinstance(subject, Making)  # noqa: S101 - what begin was given
        order = subject.order
        item = self._items.show(subject.item_id)
        match order.type:
            case "SemanticModel":
                self._models.create(item.id, order.owner_id, read_model(order.parts))
            case "Report":
                self._reports.create(item.id, self._known_model(dataset_named(order.parts)))
            case _ if order.type in STORES:
                self._make_store(subject.workspace, item, order)
            case _:
                pass  # the service keeps the definition and understands no more of it
        self._items.define(item.id, order.parts)
        return item.id

    def _make_store(self, workspace: Workspace, item: Item, order: Order) -> None:
        tables = read_schema(order.format, order.parts) if order.type == SQL_DATABASE and order.parts else {}
        collation = order.options.get("collationType")
        self._stores.create(
            workspace,
            item,
            schemas_enabled=bool(order.options.get("enableSchemas")),
            collation=str(collation) if collation else None,
            tables=tables,
        )

    def _redefine(self, subject: object) -> object:
        assert isinstance(subject, Redefining)  # noqa: S101 - what begin was given
        item = self._items.find(subject.item_id)
        if item is None:
            raise Refusal("ItemNotFound", "The requested item was not found.")
        if item.type == "SemanticModel":
            self._models.reshape(self._models.get(item.id), read_model(subject.parts))
        elif item.type == "Report":
            self._reports.replace_content(
                self._reports.get(item.id), self._known_model(dataset_named(subject.parts)), None
            )
        self._items.define(item.id, subject.parts)
        return None

    def _known_model(self, dataset_id: str) -> str:
        if self._models.find(dataset_id) is None:
            raise Refusal("Report_Import_FailedToImportReport", f"The semantic model {dataset_id} was not found.")
        return dataset_id

    def _give_up(self, subject: object) -> object:
        assert isinstance(subject, Making)  # noqa: S101 - what begin was given
        self._items.discard(subject.item_id)
        return None
