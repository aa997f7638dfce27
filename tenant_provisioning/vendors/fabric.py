"""Microsoft Fabric: the client as a whole, with capacities, workspaces and connections.

Items and their definitions are in `fabric_items`, lakehouses in `fabric_lakehouses`, warehouses and SQL databases in
`fabric_stores`. Workspaces cannot be looked up by name here; Power BI, which shares them, can (`PowerBI.find_group`).
Reports, refreshes and queries are Power BI's too.
How operations are waited for is in `fabric_operations`, how answers read in `fabric_records`.
"""

import re
import ssl
from collections.abc import Collection

import httpx

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._http import CLOSELY, Pending, VendorHttp
from tenant_provisioning.vendors.admission import Admission
from tenant_provisioning.vendors.fabric_operations import GONE, VENDOR
from tenant_provisioning.vendors.fabric_records import Capacity, Connection, ServicePrincipal, TenantSetting, Workspace
from tenant_provisioning.vendors.fabric_stores import FabricStores
from tenant_provisioning.vendors.microsoft import FABRIC_SCOPE, EntraTokens

IDENTIFIER = re.compile(r"/[^/]*[^/A-Za-z][^/]*")  # the words of Fabric's paths are letters alone, ids are not


class Fabric(FabricStores):
    """The Fabric REST API as one service principal; open it and close it within one event loop."""

    def __init__(
        self,
        base_url: str,
        tokens: EntraTokens,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        admission: Admission | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            VendorHttp(
                VENDOR,
                base_url,
                auth=tokens.auth(FABRIC_SCOPE),
                verify=verify,
                timeout=timeout,
                attempts=attempts,
                hosts=(".analysis.windows.net", ".fabric.microsoft.com"),
                transport=transport,
                transient=_passes,
                admission=admission,
                bucket=bucket,
            )
        )

    async def get_capacity(self, capacity_id: str) -> Capacity:
        """The capacity; VendorRejected where the service principal may not see it."""
        return await self._get("get capacity", f"/capacities/{capacity_id}", Capacity.read)

    async def list_capacities(self) -> tuple[Capacity, ...]:
        """The capacities of which the service principal is administrator or contributor, all pages."""
        return await self._pages("list capacities", "/capacities", Capacity.read)

    async def list_tenant_settings(self) -> tuple[TenantSetting, ...]:
        """The settings of the admin portal; VendorRejected where the tenant does not let us read them."""
        response = await self._http.call("list tenant settings", "GET", "/admin/tenantsettings", ok=(200,))
        return self._http.read(
            "list tenant settings",
            response,
            lambda body: tuple(TenantSetting.read(one) for one in body["tenantSettings"]),
        )

    async def create_workspace(self, name: str, *, capacity_id: str, description: str = "") -> Workspace:
        """A new workspace on the capacity; a name taken in the Entra tenant is WorkspaceNameAlreadyExists."""
        asked = {"displayName": name, "description": description, "capacityId": capacity_id}
        response = await self._http.call("create workspace", "POST", "/workspaces", json=asked, ok=(201,))
        return self._http.read("create workspace", response, Workspace.read)

    async def get_workspace(self, workspace_id: str) -> Workspace:
        """The workspace, with the progress of its assignment to a capacity."""
        return await self._get("get workspace", f"/workspaces/{workspace_id}", Workspace.read)

    async def find_workspace(self, workspace_id: str) -> Workspace | None:
        """The workspace with this id, or None where there is none that we may see."""
        return await self._find("get workspace", f"/workspaces/{workspace_id}", Workspace.read)

    async def list_workspaces(self, *, roles: Collection[str] = ()) -> tuple[Workspace, ...]:
        """Every workspace the service principal can see, or holds one of the roles in; the API has no filter by name."""
        asked = {"roles": ",".join(roles)} if roles else None
        return await self._pages("list workspaces", "/workspaces", Workspace.read, asked)

    async def assign_to_capacity(self, workspace_id: str, capacity_id: str) -> None:
        """The workspace is on its way to the capacity, from another or from none; arriving is `wait_for_capacity`."""
        asked, path = {"capacityId": capacity_id}, f"/workspaces/{workspace_id}/assignToCapacity"
        await self._http.call("assign workspace to capacity", "POST", path, json=asked, ok=(202,), idempotent=True)

    async def wait_for_capacity(self, workspace_id: str, capacity_id: str, *, deadline: float) -> Workspace:
        """The workspace once it is on this capacity; VendorRejected when the assignment failed."""

        async def check() -> Workspace | Pending:
            found = await self.get_workspace(workspace_id)
            if found.capacity_progress == "Failed":
                raise VendorRejected(
                    VENDOR, "assign workspace to capacity", "the workspace could not be put on its capacity"
                )
            return found if found.is_on(capacity_id) else Pending(found.capacity_progress or "")

        return await self._http.poll("assign workspace to capacity", check, deadline=deadline, growth=CLOSELY)

    async def delete_workspace(self, workspace_id: str) -> None:
        """The workspace and all items in it are gone; connections are not, they belong to the Entra tenant."""
        await self._http.delete("delete workspace", f"/workspaces/{workspace_id}", gone=GONE)

    async def create_connection(
        self, name: str, *, server: str, database: str, credentials: ServicePrincipal
    ) -> Connection:
        """A new shareable connection to a SQL endpoint, signing in with `credentials`; `name` takes 200 characters."""
        asked = {
            "connectivityType": "ShareableCloud",
            "displayName": name,
            "privacyLevel": "Organizational",
            "connectionDetails": {
                "type": "SQL",
                "creationMethod": "SQL",
                "parameters": [
                    {"dataType": "Text", "name": "server", "value": server},
                    {"dataType": "Text", "name": "database", "value": database},
                ],
            },
            "credentialDetails": {
                "singleSignOnType": "None",
                "connectionEncryption": "Encrypted",
                "skipTestConnection": False,
                "credentials": {
                    "credentialType": "ServicePrincipal",
                    "tenantId": credentials.tenant_id,
                    "servicePrincipalClientId": credentials.client_id,
                    "servicePrincipalSecret": credentials.secret,
                },
            },
        }
        response = await self._http.call("create connection", "POST", "/connections", json=asked, ok=(201,))
        return self._http.read("create connection", response, Connection.read)

    async def list_connections(self) -> tuple[Connection, ...]:
        """Every connection the service principal may use, all pages."""
        return await self._pages("list connections", "/connections", Connection.read)

    async def find_connection(self, connection_id: str) -> Connection | None:
        """The connection with this id, or None where there is none that we may use."""
        return await self._find("get connection", f"/connections/{connection_id}", Connection.read)

    async def find_connection_by_name(self, name: str) -> Connection | None:
        """The connection of exactly this name; the API has no filter."""
        return next((found for found in await self.list_connections() if found.name == name), None)

    async def delete_connection(self, connection_id: str) -> None:
        """The connection is gone."""
        await self._http.delete("delete connection", f"/connections/{connection_id}", gone=("ConnectionNotFound",))


def bucket(method: str, path: str) -> str:
    """Fabric counts each API by itself: a method and a path, whichever workspace or item it is about."""
    return f"fabric:{method} {IDENTIFIER.sub('/*', path.partition('?')[0])}"


def _passes(_status: int, code: str | None) -> bool:
    """A name stays reserved for a time after what had it was deleted, and is free then."""
    return code in {"ItemDisplayNameNotAvailableYet", "WorkspaceNameIsReserved"}
