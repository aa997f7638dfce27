"""Power BI's datasets: imports that bring them, what they read from, their refreshes and queries. Reports are in
`powerbi`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.vendors._answers import broken, last_segment, reason, request_id, retry_after, vendor_code
from tenant_provisioning.vendors._http import CLOSELY, Pending, VendorClient, VendorHttp
from tenant_provisioning.vendors.blob_upload import BlobUpload
from tenant_provisioning.vendors.powerbi_records import Dataset, Datasource, Import, ImportResult

VENDOR = "Power BI"
LARGEST_BODY = 1024**3  # bytes that an import takes in its body; beyond is for Premium capacities only
GONE = ("PowerBIEntityNotFound",)
T = TypeVar("T")
Row = Mapping[str, Any]
NameConflict = Literal["Ignore", "Abort", "Overwrite", "CreateOrOverwrite"]


class PowerBIDatasets(VendorClient):
    """Datasets and the imports that bring some of them; `deadline` is in seconds everywhere.

    Files of more than `largest_body` bytes go by way of a temporary upload location.
    """

    def __init__(self, http: VendorHttp, uploads: BlobUpload, largest_body: int = LARGEST_BODY) -> None:
        super().__init__(http)
        self._uploads, self._largest_body = uploads, largest_body

    async def import_pbix(
        self,
        group_id: str,
        name: str,
        path: Path,
        *,
        name_conflict: NameConflict = "CreateOrOverwrite",
        skip_report: bool = False,
        deadline: float,
        on_import: Callable[[str], Awaitable[None]] | None = None,
    ) -> ImportResult:
        """What the .pbix file became under `name`, once Power BI has published it; up to 10 GB, read in pieces.

        `on_import` is told the import's id before it is waited for. "Ignore" would make a second dataset of the same
        name. Raises VendorRejected with Power BI's reason when it failed, VendorUnavailable when the deadline passed.
        """
        asked = {
            "datasetDisplayName": f"{name}.pbix",
            "nameConflict": name_conflict,
            **({"skipReport": "true"} if skip_report else {}),
        }
        response = await self._send_pbix(group_id, path, asked, deadline=deadline)
        import_id = self._http.read("import report", response, lambda body: str(body["id"]))
        if on_import is not None:
            await on_import(import_id)
        return await self.wait_for_import(group_id, import_id, deadline=deadline)

    async def _send_pbix(
        self, group_id: str, path: Path, asked: Mapping[str, str], *, deadline: float
    ) -> httpx.Response:
        """The answer that accepts the file: in the body of the call, or uploaded before where it is too large for that."""
        try:
            pbix = await asyncio.to_thread(path.open, "rb")
        except OSError as error:
            raise SetupError(f"the template file {path.name} cannot be read: {error.strerror}") from error
        with pbix:
            large = (await asyncio.to_thread(path.stat)).st_size > self._largest_body
            files = None if large else {"file": (path.name, pbix, "application/octet-stream")}
            body = {"fileUrl": await self._upload(group_id, path, deadline=deadline)} if large else None
            return await self._http.call(
                "import report",
                "POST",
                f"/groups/{group_id}/imports",
                params=asked,
                ok=(202,),
                seconds=deadline,
                files=files,
                json=body,
            )

    async def _upload(self, group_id: str, path: Path, *, deadline: float) -> str:
        """The address at which the file's bytes lie now, good for about an hour. It is a credential."""
        operation = "create upload location"
        response = await self._http.call(
            operation, "POST", f"/groups/{group_id}/imports/createTemporaryUploadLocation", ok=(200,), idempotent=True
        )
        # the swagger says Url; the service's own clients read camel case
        address = self._http.read(operation, response, lambda body: str(body.get("url") or body["Url"]))
        await self._uploads.upload(address, path, deadline=deadline)
        return address

    async def wait_for_import(self, group_id: str, import_id: str, *, deadline: float) -> ImportResult:
        """What the import brought, once it has succeeded; VendorRejected with Power BI's reason when it failed."""

        async def check() -> ImportResult | Pending:
            response = await self._http.call(
                "import report", "GET", f"/groups/{group_id}/imports/{import_id}", ok=(200, 202)
            )
            state, error = self._http.read(
                "import report", response, lambda body: (str(body["importState"]), body.get("error"))
            )
            if state == "Succeeded":
                return self._http.read("import report", response, ImportResult.read)
            if state == "Failed":
                said = reason({"error": error}) or "Power BI gives no reason"
                raise VendorRejected(
                    VENDOR,
                    "import report",
                    f"the import failed: {said}",
                    code=vendor_code({"error": error}),
                    request_id=request_id(response, None),
                )
            return Pending(state, retry_after(response.headers))

        return await self._http.poll("import report", check, deadline=deadline, growth=CLOSELY)

    async def list_imports(self, group_id: str) -> tuple[Import, ...]:
        """Every import of the workspace, whatever became of it; the API has no pages and no filter."""
        return await self._list("list imports", f"/groups/{group_id}/imports", Import.read)

    async def list_datasets(self, group_id: str) -> tuple[Dataset, ...]:
        """Every dataset of the workspace; the API has no pages."""
        return await self._list("list datasets", f"/groups/{group_id}/datasets", Dataset.read)

    async def get_dataset(self, group_id: str, dataset_id: str) -> Dataset:
        """The dataset; VendorRejected with status 404 where it is not there or not ours to see."""
        return await self._get("get dataset", f"/groups/{group_id}/datasets/{dataset_id}", Dataset.read)

    async def delete_dataset(self, group_id: str, dataset_id: str) -> None:
        """The dataset is gone, and perhaps the reports on it: Power BI does not say."""
        await self._http.delete("delete dataset", f"/groups/{group_id}/datasets/{dataset_id}", gone=GONE)

    async def list_datasources(self, group_id: str, dataset_id: str) -> tuple[Datasource, ...]:
        """What the dataset reads from; empty for a moment after the dataset was made."""
        return await self._list(
            "list datasources", f"/groups/{group_id}/datasets/{dataset_id}/datasources", Datasource.read
        )

    async def wait_for_datasources(
        self,
        group_id: str,
        dataset_id: str,
        *,
        deadline: float,
        until: Callable[[tuple[Datasource, ...]], bool] = bool,
    ) -> tuple[Datasource, ...]:
        """What the dataset reads from, once Power BI has understood its definition: when there is one, or as `until` says.

        A dataset just made through Fabric may be unknown to Power BI for a moment, so HTTP 404 is waited out too.
        """

        async def check() -> tuple[Datasource, ...] | Pending:
            try:
                found = await self.list_datasources(group_id, dataset_id)
            except VendorRejected as error:
                if error.status == 404:
                    return Pending("no such dataset yet")
                raise
            seen = ", ".join(f"{source.server};{source.database}" for source in found)
            return found if until(found) else Pending(f"it reads {seen or 'no data source yet'}")

        return await self._http.poll("list datasources", check, deadline=deadline)

    async def update_parameters(self, group_id: str, dataset_id: str, values: Mapping[str, str]) -> None:
        """The dataset's parameters have these values, and its sources follow at once; at most 100, names are case-sensitive."""
        asked = {"updateDetails": [{"name": name, "newValue": value} for name, value in values.items()]}
        path = f"/groups/{group_id}/datasets/{dataset_id}/Default.UpdateParameters"
        await self._http.call("update parameters", "POST", path, json=asked, ok=(200,), idempotent=True)

    async def refresh_dataset(self, group_id: str, dataset_id: str) -> str:
        """The id of the refresh that has just begun, or of the one under way; wait for it with `wait_for_refresh`.

        An enhanced refresh: notifyOption "must be excluded from the request body" and another parameter is needed (the
        swagger). Power BI refuses to begin a second one.
        """
        path = f"/groups/{group_id}/datasets/{dataset_id}/refreshes"
        try:
            response = await self._http.call("refresh dataset", "POST", path, json={"type": "Full"}, ok=(202,))
        except VendorRejected:
            under_way = await self.find_running_refresh(group_id, dataset_id)
            if under_way is None:
                raise
            return under_way
        refresh_id = str(last_segment(response) or response.headers.get("x-ms-request-id", ""))
        if not refresh_id:
            raise broken(VENDOR, "refresh dataset", response)
        return refresh_id

    async def find_running_refresh(self, group_id: str, dataset_id: str) -> str | None:
        """The id of the refresh under way; the history calls its status "Unknown"."""
        latest = await self._list(
            "list refreshes",
            f"/groups/{group_id}/datasets/{dataset_id}/refreshes",
            lambda refresh: (refresh.get("requestId"), refresh.get("status")),
            {"$top": "1"},
        )
        return next((refresh_id for refresh_id, status in latest if status == "Unknown"), None)

    async def wait_for_refresh(self, group_id: str, dataset_id: str, refresh_id: str, *, deadline: float) -> None:
        """Return when the refresh has completed; VendorRejected with the engine's reasons when it failed or was
        cancelled.
        """
        path = f"/groups/{group_id}/datasets/{dataset_id}/refreshes/{refresh_id}"

        async def check() -> bool | Pending:
            response = await self._http.call("refresh dataset", "GET", path, ok=(200, 202))
            state, said = self._http.read("refresh dataset", response, _refresh_state)
            if state == "Completed":
                return True
            if state in {"Failed", "Cancelled", "TimedOut", "Disabled"}:
                raise VendorRejected(
                    VENDOR,
                    "refresh dataset",
                    f"the refresh ended as {state}" + (f": {said}" if said else ""),
                    request_id=request_id(response, None),
                )
            return Pending(state, retry_after(response.headers))

        await self._http.poll("refresh dataset", check, deadline=deadline, growth=CLOSELY)

    async def execute_query(self, group_id: str, dataset_id: str, dax: str) -> tuple[Row, ...]:
        """The rows a DAX query answers, by column name as in "[n]" or "tenant[organization_id]"; 120 queries a minute
        at most.
        """
        asked = {"queries": [{"query": dax}], "serializerSettings": {"includeNulls": True}}
        path = f"/groups/{group_id}/datasets/{dataset_id}/executeQueries"
        response = await self._http.call("query dataset", "POST", path, json=asked, ok=(200,), idempotent=True)
        rows, error = self._http.read("query dataset", response, _rows)
        if error is not None:
            raise VendorRejected(
                VENDOR,
                "query dataset",
                f"the query failed: {reason({'error': error})}",
                code=vendor_code({"error": error}),
                request_id=request_id(response, None),
            )
        return rows

    async def _get(self, operation: str, path: str, reader: Callable[[Any], T]) -> T:
        """What a GET tells, read."""
        return self._http.read(operation, await self._http.call(operation, "GET", path, ok=(200,)), reader)

    async def _list(
        self, operation: str, path: str, reader: Callable[[Any], T], params: Mapping[str, str] | None = None
    ) -> tuple[T, ...]:
        """Every element of an OData collection."""
        response = await self._http.call(operation, "GET", path, params=params, ok=(200,))
        return self._http.read(operation, response, lambda body: tuple(reader(one) for one in body["value"]))


def _refresh_state(body: Any) -> tuple[str, str]:
    """State and reasons. `status` is "Unknown" while it runs; `extendedStatus` is the finer one and may be missing."""
    messages = body.get("messages") or []
    said = "; ".join(str(told.get("message") or told.get("code")) for told in messages if told.get("type") != "Warning")
    return str(body.get("extendedStatus") or body["status"]), said[:400]


def _rows(body: Any) -> tuple[tuple[Row, ...], Any]:
    """Rows and error: Power BI may tell an error inside a success, at three depths."""
    if body.get("error"):
        return (), body["error"]
    result = body["results"][0]
    table = (result.get("tables") or [{}])[0]
    return tuple(table.get("rows") or ()), result.get("error") or table.get("error")
