"""With ten thousand tenants: every statement of a hot path has a plan that uses an index, whatever it touches stays little, and a
migration is a matter of seconds."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest

from tenant_provisioning.defs import access, quality, rollback, sensors
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import Catalog, matching_reports
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import artifacts, isolation, organizations
from tenant_provisioning.store.database import open_database
from tenant_provisioning_tests.bench.crowd import TABLES
from tenant_provisioning_tests.bench.pages import NO_PAGES, PAGES, named_routes, signed_in
from tenant_provisioning_tests.bench.plans import Book, explaining
from tenant_provisioning_tests.bench.platform import NOWHERE, PROVIDERS, fill
from tenant_provisioning_tests.conftest import World
from tenant_provisioning_tests.portal.scenery import Painter

TENANTS = 10_000
REPORTS, MOST = (
    3,
    2,
)  # a tenant, and rows of each table, so that filling takes seconds: what matters is the number of tenants
MOST_ROWS = 2_000
# what looks at every organization, and has to
COUNTED = ("select deployment_status, count(*) as number from organizations group by deployment_status",)
LOOKED_THROUGH = (
    "name ilike",  # a part of a name is searched for
    "lower(name)) > 0",
    "select lms, english_maths, crm, hr, count(*)",  # which combinations of providers are in use
    "report.content_hash = template.content_hash",  # how many tenants have a template, and how many an old form of it
)


@pytest.fixture(scope="module")
def crowded(new_database: Callable[[], str], make_settings: Any, sample_catalog: Catalog) -> Settings:
    """Settings of a platform with ten thousand tenants at rest, and one in every other state."""
    settings: Settings = make_settings(World(NOWHERE, None, 9, 9, None), new_database())  # type: ignore[arg-type]
    asyncio.run(fill(settings, matching_reports(sample_catalog.reports, PROVIDERS)[:REPORTS], TENANTS, most=MOST))
    return settings


@pytest.fixture(scope="module")
def growing(crowded: Settings) -> frozenset[str]:
    """The tables that grow with the number of tenants."""
    with psycopg.connect(crowded.database_url.get_secret_value()) as connection:
        return frozenset(table for table, _ in connection.execute(TABLES).fetchall())


@pytest.fixture
def book(growing: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """Every statement that the test's functions send."""
    with explaining(monkeypatch, growing) as book:
        yield book


def judge(book: Book) -> None:
    """Nothing was read from end to end, and nothing touched more rows than a page or a tenant has."""
    judged = [one for one in book.statements.values() if not any(part in one.text for part in LOOKED_THROUGH)]
    judged = [one for one in judged if one.text not in COUNTED]
    scanned = [f"{', '.join(sorted(one.scanned))}: {one.text}" for one in judged if one.scanned]
    long = [f"{one.rows} rows: {one.text}" for one in judged if one.rows > MOST_ROWS]
    assert not scanned + long, "\n".join(["read from end to end, or too much of:", *scanned, *long])
    assert judged, "nothing was seen"


def test_the_crowd_is_there(crowded: Settings) -> None:
    with psycopg.connect(crowded.database_url.get_secret_value()) as connection:
        rows = connection.execute("select deployment_status, count(*) from organizations group by 1").fetchall()

    there = dict(rows)
    assert (there["active"] > TENANTS * 0.9, there["pending_qa"] > TENANTS * 0.1) == (True, True)


def test_a_statement_without_an_index_is_noticed(crowded: Settings, book: Book) -> None:
    async def look() -> None:
        async with open_database(crowded.database_url.get_secret_value()) as db, db.connection() as connection:
            await connection.execute("select id from organizations where status_reason = %s", ("none",))

    asyncio.run(look())

    with pytest.raises(AssertionError, match="organizations"):
        judge(book)


def test_the_sensors(crowded: Settings, book: Book) -> None:
    platform = Platform(lambda: crowded.model_copy(update={"sensor_wait": 0}))
    with dg.DagsterInstance.ephemeral() as instance:
        asyncio.run(sensors._launches(instance, platform))
        asyncio.run(sensors._settle(instance, platform))
        asyncio.run(quality._approved(instance, platform))
        asyncio.run(quality._check_requests(instance, platform))
        asyncio.run(rollback.attend_to_rollbacks(instance, platform))
        asyncio.run(access._answer(platform))
        asyncio.run(quality._send_mail(platform))

    judge(book)


def test_provisioning_from_the_form_to_qa(crowded: Settings, sample_catalog: Catalog, book: Book) -> None:
    async def provision() -> None:
        async with open_database(crowded.database_url.get_secret_value()) as db:
            painter = Painter(db, crowded, sample_catalog.reports[:REPORTS])
            made = await painter.provision(await painter.request("newcomer", "Newcomer Training"))
            await organizations.find_by_subdomain(db, "newcomer")
            await artifacts.is_anothers(db, made.id, "some-id", created=True)
            await artifacts.was_removed(db, ArtifactKind.FABRIC_WORKSPACE, "Newcomer data")
            await artifacts.list_artifacts(db, made.id)
            await organizations.others_among(db, made.id, [str(made.id), "Newcomer"])
            claims = {"sub": str(made.id), "role": "authenticated", "app_metadata": {"organization_id": str(made.id)}}
            assert sum((await isolation.foreign_rows(db, made.id, claims)).values()) == 0

    asyncio.run(provision())

    judge(book)


async def test_the_pages_of_the_portal(crowded: Settings, book: Book) -> None:
    more = [f"/organizations?order={order}" for order in ("newest", "oldest", "name")]
    more += [f"/organizations?status={group}&order=name" for group in ("person", "underway", "active", "suspended")]
    async with signed_in(crowded) as (browser, names):
        for page in [*PAGES.values(), *more]:
            assert (await browser.get(page.format(**names))).status_code in (200, 303), page

    judge(book)


def test_every_page_of_the_portal_is_looked_at() -> None:
    assert named_routes() - NO_PAGES == {page.partition(",")[0] for page in PAGES}
