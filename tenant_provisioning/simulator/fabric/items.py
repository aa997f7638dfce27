"""The items of workspaces: names, folders, definitions. What an item of a kind means is in stores, models and reports.

Fabric refuses a second item of the same type and name; Power BI's imports and clones make duplicates, so the index
holds several.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tenant_provisioning.simulator.fabric.records import NEVER, Folder, Item, Part, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

ITEMS_PER_WORKSPACE = 1_000
LONGEST_NAME = 256


class Items:
    """All items, by workspace and by name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._table = world.table("fabric.items", Item)
        self._definitions = world.table("fabric.definitions", tuple)
        self._released = world.table("fabric.names_released", float)
        self.folders = world.table("fabric.folders", Folder)
        self._by_workspace: dict[str, dict[str, None]] = defaultdict(dict)
        self._by_name: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
        for item in self._table.values():
            self._index(item)

    # finding

    def get(self, workspace_id: str, item_id: str, type: str | None = None) -> Item:  # noqa: A002 - the vendor's word
        """The item, which has to be of that type where one is named."""
        item = self.find(item_id)
        if item is None or item.workspace_id != workspace_id or (type is not None and item.type != type):
            raise Refusal("ItemNotFound", "The requested item was not found.", resource=(item_id, type or "Item"))
        return item

    def find(self, item_id: str) -> Item | None:
        """The item with this id, wherever it is; None when it is not there, deleted, or still being created."""
        item = self._table.get(item_id)
        return item if item and self._is_seen(item) else None

    def within(self, workspace_id: str, type: str | None = None) -> Iterator[Item]:  # noqa: A002
        """The workspace's items, oldest first."""
        for item_id in self._by_workspace[workspace_id]:
            item = self._table.get(item_id)
            if item and self._is_seen(item) and (type is None or item.type == type):
                yield item

    def named(self, workspace_id: str, type: str, name: str) -> Iterable[Item]:  # noqa: A002
        """The items of that type and name; Power BI may have made several."""
        found = (self._table.get(item_id) for item_id in self._by_name.get(_key(workspace_id, type, name), {}))
        return [item for item in found if item and self._is_seen(item)]

    def all(self) -> Iterable[Item]:
        """Every item, deleted ones and those being created included."""
        return self._table.values()

    def definition(self, item_id: str) -> tuple[Part, ...]:
        """The item's definition; empty when it has none."""
        return self._definitions.get(item_id) or ()

    # changing

    def reserve(
        self,
        workspace: Workspace,
        type: str,  # noqa: A002
        name: str,
        description: str = "",
        folder_id: str | None = None,
        *,
        unique: bool = True,
        visible_at: float = NEVER,
        id: str | None = None,  # noqa: A002
    ) -> Item:
        """A new item that holds its name; nobody sees it before `visible_at`, or `show` when that is NEVER."""
        self._check_name(workspace.id, type, name, unique)
        if folder_id is not None and folder_id not in self.folders:
            raise Refusal("FolderNotFound", "The requested folder was not found.")
        if len(self._by_workspace[workspace.id]) >= ITEMS_PER_WORKSPACE:
            raise Refusal("WorkspaceItemsLimitExceeded", "The workspace holds its maximum number of items.")
        now = self._world.now()
        return self._keep(
            Item(id or self._world.new_id(), workspace.id, type, name, description, now, visible_at, folder_id)
        )

    def show(self, item_id: str, at: float | None = None) -> Item:
        """Let the reserved item be seen, from now on or from a moment."""
        item = self._table.get(item_id)
        if item is None:
            raise Refusal("ItemNotFound", "The item was removed while it was being created.")
        return self._keep(replace(item, visible_at=self._world.now() if at is None else at))

    def change(self, item: Item, name: str | None, description: str | None) -> Item:
        """The item with another name or description, each only when given."""
        if name is not None and name.casefold() != item.name.casefold():
            self._check_name(item.workspace_id, item.type, name, unique=True)
        self._drop_name(item)
        return self._keep(
            replace(
                item,
                name=item.name if name is None else name,
                description=item.description if description is None else description,
            )
        )

    def discard(self, item_id: str) -> None:
        """Drop an item whose creation failed; nobody has seen it."""
        item = self._table.get(item_id)
        if item is not None:
            self.forget(item)

    def move(self, item: Item, folder_id: str | None) -> Item:
        """The item in another folder, or in none."""
        return self._keep(replace(item, folder_id=folder_id))

    def define(self, item_id: str, parts: Iterable[Part]) -> None:
        """Give the item this definition."""
        self._definitions.put(item_id, tuple(parts))

    def delete(self, item: Item, *, hard: bool = False) -> None:
        """Delete the item, softly unless `hard`. Its name stays reserved for a while either way."""
        self._drop_name(item)
        lasts = self._world.latency.lasts("fabric.name_reserved")
        if lasts:
            self._released.put("/".join(_key(item.workspace_id, item.type, item.name)), self._world.now() + lasts)
        if hard:
            self.forget(item)
        else:
            self._table.put(item.id, replace(item, deleted_at=self._world.now()))

    def delete_all(self, workspace_id: str, moment: float) -> None:
        """Delete what the workspace holds, all at that moment."""
        for item in list(self.within(workspace_id)):
            self._drop_name(item)
            self._table.put(item.id, replace(item, deleted_at=moment))

    def restore_all(self, workspace_id: str, moment: float) -> None:
        """Bring back what was deleted at that moment."""
        for item_id in self._by_workspace[workspace_id]:
            item = self._table.get(item_id)
            if item and item.deleted_at == moment:
                self._keep(replace(item, deleted_at=None))

    def held(self, workspace_id: str) -> list[Item]:
        """Whatever the workspace holds, deleted or still being made."""
        return [item for item in map(self._table.get, self._by_workspace[workspace_id]) if item]

    def forget_all(self, workspace_id: str) -> None:
        """Leave nothing of what the workspace held."""
        for item_id in list(self._by_workspace.pop(workspace_id, {})):
            self.discard(item_id)

    def forget(self, item: Item) -> None:
        """Leave nothing of the item: neither its name nor its definition."""
        self._drop_name(item)
        self._by_workspace[item.workspace_id].pop(item.id, None)
        self._definitions.delete(item.id)
        self._table.delete(item.id)

    def _is_seen(self, item: Item) -> bool:
        return item.deleted_at is None and item.visible_at <= self._world.now()

    def _check_name(self, workspace_id: str, type: str, name: str, unique: bool) -> None:  # noqa: A002
        if not name.strip() or len(name) > LONGEST_NAME:
            raise Refusal("InvalidInput", f"The display name must have 1 to {LONGEST_NAME} characters.")
        if type == "Lakehouse" and not (name[0].isalpha() and name.replace("_", "a").isalnum() and name.isascii()):
            raise Refusal(
                "InvalidInput",
                "DisplayName is Invalid for ArtifactType. A lakehouse name takes letters, numbers and underscores.",
            )
        if not unique:
            return
        key = _key(workspace_id, type, name)
        if self._by_name.get(key):
            raise Refusal("ItemDisplayNameAlreadyInUse", f"Requested '{name}' is already in use.")
        if (self._released.get("/".join(key)) or 0) > self._world.now():
            raise Refusal(
                "ItemDisplayNameNotAvailableYet",
                f"Requested '{name}' is not available yet and is expected to become available soon.",
            )

    def _keep(self, item: Item) -> Item:
        self._index(item)
        return self._table.put(item.id, item)

    def _index(self, item: Item) -> None:
        self._by_workspace[item.workspace_id][item.id] = None
        if item.deleted_at is None:
            self._by_name[_key(item.workspace_id, item.type, item.name)][item.id] = None

    def _drop_name(self, item: Item) -> None:
        key = _key(item.workspace_id, item.type, item.name)
        holders = self._by_name.get(key, {})
        holders.pop(item.id, None)
        if not holders:
            self._by_name.pop(key, None)


def _key(workspace_id: str, type: str, name: str) -> tuple[str, str, str]:  # noqa: A002
    return workspace_id, type, name.casefold()
