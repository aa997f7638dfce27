"""Power BI: the client as a whole, with workspaces (groups) and reports, by clone and by rebind.

Imports and datasets are in `powerbi_datasets`. Workspaces and datasets are made through Fabric, whose objects they are
too.
"""

import ssl

import httpx

from tenant_provisioning.vendors._http import VendorHttp
from tenant_provisioning.vendors.admission import Admission
from tenant_provisioning.vendors.blob_upload import BLOCK_BYTES, BlobUpload
from tenant_provisioning.vendors.microsoft import POWERBI_SCOPE, EntraTokens
from tenant_provisioning.vendors.powerbi_datasets import GONE, LARGEST_BODY, VENDOR
from tenant_provisioning.vendors.powerbi_profiles import PowerBIProfiles
from tenant_provisioning.vendors.powerbi_records import Group, Report

MOST_GROUPS = 5_000  # that the list of workspaces takes as $top


class PowerBI(PowerBIProfiles):
    """The Power BI REST API as one service principal; open it and close it within one event loop."""

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
        largest_body: int = LARGEST_BODY,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        # a request may be sent on to the tenant's home cluster with 307, powerbi-docs troubleshoot-rest-api.md
        super().__init__(
            VendorHttp(
                VENDOR,
                base_url,
                auth=tokens.auth(POWERBI_SCOPE),
                verify=verify,
                timeout=timeout,
                attempts=attempts,
                hosts=(".analysis.windows.net", ".powerbi.com"),
                admission=admission,
                bucket=_bucket,
                transport=transport,
            ),
            BlobUpload(
                base_url,
                verify=verify,
                timeout=timeout,
                attempts=attempts,
                transport=transport,
                block_bytes=block_bytes,
            ),
            largest_body,
        )

    async def find_group(self, name: str) -> Group | None:
        """The workspace of exactly this name, Fabric's too: no other API looks one up by name."""
        quoted = name.replace("'", "''")
        found = await self._list("find workspace", "/groups", Group.read, {"$filter": f"name eq '{quoted}'"})
        return next((group for group in found if group.name == name), None)

    async def count_groups(self) -> int:
        """How many workspaces the service principal has a role in, Fabric's included: what its limit counts."""
        return len(await self._list("list workspaces", "/groups", Group.read, {"$top": str(MOST_GROUPS)}))

    async def delete_group(self, group_id: str) -> None:
        """The workspace and all in it are gone."""
        await self._http.delete("delete workspace", f"/groups/{group_id}", gone=GONE)

    async def list_reports(self, group_id: str) -> tuple[Report, ...]:
        """Every report of the workspace; the API has no pages."""
        return await self._list("list reports", f"/groups/{group_id}/reports", Report.read)

    async def get_report(self, group_id: str, report_id: str) -> Report:
        """The report; VendorRejected with status 404 where it is not there or not ours to see."""
        return await self._get("get report", f"/groups/{group_id}/reports/{report_id}", Report.read)

    async def find_report_by_name(self, group_id: str, name: str) -> Report | None:
        """The report of exactly this name; the API has no filter."""
        return next((report for report in await self.list_reports(group_id) if report.name == name), None)

    async def clone_report(
        self, group_id: str, report_id: str, *, name: str, target_group_id: str, target_dataset_id: str
    ) -> Report:
        """The copy in the target workspace, already bound to the target dataset. Every call makes another one."""
        asked = {"name": name, "targetWorkspaceId": target_group_id, "targetModelId": target_dataset_id}
        response = await self._http.call(
            "clone report", "POST", f"/groups/{group_id}/reports/{report_id}/Clone", json=asked, ok=(200,)
        )
        return self._http.read("clone report", response, Report.read)

    async def rebind_report(self, group_id: str, report_id: str, dataset_id: str) -> None:
        """The report shows that dataset; a repeat changes nothing."""
        await self._http.call(
            "rebind report",
            "POST",
            f"/groups/{group_id}/reports/{report_id}/Rebind",
            json={"datasetId": dataset_id},
            ok=(200,),
            idempotent=True,
        )

    async def delete_report(self, group_id: str, report_id: str) -> None:
        """The report is gone; its dataset is not."""
        await self._http.delete("delete report", f"/groups/{group_id}/reports/{report_id}", gone=GONE)


def _bucket(_method: str, path: str) -> str | None:
    """Queries have a published limit for each caller; of the other calls no number is known."""
    return "powerbi_queries" if path.endswith("/executeQueries") else None
