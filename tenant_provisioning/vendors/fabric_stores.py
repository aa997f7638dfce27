"""Warehouses and SQL databases of Fabric: items that speak SQL as soon as they are there.

What is said to them in SQL is `sql`; lakehouses are in `fabric_lakehouses`.
"""

from collections.abc import Mapping
from typing import Any

from tenant_provisioning.vendors._http import Pending
from tenant_provisioning.vendors.fabric_lakehouses import FabricLakehouses
from tenant_provisioning.vendors.fabric_operations import OnOperation
from tenant_provisioning.vendors.fabric_records import DefinitionPart, SqlStore

PATHS = {"Warehouse": "warehouses", "SQLDatabase": "sqlDatabases"}


class FabricStores(FabricLakehouses):
    """Warehouse and SQLDatabase (Fabric's words for `item_type`) from their creation to the moment they can be connected to."""

    async def create_warehouse(
        self,
        workspace_id: str,
        name: str,
        *,
        description: str = "",
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> str:
        """The id of a new warehouse without tables; no definition can be given to it."""
        return await self._create_store(
            workspace_id, "Warehouse", name, {"description": description}, deadline=deadline, on_operation=on_operation
        )

    async def create_sql_database(
        self,
        workspace_id: str,
        name: str,
        dacpac: bytes,
        *,
        description: str = "",
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> str:
        """The id of a new SQL database with the schema of the dacpac."""
        part = DefinitionPart(f"{name}.dacpac", dacpac).told()
        asked = {"description": description, "definition": {"format": "dacpac", "parts": [part]}}
        return await self._create_store(
            workspace_id, "SQLDatabase", name, asked, deadline=deadline, on_operation=on_operation
        )

    async def find_sql_store(self, workspace_id: str, item_type: str, item_id: str) -> SqlStore | None:
        """The warehouse or SQL database with this id, or None where there is none that we may see."""
        path = f"/workspaces/{workspace_id}/{PATHS[item_type]}/{item_id}"
        return await self._find(f"get {_words(item_type)}", path, SqlStore.read)

    async def wait_for_sql_store(self, workspace_id: str, item_type: str, item_id: str, *, deadline: float) -> SqlStore:
        """The warehouse or SQL database once it tells where it is connected to."""
        path = f"/workspaces/{workspace_id}/{PATHS[item_type]}/{item_id}"

        async def check() -> SqlStore | Pending:
            store = await self._get(f"get {_words(item_type)}", path, SqlStore.read)
            return store if store.server else Pending("it has no address yet")

        return await self._http.poll(f"make {_words(item_type)}", check, deadline=deadline)

    async def _create_store(
        self,
        workspace_id: str,
        item_type: str,
        name: str,
        asked: Mapping[str, Any],
        *,
        deadline: float,
        on_operation: OnOperation | None,
    ) -> str:
        operation, path = f"create {_words(item_type)}", f"/workspaces/{workspace_id}/{PATHS[item_type]}"
        response = await self._http.call(operation, "POST", path, json={"displayName": name, **asked}, ok=(201, 202))
        return await self._created(
            operation, response, (workspace_id, item_type, name), deadline=deadline, on_operation=on_operation
        )


def _words(item_type: str) -> str:
    return {"Warehouse": "warehouse", "SQLDatabase": "SQL database"}[item_type]
