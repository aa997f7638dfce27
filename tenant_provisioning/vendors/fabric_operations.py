"""Fabric's way of answering: pages, long-running operations and jobs. What is asked for is in `fabric`.

Fabric's Location headers name another host, so none is followed: operations and jobs are polled by id on the configured
address.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._answers import broken, last_segment, reason, request_id, retry_after, vendor_code
from tenant_provisioning.vendors._http import Pending, VendorClient
from tenant_provisioning.vendors.fabric_records import Job

GONE = ("WorkspaceNotFound", "ItemNotFound", "EntityNotFound")
VENDOR = "Microsoft Fabric"
T = TypeVar("T")
OnOperation = Callable[[str], Awaitable[None]]
"""Told an operation's id before it is waited for, so that a crash in between loses nothing."""


class FabricOperations(VendorClient):
    """Waiting for what Fabric does in its own time; `deadline` is in seconds everywhere."""

    async def wait_for_operation(
        self, operation_id: str, *, deadline: float, after: float | None = None, operation: str = "operation"
    ) -> None:
        """Return when the operation has succeeded; `after` is in how many seconds Fabric wants to be asked first.

        Raises VendorRejected with Fabric's reason when it failed, VendorUnavailable when the deadline passed.
        """

        async def check() -> bool | Pending:
            response = await self._http.call(operation, "GET", f"/operations/{operation_id}", ok=(200, 202))
            state, error = self._http.read(operation, response, lambda body: (str(body["status"]), body.get("error")))
            if state == "Succeeded":
                return True
            if state == "Failed":
                raise _failure(operation, "it failed", error, request_id(response, error))
            return Pending(state, retry_after(response.headers))

        await self._http.poll(operation, check, deadline=deadline, after=after)

    async def operation_result(
        self, operation_id: str, reader: Callable[[Any], T], *, operation: str = "operation result"
    ) -> T | None:
        """What a succeeded operation made; None where it has no result to tell (OperationHasNoResult)."""
        try:
            response = await self._http.call(operation, "GET", f"/operations/{operation_id}/result", ok=(200,))
        except VendorRejected as error:
            if error.code == "OperationHasNoResult":
                return None
            raise
        return self._http.read(operation, response, reader)

    async def wait_for_job(self, job: Job, *, deadline: float) -> None:
        """Return when the job has completed; VendorRejected with Fabric's reason when it failed or was cancelled."""
        path = f"/workspaces/{job.workspace_id}/items/{job.item_id}/jobs/instances/{job.id}"

        async def check() -> bool | Pending:
            response = await self._http.call("run job", "GET", path, ok=(200, 202))
            state, error = self._http.read(
                "run job", response, lambda body: (str(body["status"]), body.get("failureReason"))
            )
            if state == "Completed":
                return True
            if state == "Deduped":
                raise VendorUnavailable(
                    VENDOR, "run job", "the same job was running already, so this one was passed over"
                )
            if state in {"Failed", "Cancelled"}:
                raise _failure("run job", f"the job ended as {state}", error, request_id(response, error))
            return Pending(state, retry_after(response.headers))

        await self._http.poll("run job", check, deadline=deadline, after=job.retry_after)

    async def _get(self, operation: str, path: str, reader: Callable[[Any], T]) -> T:
        """What a GET tells, read."""
        return self._http.read(operation, await self._http.call(operation, "GET", path, ok=(200,)), reader)

    async def _find(self, operation: str, path: str, reader: Callable[[Any], T]) -> T | None:
        """What a GET tells, read; None where there is no such thing, or none that we may see."""
        try:
            return await self._get(operation, path, reader)
        except VendorRejected as error:
            if error.status == 404 or error.code in GONE:
                return None
            raise

    async def _outcome(
        self,
        operation: str,
        response: httpx.Response,
        reader: Callable[[Any], T],
        *,
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> T | None:
        """The result, told at once (200, 201) or by a long-running operation (202); None where that one has none."""
        if response.status_code != 202:
            return self._http.read(operation, response, reader)
        operation_id = await self._accepted(operation, response, deadline=deadline, on_operation=on_operation)
        return await self.operation_result(operation_id, reader, operation=operation)

    async def _accepted(
        self,
        operation: str,
        response: httpx.Response,
        *,
        deadline: float,
        on_operation: OnOperation | None = None,
    ) -> str:
        """The id of the operation that a 202 began, once it has succeeded."""
        operation_id = response.headers.get("x-ms-operation-id") or last_segment(response)
        if not operation_id:
            raise broken(VENDOR, operation, response)
        if on_operation is not None:
            await on_operation(operation_id)
        await self.wait_for_operation(
            operation_id, deadline=deadline, after=retry_after(response.headers), operation=operation
        )
        return operation_id

    async def _pages(
        self, operation: str, path: str, reader: Callable[[Any], T], params: Mapping[str, str] | None = None
    ) -> tuple[T, ...]:
        """Every element of a list, all pages."""
        found: list[T] = []
        token: str | None = None
        while True:
            asked = {**(params or {}), **({"continuationToken": token} if token else {})}
            response = await self._http.call(operation, "GET", path, params=asked, ok=(200,))
            page, following = self._http.read(
                operation,
                response,
                lambda body: ([reader(one) for one in body["value"]], body.get("continuationToken")),
            )
            found += page
            if not following or following == token:
                return tuple(found)
            token = following


def _failure(operation: str, what: str, error: Any, request: str | None) -> VendorError:
    """The error of an operation or job that failed: for good, unless Fabric says itself that it can be tried again."""
    kind = VendorUnavailable if isinstance(error, dict) and error.get("isRetriable") is True else VendorRejected
    said = reason(error)
    return kind(VENDOR, operation, f"{what}: {said}" if said else what, code=vendor_code(error), request_id=request)
