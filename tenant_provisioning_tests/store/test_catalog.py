"""The catalog's copy in the database is the catalog, and doing it twice is doing it once."""

import asyncio
from dataclasses import replace

from tenant_provisioning.model.catalog import Catalog, Module, ModuleFeature, Provider
from tenant_provisioning.store.catalog import SyncResult, list_providers, sync_catalog
from tenant_provisioning.store.database import Database


async def column(db: Database, statement: str) -> list[str]:
    async with db.connection() as connection:
        rows = await connection.execute(statement.encode())
        return [next(iter(row.values())) async for row in rows]


async def test_a_second_sync_changes_nothing(db: Database, catalog: Catalog) -> None:
    assert await sync_catalog(db, catalog) == SyncResult(added=4, changed=0, retired=0, unchanged=0, others_touched=10)
    assert await sync_catalog(db, catalog) == SyncResult(added=0, changed=0, retired=0, unchanged=4)


async def test_what_changed_left_and_came_back_is_told_and_stored(db: Database, catalog: Catalog) -> None:
    await sync_catalog(db, catalog)
    first, *rest = catalog.reports
    renamed = replace(catalog, reports=(replace(first, title="New title"), *rest[1:]))
    assert await sync_catalog(db, renamed) == SyncResult(added=0, changed=1, retired=1, unchanged=2)
    assert await column(db, "select title from report_templates where key = 'attendance-aptem'") == ["New title"]
    assert await column(db, "select key from report_templates where retired_at is not null") == [rest[0].key]
    assert await sync_catalog(db, catalog) == SyncResult(added=0, changed=2, retired=0, unchanged=2)
    assert await column(db, "select key from report_templates where retired_at is not null") == []


async def test_a_template_keeps_its_needs_and_its_source(db: Database, catalog: Catalog) -> None:
    await sync_catalog(db, catalog)
    async with db.connection() as connection:
        rows = await connection.execute(
            "select needs, strategy, source_report_id, pbix_path, feature_key from report_templates"
            " where key = 'progress-bksb'"
        )
        assert await rows.fetchone() == {
            "needs": {"english_maths": "BKSB"}, "strategy": "import", "source_report_id": None, "pbix_path": "/p.pbix",
            "feature_key": "progress",
        }  # fmt: skip


async def test_providers_modules_and_features_that_left_are_no_longer_active(db: Database, catalog: Catalog) -> None:
    await sync_catalog(db, catalog)
    assert await list_providers(db) == sorted(catalog.providers, key=lambda provider: (provider.category, provider.key))
    learners = Module("learners", "Learners", (ModuleFeature("progress", "Progress"),))
    smaller = Catalog((Provider("APTEM", "lms", "Aptem by another name"),), (learners,), catalog.reports[-1:])
    # 4 providers, 1 module, 2 features gone; 1 provider renamed; 1 feature moved up
    assert await sync_catalog(db, smaller) == SyncResult(added=0, changed=0, retired=3, unchanged=1, others_touched=9)
    assert await list_providers(db) == [Provider("APTEM", "lms", "Aptem by another name")]
    assert await column(db, "select key from module_features where retired_at is null") == ["progress"]
    assert await column(db, "select key from module_templates where retired_at is null") == ["learners"]


async def test_a_feature_that_moves_to_another_module_takes_the_organizations_along(
    db: Database, catalog: Catalog
) -> None:
    await sync_catalog(db, catalog)
    async with db.connection() as connection:
        await connection.execute(
            """with made as (
                 insert into organizations (name, subdomain, domain, lms, english_maths, crm, data_store_kind)
                 values ('Acme', 'acme', 'x.example', 'A', 'B', 'C', 'lakehouse') returning id
               ) select initialize_organization_modules(id) from made"""
        )
    learners, sales = catalog.modules
    moved = (replace(learners, features=(*learners.features, *sales.features)), replace(sales, features=()))
    await sync_catalog(db, replace(catalog, modules=moved))
    assert await column(db, "select module_key from organization_modules where feature_key = 'pipeline'") == [
        "learners"
    ]


async def test_syncs_at_the_same_time_do_not_disturb_each_other(db: Database, catalog: Catalog) -> None:
    results = await asyncio.gather(*(sync_catalog(db, catalog) for _ in range(4)))
    assert sorted(result.added for result in results) == [0, 0, 0, 4]
