"""Where data lies: lakehouses with their SQL endpoints, warehouses, SQL databases. Who reads checks the right to."""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from tenant_provisioning.simulator.fabric.items import Items
from tenant_provisioning.simulator.fabric.records import NEVER, Item, Store, TableData, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

LAKEHOUSE, WAREHOUSE, SQL_DATABASE, SQL_ENDPOINT = "Lakehouse", "Warehouse", "SQLDatabase", "SQLEndpoint"
DEFAULT_COLLATION = "Latin1_General_100_BIN2_UTF8"


class Stores:
    """All data stores, by item, by SQL endpoint and by the address that a connection names."""

    def __init__(self, world: World, items: Items) -> None:
        self._world = world
        self._items = items
        self._table = world.table("fabric.stores", Store)
        self._by_endpoint: dict[str, str] = {}
        self._workspace_of_server: dict[str, str] = {}
        for store in self._table.values():
            self._index(store)

    def get(self, item_id: str) -> Store:
        """The store of this item."""
        store = self._table.get(item_id)
        if store is None:
            raise Refusal("ItemNotFound", "The requested item was not found.", resource=(item_id, "Item"))
        return store

    def of_endpoint(self, workspace_id: str, endpoint_id: str) -> Store:
        """The lakehouse behind this SQL endpoint, once it is provisioned."""
        self._items.get(workspace_id, endpoint_id, SQL_ENDPOINT)
        return self.get(self._by_endpoint[endpoint_id])

    def at(self, server: str, database: str) -> Store | None:
        """The store that answers at this address; the database is its endpoint's id, its own id, or its name."""
        workspace_id = self._workspace_of_server.get(_host(server))
        if workspace_id is None:
            return self._world.azure_sql.store_at(_host(server), database)
        for item in self._items.within(workspace_id):
            store = self._table.get(self._by_endpoint.get(item.id, item.id))
            if store is None or _host(server) != store.server or not self.is_ready(store):
                continue
            if database.casefold() in {item.id, item.name.casefold(), database_name(store, item).casefold()}:
                return store
        return None

    def create(
        self,
        workspace: Workspace,
        item: Item,
        *,
        schemas_enabled: bool = False,
        collation: str | None = None,
        tables: Mapping[str, TableData] | None = None,
        endpoint_id: str | None = None,
        server: str | None = None,
    ) -> Store:
        """The store of a new item; a lakehouse's SQL endpoint is there only after a while."""
        now = self._world.now()
        ready_at = now
        if item.type == LAKEHOUSE:
            ready_at = now + self._world.latency.lasts("fabric.sql_endpoint")
            failed = self._world.faults.claim("endpoint_failed", "fabric", "create_lakehouse", item.name) is not None
            endpoint_id = self._items.reserve(
                workspace,
                SQL_ENDPOINT,
                item.name,
                unique=False,
                visible_at=NEVER if failed else ready_at,
                id=endpoint_id,
            ).id
        else:
            failed = False
        store = Store(
            item.id,
            workspace.id,
            item.type,
            server or address(workspace.id, item.type),
            now,
            ready_at,
            endpoint_id,
            failed,
            schemas_enabled,
            (collation or DEFAULT_COLLATION) if item.type == WAREHOUSE else None,
            tables or {},
            tables or {},
        )
        return self._keep(store)

    def is_ready(self, store: Store) -> bool:
        """Whether SQL answers."""
        return not store.failed and store.ready_at <= self._world.now()

    def write(self, item_id: str, tables: Mapping[str, TableData]) -> Store:
        """Store these tables, replacing those of the same names."""
        store = self.get(item_id)
        written = {**(store.written or {}), **tables}
        seen = store.visible if store.kind == LAKEHOUSE else written
        return self._keep(replace(store, written=written, visible=seen))

    def refresh_metadata(self, item_id: str) -> list[str]:
        """Let the SQL endpoint see every table that the lakehouse holds; their names."""
        store = self.get(item_id)
        self._keep(replace(store, visible=store.written))
        return list(store.written or {})

    def forget(self, item_id: str) -> None:
        """Remove the store and, with it, its SQL endpoint."""
        store = self._table.delete(item_id)
        if store and store.endpoint_id:
            self._by_endpoint.pop(store.endpoint_id, None)
            endpoint = next(
                (item for item in self._items.within(store.workspace_id, SQL_ENDPOINT) if item.id == store.endpoint_id),
                None,
            )
            if endpoint:
                self._items.forget(endpoint)

    def all(self) -> list[Store]:
        """Every store."""
        return self._table.values()

    def _keep(self, store: Store) -> Store:
        self._index(store)
        return self._table.put(store.id, store)

    def _index(self, store: Store) -> None:
        self._workspace_of_server[store.server] = store.workspace_id
        if store.endpoint_id:
            self._by_endpoint[store.endpoint_id] = store.id


def address(workspace_id: str, kind: str) -> str:
    """The host where the workspace's stores of this kind answer SQL; every workspace has its own."""
    label = base64.b32encode(UUID(workspace_id).bytes).decode().rstrip("=").lower()
    return f"{label}.{'database' if kind == SQL_DATABASE else 'datawarehouse'}.fabric.microsoft.com"


def database_name(store: Store, item: Item) -> str:
    """The name by which SQL knows the store: a SQL database's carries its id."""
    return f"{item.name}-{item.id}" if store.kind == SQL_DATABASE else item.name


def _host(server: str) -> str:
    return re.sub(r"(,|:)1433$", "", server.strip()).casefold()
