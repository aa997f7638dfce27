"""Lakehouses, the SQL endpoint Fabric makes beside each, and the notebook runs that make their tables."""

from collections.abc import Mapping
from typing import Any

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._answers import broken, last_segment, retry_after
from tenant_provisioning.vendors._http import Pending
from tenant_provisioning.vendors.fabric_items import FabricItems
from tenant_provisioning.vendors.fabric_operations import VENDOR, OnOperation
from tenant_provisioning.vendors.fabric_records import Job, Lakehouse, SqlEndpoint


class FabricLakehouses(FabricItems):
    """A lakehouse from its creation to the moment a dataset can read its tables."""

    async def create_lakehouse(
        self,
        workspace_id: str,
        name: str,
        *,
        description: str = "",
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> str:
        """The id of a new lakehouse without tables; `description` takes 256 characters. Its SQL endpoint is made after it."""
        asked = {"displayName": name, "description": description}
        response = await self._http.call(
            "create lakehouse", "POST", f"/workspaces/{workspace_id}/lakehouses", json=asked, ok=(201, 202)
        )
        return await self._created(
            "create lakehouse",
            response,
            (workspace_id, "Lakehouse", name),
            deadline=deadline,
            on_operation=on_operation,
        )

    async def get_lakehouse(self, workspace_id: str, lakehouse_id: str) -> Lakehouse:
        """The lakehouse and how far its SQL endpoint is."""
        return await self._get("get lakehouse", f"/workspaces/{workspace_id}/lakehouses/{lakehouse_id}", Lakehouse.read)

    async def find_lakehouse(self, workspace_id: str, lakehouse_id: str) -> Lakehouse | None:
        """The lakehouse with this id, or None where there is none that we may see."""
        path = f"/workspaces/{workspace_id}/lakehouses/{lakehouse_id}"
        return await self._find("get lakehouse", path, Lakehouse.read)

    async def wait_for_sql_endpoint(self, workspace_id: str, lakehouse_id: str, *, deadline: float) -> SqlEndpoint:
        """The lakehouse's SQL endpoint once it can be connected to; VendorRejected when Fabric could not make it."""

        async def check() -> SqlEndpoint | Pending:
            lakehouse = await self.get_lakehouse(workspace_id, lakehouse_id)
            if lakehouse.sql_endpoint_status == "Failed":
                raise VendorRejected(
                    VENDOR, "make SQL endpoint", f"the SQL endpoint of lakehouse {lakehouse.name} could not be made"
                )
            return lakehouse.sql_endpoint or Pending(lakehouse.sql_endpoint_status)

        return await self._http.poll("make SQL endpoint", check, deadline=deadline)

    async def refresh_sql_endpoint_metadata(
        self, workspace_id: str, sql_endpoint_id: str, *, deadline: float, on_operation: OnOperation | None = None
    ) -> tuple[str, ...]:
        """The tables the SQL endpoint now shows; without this, tables made a moment ago are invisible to it."""
        path = f"/workspaces/{workspace_id}/sqlEndpoints/{sql_endpoint_id}/refreshMetadata"
        response = await self._http.call("refresh SQL endpoint", "POST", path, json={}, ok=(200, 202), idempotent=True)
        synced = (
            await self._outcome("refresh SQL endpoint", response, _synced, deadline=deadline, on_operation=on_operation)
            or ()
        )
        if failed := [table for table, status in synced if status == "Failure"]:
            raise VendorRejected(
                VENDOR, "refresh SQL endpoint", f"these tables could not be shown: {', '.join(failed)}"
            )
        return tuple(table for table, _ in synced)

    async def run_notebook(
        self, workspace_id: str, notebook_id: str, *, parameters: Mapping[str, str], default_lakehouse: Lakehouse
    ) -> Job:
        """The run of the notebook that has just begun, against that lakehouse; wait for it with `wait_for_job`."""
        lakehouse = {
            "name": default_lakehouse.name,
            "id": default_lakehouse.id,
            "workspaceId": default_lakehouse.workspace_id,
        }
        asked = {
            "executionData": {
                "parameters": {name: {"value": value, "type": "string"} for name, value in parameters.items()},
                "configuration": {"defaultLakehouse": lakehouse},
            }
        }
        path = f"/workspaces/{workspace_id}/items/{notebook_id}/jobs/RunNotebook/instances"
        response = await self._http.call("run notebook", "POST", path, json=asked, ok=(202,))
        job_id = last_segment(response)
        if not job_id:
            raise broken(VENDOR, "run notebook", response)
        return Job(workspace_id, notebook_id, job_id, retry_after(response.headers))


def _synced(body: Any) -> list[tuple[str, str]]:
    return [(table["tableName"], table["status"]) for table in body["value"]]
