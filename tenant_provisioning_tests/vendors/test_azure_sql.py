"""Azure SQL's databases through ARM: copied, found, deleted; operations are waited for where we ask, and nowhere else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.azure_sql import AzureDatabase, AzureSql
from tenant_provisioning.vendors.microsoft import EntraTokens

pytestmark = pytest.mark.usefixtures("no_waiting")
SERVER = (
    "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/training-platform"
    "/providers/Microsoft.Sql/servers/training-platform-sql"
)
SOURCE = AzureDatabase(f"{SERVER}/databases/template", "template", "westeurope", "Online")


@pytest.fixture
async def azure(simulator: Any, tokens: EntraTokens) -> AsyncIterator[AzureSql]:
    """The client against the simulator."""
    async with AzureSql(simulator.url, tokens, verify=trust(simulator.ca_file), timeout=10, attempts=1) as client:
        yield client


async def test_a_copy_is_there_with_its_tags_in_the_pool(azure: AzureSql) -> None:
    made = await azure.copy_database(
        SERVER, "acme", source=SOURCE, tags={"owner": "me"}, elastic_pool="tenants", deadline=10
    )

    assert (made.name, made.status, made.tags) == ("acme", "Online", {"owner": "me"})
    assert await azure.find_database(SERVER, "acme") == made
    assert await azure.find_database(SERVER, "other") is None


async def test_deleting_twice_is_quiet_and_a_copy_under_way_is_waited_for(azure: AzureSql, simulator: Any) -> None:
    simulator.control("PUT", "/latency", {"profile": "realistic", "scale": 0.01})
    copying = asyncio.create_task(azure.copy_database(SERVER, "acme", source=SOURCE, tags={}, deadline=20))
    while await azure.find_database(SERVER, "acme") is None:
        pass

    await azure.delete_database(SERVER, "acme", deadline=20)
    await azure.delete_database(SERVER, "acme", deadline=20)

    assert await azure.find_database(SERVER, "acme") is None
    with contextlib.suppress(VendorRejected, VendorUnavailable):  # its database is gone
        await copying


async def test_a_copy_that_fails_is_told_with_azures_reason(azure: AzureSql, simulator: Any) -> None:
    simulator.fault("azure_sql", "create_database", "operation_failed", code="QuotaExceeded", message="No room.")

    with pytest.raises(VendorRejected, match="it ended as Failed: No room") as failure:
        await azure.copy_database(SERVER, "acme", source=SOURCE, tags={}, deadline=10)

    assert failure.value.code == "QuotaExceeded"


async def test_a_source_that_is_not_there_is_refused(azure: AzureSql) -> None:
    source = AzureDatabase(f"{SERVER}/databases/nothing", "nothing", "westeurope", "Online")

    with pytest.raises(VendorRejected, match="nothing"):
        await azure.copy_database(SERVER, "acme", source=source, tags={}, deadline=10)


async def test_an_operation_at_another_host_gets_no_token(tokens: EntraTokens) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(202, headers={"Azure-AsyncOperation": "https://evil.example/op?api-version=1"})

    async with AzureSql("https://management.azure.com", tokens, transport=httpx.MockTransport(answer)) as azure:
        with pytest.raises(VendorRejected, match=r"another host, evil\.example"):
            await azure.copy_database(SERVER, "acme", source=SOURCE, tags={}, deadline=5)

    assert set(seen) == {"management.azure.com"}


async def test_what_azure_is_doing_at_the_moment_is_worth_another_attempt(azure: AzureSql, simulator: Any) -> None:
    simulator.fault("azure_sql", "put_database", "error_before", status=409, code="ConflictingDatabaseOperation")

    with pytest.raises(VendorUnavailable) as conflict:
        await azure.copy_database(SERVER, "acme", source=SOURCE, tags={}, deadline=10)

    assert conflict.value.code == "ConflictingDatabaseOperation"
    assert (await azure.copy_database(SERVER, "acme", source=SOURCE, tags={}, deadline=10)).status == "Online"
