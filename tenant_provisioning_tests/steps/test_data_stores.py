"""Every kind of data store, from the request to a dataset that reads it and nothing else; and what a customer brings."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from psycopg import sql

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import OwnershipConflict, SetupError, VendorUnavailable
from tenant_provisioning.model.naming import database_name
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores.warehouse import OWN_SCHEMA
from tenant_provisioning.steps.removal import remove_created
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.sql import SqlDatabase

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]
TO_DATASET = (fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
OURS = [kind for kind in DataStoreKind if kind is not DataStoreKind.BRING_YOUR_OWN]
SECRET = "pa55-of-the-customer"


async def all_verdicts(ctx: StepContext) -> dict[str, tuple[bool, str]]:
    """Whether each check passed, and what it found."""
    return {verdict.check: (verdict.passed, verdict.found) for step in TO_DATASET for verdict in await step.verify(ctx)}


async def do(ctx: StepContext, *steps: Any) -> None:
    """These steps, in order."""
    for step in steps:
        await step.ensure(ctx)


async def tenant_rows(ctx: StepContext) -> tuple[tuple[Any, ...], ...]:
    """Whose tables these are, as SQL tells it."""
    at = await fabric_data_store.find(ctx)
    assert at is not None
    return await ctx.vendors.sql.query(at, "SELECT organization_id FROM dbo.tenant", operation="look")


@pytest.mark.parametrize("kind", OURS, ids=str)
async def test_from_the_request_to_a_dataset_that_reads_it(
    kind: DataStoreKind, make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx, vendors: Callable[[], Any]
) -> None:
    before = vendors()
    async with open_ctx(await asyncio.to_thread(make_acme, data_store={"kind": kind})) as ctx:
        await do(ctx, *TO_DATASET)

        verdicts = await all_verdicts(ctx)
        assert all(passed for passed, _ in verdicts.values()), verdicts
        address = await fabric_data_store.find(ctx)
        assert address is not None
        assert verdicts["dataset_is_bound_to_own_data"] == (True, f"{address.server};{address.database}")
        sealed = await organizations.get_connection(ctx.db, ctx.organization.id)
        assert ctx.vault.decrypt(str(sealed), ctx.organization.id, "data_store_connection") == (
            f"Server={address.server};Database={address.database}"
        )
        assert await tenant_rows(ctx) == ((str(ctx.organization.id),),)
        assert [artifact async for artifact in remove_created(ctx)]
        assert vendors() == before


def users_of(world: Any, name: str) -> list[str]:
    """Who is let into an Azure SQL database."""
    return next(one["users"] for one in world.snapshot()["azure_sql"]["databases"] if one["name"] == name)


async def test_a_copy_of_the_template_knows_none_of_the_templates_users(
    make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, fabric_workspace, data_store="azure_sql_database")) as ctx:
        world.fault("sql.batch", "lost_response", match={"": "DROP USER"})
        with pytest.raises(VendorUnavailable):
            await fabric_data_store.ensure(ctx)
        await fabric_data_store.ensure(ctx)

        assert users_of(world, "template")
        assert users_of(world, database_name(ctx.organization.subdomain)) == []


async def test_a_copy_made_anew_is_stripped_anew(make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx) -> None:
    subdomain = await asyncio.to_thread(make_acme, fabric_workspace, fabric_data_store, data_store="azure_sql_database")
    async with open_ctx(subdomain) as ctx:
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE)
        assert row is not None
        assert row.details["template_users_removed"]
        await fabric_data_store.remove(ctx, row)

        await fabric_data_store.ensure(ctx)

        assert users_of(world, database_name(subdomain)) == []


@pytest.mark.parametrize("kind", OURS[1:], ids=str)
async def test_a_data_store_without_its_tables_is_told_and_mended_or_explained(
    kind: DataStoreKind, make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx
) -> None:
    subdomain = await asyncio.to_thread(make_acme, fabric_workspace, fabric_data_store, data_store=kind)
    async with open_ctx(subdomain, data_store_tables="tenant,rooms") as ctx:
        verdicts = {verdict.check: verdict.found for verdict in await fabric_data_store.verify(ctx)}
        assert verdicts == {"schema_is_ready": "rooms missing", "endpoint_is_ready": "Success"}

        with pytest.raises(SetupError, match=r"no table rooms: look at (DATA_STORE_|AZURE_SQL_TEMPLATE)"):
            await fabric_data_store.ensure(ctx)


@pytest.mark.parametrize("kind", OURS, ids=str)
async def test_a_data_store_that_somebody_removed_is_told_and_made_anew(
    kind: DataStoreKind, make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx
) -> None:
    subdomain = await asyncio.to_thread(make_acme, *TO_DATASET, data_store=kind)
    async with open_ctx(subdomain) as ctx:
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE)
        assert row is not None
        await fabric_data_store.remove(ctx, row)
        assert await fabric_data_store.find(ctx) is None
        assert not any(verdict.passed for verdict in await fabric_data_store.verify(ctx))

        await do(ctx, *TO_DATASET)

        verdicts = await all_verdicts(ctx)
        assert all(passed for passed, _ in verdicts.values()), verdicts


async def test_a_copy_that_fails_is_told_in_the_vendors_words_and_tried_again(
    make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx
) -> None:
    plan = {"code": "SourceDatabaseBusy", "message": "The source is busy."}
    world.fault("azure_sql.create_database", "operation_failed", **plan)
    async with open_ctx(await asyncio.to_thread(make_acme, fabric_workspace, data_store="azure_sql_database")) as ctx:
        with pytest.raises(Exception, match="The source is busy"):
            await fabric_data_store.ensure(ctx)

        await fabric_data_store.ensure(ctx)

        assert all(verdict.passed for verdict in await fabric_data_store.verify(ctx))


@pytest.fixture
async def customers(ctx: StepContext) -> Any:
    """The request's fields of a customer who brings a warehouse with the platform's tables, and the ids of what it brings."""
    settings, fabric = ctx.settings, ctx.vendors.fabric
    name = f"Customer of {ctx.organization.subdomain}"
    space = await fabric.create_workspace(name, capacity_id=str(settings.fabric_capacity_id))
    warehouse_id = await fabric.create_warehouse(space.id, "analytics", deadline=20)
    store = await fabric.wait_for_sql_store(space.id, "Warehouse", warehouse_id, deadline=20)
    await ctx.vendors.sql.run(SqlDatabase(store.server, store.database), OWN_SCHEMA.read_text(), operation="prepare")
    connection = f"Data Source=tcp:{store.server},1433;Initial Catalog=analytics;User ID=jo;Password={SECRET}"
    fields = {
        "kind": "bring_your_own",
        "workspace_url": f"https://app.fabric.microsoft.com/groups/{space.id}/list?experience=power-bi",
        "connection_string": connection,
    }
    return fields, space.id, warehouse_id, SqlDatabase(store.server, store.database)


async def test_a_customers_own_is_read_and_never_ours_to_remove(
    customers: Any, make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx, vendors: Callable[[], Any]
) -> None:
    before = vendors()
    fields, workspace_id, warehouse_id, address = customers
    async with open_ctx(await asyncio.to_thread(make_acme, data_store=fields)) as ctx:
        await do(ctx, *TO_DATASET)

        verdicts = await all_verdicts(ctx)
        assert all(passed for passed, _ in verdicts.values()), verdicts
        assert verdicts["dataset_is_bound_to_own_data"] == (True, f"{address.server};{address.database}")
        ledger = {row.kind: row for row in await artifacts.list_artifacts(ctx.db, ctx.organization.id)}
        for kind, vendor_id in (("fabric_workspace", workspace_id), ("data_store", warehouse_id)):
            assert (ledger[ArtifactKind(kind)].vendor_id, ledger[ArtifactKind(kind)].created) == (vendor_id, False)
        sealed = await organizations.get_connection(ctx.db, ctx.organization.id)
        assert SECRET in ctx.vault.decrypt(str(sealed), ctx.organization.id, "data_store_connection")

        for row in ledger.values():  # even if the ledger were wrong about who made it
            if row.kind in {ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.DATA_STORE}:
                async with ctx.db.connection() as connection:
                    await connection.execute("update provisioned_artifacts set created = true where id = %s", (row.id,))
        assert [artifact async for artifact in remove_created(ctx)]
        assert vendors() == before


async def test_the_customers_secret_is_in_no_row_in_the_clear(
    customers: Any, make_acme: Callable[..., str], open_ctx: OpenCtx
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, *TO_DATASET, data_store=customers[0])) as ctx:
        async with ctx.db.connection() as connection:
            tables = await connection.execute(
                "select table_name from information_schema.tables where table_schema = 'public'"
            )
            for table in [row["table_name"] async for row in tables]:
                query = sql.SQL("select to_jsonb(t) as row from {} t").format(sql.Identifier("public", table))
                rows = await connection.execute(query)
                assert SECRET not in json.dumps([row["row"] async for row in rows]), table
        assert SECRET not in repr(ctx.form)


async def test_what_another_organization_reads_cannot_be_brought(
    customers: Any, make_acme: Callable[..., str], open_ctx: OpenCtx
) -> None:
    await asyncio.to_thread(make_acme, fabric_workspace, fabric_data_store, data_store=customers[0])
    async with open_ctx(await asyncio.to_thread(make_acme, fabric_workspace, data_store=customers[0])) as ctx:
        with pytest.raises(OwnershipConflict, match="belongs to another organization"):
            await fabric_data_store.ensure(ctx)

        assert await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE) is None


async def test_another_organizations_workspace_cannot_be_brought(
    customers: Any, make_acme: Callable[..., str], open_ctx: OpenCtx
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, fabric_workspace)) as neighbour:
        row = await artifacts.find_artifact(neighbour.db, neighbour.organization.id, ArtifactKind.FABRIC_WORKSPACE)
        assert row is not None
    fields = {**customers[0], "workspace_url": f"https://app.powerbi.com/groups/{row.vendor_id}"}
    async with open_ctx(await asyncio.to_thread(make_acme, data_store=fields)) as ctx:
        with pytest.raises(OwnershipConflict, match="made by this platform for somebody else"):
            await fabric_workspace.ensure(ctx)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("workspace_url", "https://app.powerbi.com/groups/00000000-0000-4000-8000-000000000000", "a role in it"),
        (
            "connection_string",
            "Server=abc.datawarehouse.fabric.microsoft.com;Database=analytics",
            "leads to no data store",
        ),
    ],
)
async def test_what_cannot_be_reached_is_explained(
    customers: Any, make_acme: Callable[..., str], open_ctx: OpenCtx, field: str, value: str, said: str
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, data_store={**customers[0], field: value})) as ctx:
        with pytest.raises(SetupError, match=said):
            await do(ctx, fabric_workspace, fabric_data_store)


async def test_a_customers_own_without_the_tables_is_explained(
    customers: Any, make_acme: Callable[..., str], open_ctx: OpenCtx
) -> None:
    subdomain = await asyncio.to_thread(make_acme, fabric_workspace, data_store=customers[0])
    async with open_ctx(subdomain, data_store_tables="tenant,rooms") as ctx:
        with pytest.raises(SetupError, match="has no table rooms: the customer has to make them"):
            await fabric_data_store.ensure(ctx)
