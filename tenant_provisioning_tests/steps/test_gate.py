"""Every vendor call of a step, a check and a rollback passes the budgets: they have the same context."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.emptied import Databases

Open = Callable[..., AbstractAsyncContextManager[StepContext]]
BUDGETS = {"godaddy_calls_per_minute": 5, "fabric_calls_per_minute": 5, "powerbi_queries_per_minute": 5}


@pytest.fixture
def platform_url(platform_databases: Databases) -> Iterator[str]:
    """A database of each test's own."""
    with platform_databases.one() as url:
        yield url


@pytest.fixture
def budgeted(make_settings: Any, world: Any, platform_url: str) -> Settings:
    """Settings with budgets."""
    found: Settings = make_settings(world, platform_url)
    return found.model_copy(update=BUDGETS)


async def call_everybody(settings: Settings) -> None:
    """A call to each vendor that counts, by the context of a step."""
    async with open_context(settings, "gated", "run-1") as ctx:
        await ctx.vendors.godaddy.find_record(ctx.organization.domain, "CNAME", "gated")
        await ctx.vendors.fabric.list_workspaces()
        await ctx.vendors.powerbi.find_group("nobody")


async def rows(db: Database, query: str) -> list[dict[str, Any]]:
    async with db.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def test_the_calls_of_a_tenant_that_is_being_made_are_urgent_and_counted(
    budgeted: Settings, platform_db: Database, onboard: Callable[..., Any]
) -> None:
    organization = await onboard("gated")
    await call_everybody(budgeted)

    taken = await rows(
        platform_db, "select bucket, tenant, urgent from call_tokens where tenant is not null order by 1"
    )
    assert [row["bucket"].split()[0] for row in taken] == ["fabric", "godaddy"], "no limit is known for finding a group"
    assert {(row["tenant"], row["urgent"]) for row in taken} == {(organization.id, True)}
    assert [row["calls"] for row in await rows(platform_db, "select calls from organization_calls")] == [1, 1]


async def test_those_of_one_that_is_rolled_back_are_neither(
    budgeted: Settings, platform_db: Database, onboard: Callable[..., Any]
) -> None:
    await onboard("gated")
    async with platform_db.connection() as connection:
        for status in ("provisioning", "failed", "rolling_back"):
            await connection.execute("update organizations set deployment_status = %s", (status,))
    await call_everybody(budgeted)

    assert await rows(platform_db, "select distinct urgent from call_tokens where tenant is not null") == [
        {"urgent": False}
    ]
    assert await rows(platform_db, "select calls from organization_calls") == []


async def test_no_name_of_a_bucket_holds_a_credential(
    budgeted: Settings, platform_db: Database, onboard: Callable[..., Any]
) -> None:
    await onboard("gated")
    await call_everybody(budgeted)

    names = " ".join(row["bucket"] for row in await rows(platform_db, "select bucket from call_buckets"))
    assert budgeted.godaddy_api_key.get_secret_value() not in names
