"""The items of a Fabric workspace: listing, definitions, semantic models, reports. Lakehouses are in `fabric_lakehouses`."""

from collections.abc import Collection
from typing import Any

import httpx

from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.vendors.fabric_operations import GONE, VENDOR, FabricOperations, OnOperation
from tenant_provisioning.vendors.fabric_records import DefinitionPart, Item

DEFINED = {
    "SemanticModel": ("create semantic model", "semanticModels"),
    "Report": ("create report", "reports"),
}


class FabricItems(FabricOperations):
    """What can be asked about any item, and what a semantic model (Power BI says dataset) needs."""

    async def list_items(self, workspace_id: str, item_type: str | None = None) -> tuple[Item, ...]:
        """The workspace's items, all pages, of one type (Lakehouse, SemanticModel, …) or of all."""
        asked = {"type": item_type} if item_type else None
        return await self._pages("list items", f"/workspaces/{workspace_id}/items", Item.read, asked)

    async def find_item(self, workspace_id: str, item_type: str, name: str) -> Item | None:
        """The item of this type and exactly this name; the API has no filter by name."""
        return next((item for item in await self.list_items(workspace_id, item_type) if item.name == name), None)

    async def get_definition(
        self, workspace_id: str, item_id: str, *, deadline: float, definition_format: str | None = None
    ) -> tuple[DefinitionPart, ...]:
        """The files an item is defined by; a semantic model's are TMDL unless `definition_format` says otherwise."""
        path = f"/workspaces/{workspace_id}/items/{item_id}/getDefinition"
        asked = {"format": definition_format} if definition_format else None
        response = await self._http.call("get definition", "POST", path, params=asked, ok=(200, 202), idempotent=True)
        parts = await self._outcome("get definition", response, _parts, deadline=deadline)
        if parts is None:
            raise VendorUnavailable(VENDOR, "get definition", "the operation succeeded without a definition")
        return parts

    async def update_definition(
        self, workspace_id: str, item_id: str, parts: Collection[DefinitionPart], *, deadline: float
    ) -> None:
        """The item is defined by these files and no others; its name stays, and a repeat changes nothing."""
        path = f"/workspaces/{workspace_id}/items/{item_id}/updateDefinition"
        asked = {"definition": {"parts": [part.told() for part in parts]}}
        response = await self._http.call("update definition", "POST", path, json=asked, ok=(200, 202), idempotent=True)
        if response.status_code == 202:  # the operation has no result to ask for
            await self._accepted("update definition", response, deadline=deadline)

    async def describe_item(self, workspace_id: str, item_id: str, description: str) -> None:
        """The item carries this description (256 characters at most); a repeat changes nothing."""
        path, asked = f"/workspaces/{workspace_id}/items/{item_id}", {"description": description}
        await self._http.call("describe item", "PATCH", path, json=asked, ok=(200,), idempotent=True)

    async def delete_item(self, workspace_id: str, item_id: str) -> None:
        """The item is gone (kept by Fabric for a while, as the default is)."""
        await self._http.delete("delete item", f"/workspaces/{workspace_id}/items/{item_id}", gone=GONE)

    async def create_semantic_model(
        self,
        workspace_id: str,
        name: str,
        parts: Collection[DefinitionPart],
        *,
        description: str = "",
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> Item:
        """A new semantic model (dataset) from its definition; `description` takes 256 characters."""
        return await self._create_defined(
            workspace_id, "SemanticModel", name, parts,
            description=description, deadline=deadline, on_operation=on_operation,
        )  # fmt: skip

    async def create_report(
        self,
        workspace_id: str,
        name: str,
        parts: Collection[DefinitionPart],
        *,
        description: str = "",
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> Item:
        """A new report from its definition, bound to the dataset that its definition.pbir names."""
        return await self._create_defined(
            workspace_id, "Report", name, parts,
            description=description, deadline=deadline, on_operation=on_operation,
        )  # fmt: skip

    async def _create_defined(
        self,
        workspace_id: str,
        item_type: str,
        name: str,
        parts: Collection[DefinitionPart],
        *,
        description: str,
        deadline: float,
        on_operation: OnOperation | None,
    ) -> Item:
        operation, plural = DEFINED[item_type]
        asked = {
            "displayName": name,
            "description": description,
            "definition": {"parts": [part.told() for part in parts]},
        }
        response = await self._http.call(
            operation, "POST", f"/workspaces/{workspace_id}/{plural}", json=asked, ok=(201, 202)
        )
        made = await self._created(
            operation, response, (workspace_id, item_type, name), deadline=deadline, on_operation=on_operation
        )
        return Item(made, item_type, name, description, workspace_id)

    async def list_item_connections(self, workspace_id: str, item_id: str) -> tuple[str, ...]:
        """The ids of the connections that the item's data sources are bound to; a source bound to none has no id to tell."""
        path = f"/workspaces/{workspace_id}/items/{item_id}/connections"
        told = await self._pages("list item connections", path, lambda body: str(body.get("id") or ""))
        return tuple(one for one in told if one)

    async def bind_connection(
        self, workspace_id: str, semantic_model_id: str, connection_id: str, *, server: str, database: str
    ) -> None:
        """The semantic model, which must be ours, reads its source (`server`, `database`) through the connection."""
        binding = {
            "id": connection_id,
            "connectivityType": "ShareableCloud",
            "connectionDetails": {"type": "SQL", "path": f"{server};{database}"},
        }
        path = f"/workspaces/{workspace_id}/semanticModels/{semantic_model_id}/bindConnection"
        await self._http.call(
            "bind connection", "POST", path, json={"connectionBinding": binding}, ok=(200,), idempotent=True
        )

    async def _created(
        self,
        operation: str,
        response: httpx.Response,
        item: tuple[str, str, str],
        *,
        deadline: float,
        on_operation: OnOperation | None,
    ) -> str:
        """The new item's id; `item` (workspace, type, name) is looked up where the operation does not tell it."""
        made = await self._outcome(
            operation, response, lambda body: str(body["id"]), deadline=deadline, on_operation=on_operation
        )
        if made is not None:
            return made
        found = await self.find_item(*item)
        if found is None:
            raise VendorUnavailable(VENDOR, operation, f"the operation succeeded, but {item[-1]} is not there yet")
        return found.id


def _parts(body: Any) -> tuple[DefinitionPart, ...]:
    return tuple(DefinitionPart.read(part) for part in body["definition"]["parts"])
