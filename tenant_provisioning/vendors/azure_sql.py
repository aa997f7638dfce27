"""Databases of one Azure SQL server through Azure Resource Manager: copied from a template, found, deleted. Their SQL is `sql`.

ARM answers a PUT or DELETE at once and works on; the operation's address is polled on our own host and on no other. A PUT on a
database that is there is an update, so look before you copy.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._answers import broken, reason, request_id, retry_after, vendor_code
from tenant_provisioning.vendors._http import Pending, VendorClient, VendorHttp
from tenant_provisioning.vendors.microsoft import ARM_SCOPE, EntraTokens

VENDOR = "Azure SQL"
VERSION = {"api-version": "2023-08-01"}
# conflicts with what Azure is doing at the moment
PASSING = frozenset({
    "ConflictingDatabaseOperation", "ConflictingSystemOperationInProgress", "OperationInterrupted",
    "TargetElasticPoolBeingUpdated", "DatabaseCopyLimitPerReplicaReached",
})  # fmt: skip
COMING = frozenset({"Copying", "Creating", "Recovering", "Restoring", "Scaling", "Resuming", "Starting"})


@dataclass(frozen=True)
class AzureDatabase:
    """A database; it answers SQL when its `status` is Online."""

    id: str
    name: str
    location: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a Database of ARM."""
        status = (body.get("properties") or {}).get("status") or ""
        return cls(body["id"], body["name"], body["location"], status, body.get("tags") or {})


class AzureSql(VendorClient):
    """ARM as one service principal. `server` is everywhere a server's resource id (/subscriptions/…/servers/…)."""

    def __init__(
        self,
        base_url: str,
        tokens: EntraTokens,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = httpx.URL(base_url)
        super().__init__(
            VendorHttp(
                VENDOR,
                base_url,
                auth=tokens.auth(ARM_SCOPE),
                verify=verify,
                timeout=timeout,
                attempts=attempts,
                transport=transport,
                transient=lambda _, code: code in PASSING,
            )
        )

    async def find_database(self, server: str, name: str) -> AzureDatabase | None:
        """The database of this name, also one that is still being copied; None where there is none."""
        try:
            response = await self._http.call("get database", "GET", _path(server, name), params=VERSION, ok=(200,))
        except VendorRejected as error:
            if error.code == "ResourceNotFound":
                return None
            raise
        return self._http.read("get database", response, AzureDatabase.read)

    async def copy_database(
        self,
        server: str,
        name: str,
        *,
        source: AzureDatabase,
        tags: Mapping[str, str],
        elastic_pool: str = "",
        deadline: float,
    ) -> AzureDatabase:
        """The copy, once it answers; with everything that is in the source, its users included."""
        pool = {"elasticPoolId": f"{server}/elasticPools/{elastic_pool}"} if elastic_pool else {}
        asked = {
            "location": source.location,
            "tags": dict(tags),
            "properties": {"createMode": "Copy", "sourceDatabaseId": source.id, **pool},
        }
        response = await self._http.call(
            "copy database",
            "PUT",
            _path(server, name),
            params=VERSION,
            json=asked,
            ok=(200, 201, 202),
            idempotent=False,
        )
        await self._wait("copy database", response, deadline=deadline)
        return await self.wait_for_database(server, name, deadline=deadline)

    async def wait_for_database(self, server: str, name: str, *, deadline: float) -> AzureDatabase:
        """The database once it is online; VendorRejected when its making came to nothing or it is in another state."""

        async def check() -> AzureDatabase | Pending:
            found = await self.find_database(server, name)
            if found is None:
                raise VendorRejected(
                    VENDOR, "copy database", f"the copy {name} came to nothing: it is not there any more"
                )
            if found.status in COMING:
                return Pending(found.status)
            if found.status != "Online":
                raise VendorRejected(VENDOR, "copy database", f"the database {name} is {found.status}")
            return found

        return await self._http.poll("copy database", check, deadline=deadline)

    async def delete_database(self, server: str, name: str, *, deadline: float) -> None:
        """The database is gone, whether or not it was there; one that is still being copied is waited for first."""

        async def check() -> bool | Pending:
            try:
                response = await self._http.call(
                    "delete database", "DELETE", _path(server, name), params=VERSION, ok=(200, 202, 204)
                )
            except VendorUnavailable as error:
                if error.code == "ConflictingDatabaseOperation":
                    return Pending("another operation on it is in progress")
                raise
            await self._wait("delete database", response, deadline=deadline)
            return True

        await self._http.poll("delete database", check, deadline=deadline)

    async def _wait(self, operation: str, response: httpx.Response, *, deadline: float) -> None:
        """Return when the operation that a 201 or 202 began has succeeded; VendorRejected with ARM's reason when not."""
        if response.status_code not in {201, 202}:
            return
        address = response.headers.get("Azure-AsyncOperation")
        if not address:
            raise broken(VENDOR, operation, response)
        url = httpx.URL(address)
        if (url.scheme, url.host, url.port) != (self._base.scheme, self._base.host, self._base.port):
            raise VendorRejected(
                VENDOR, operation, f"sends us to another host, {url.host}, which gets no token of ours"
            )
        path = url.raw_path.decode()

        async def check() -> bool | Pending:
            answer = await self._http.call(operation, "GET", path, ok=(200, 202))
            state, error = self._http.read(operation, answer, lambda body: (str(body["status"]), body.get("error")))
            if state == "Succeeded":
                return True
            if state in {"Failed", "Canceled"}:
                said = reason({"error": error}) or "Azure gives no reason"
                code = vendor_code({"error": error})
                kind = VendorUnavailable if code in PASSING else VendorRejected
                raise kind(
                    VENDOR, operation, f"it ended as {state}: {said}", code=code, request_id=request_id(answer, None)
                )
            return Pending(state, retry_after(answer.headers))

        try:
            await self._http.poll(operation, check, deadline=deadline, after=retry_after(response.headers))
        except VendorRejected as error:
            if error.code == "OperationIdNotFound":  # Azure forgets operations; what became of it the database tells
                raise VendorUnavailable(VENDOR, operation, "Azure does not know the operation any more") from error
            raise


def _path(server: str, name: str) -> str:
    return f"{server}/databases/{name}"
