"""A platform's database without anything around it, filled with tenants at rest and one in every other state."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning.embedded.templates import write_dacpac
from tenant_provisioning.model.catalog import TemplateReport, matching_reports
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import access_requests, modules, outbox
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.vault import generate_key
from tenant_provisioning_tests.bench.crowd import ALL, multiply
from tenant_provisioning_tests.conftest import ExplicitSettings
from tenant_provisioning_tests.people import SAM
from tenant_provisioning_tests.portal.scenery import paint

NOWHERE = "http://127.0.0.1:9"  # no page but the sign-in calls a vendor
PROVIDERS = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
WAITING = 10  # of a hundred tenants at rest wait for QA, the others are live


@contextmanager
def crowded_platform(tenants: int) -> Iterator[Settings]:
    """Settings of a migrated database with so many tenants at rest, each with its 42 reports; it is gone at the end."""
    with throwaway_postgres() as server, tempfile.TemporaryDirectory() as folder:
        catalog = write_sample(Path(folder) / "catalog")
        simulated: dict[str, Any] = {name.lower(): value for name, value in SIMULATED_WORLD.items()}
        settings = ExplicitSettings(
            **simulated, database_url=server.url("platform"), secrets_key=generate_key(), catalog_path=Path(folder) / "catalog",
            data_store_dacpac_path=write_dacpac(Path(folder) / "data_store.dacpac"), supabase_url=NOWHERE, smtp_host="127.0.0.1",
        )  # fmt: skip

        async def prepare() -> None:
            await migrate(server.url("platform"))
            async with open_database(server.url("platform")) as db:
                await sync_catalog(db, catalog)

        asyncio.run(prepare())
        asyncio.run(fill(settings, matching_reports(catalog.reports, PROVIDERS), tenants))
        yield settings


async def fill(settings: Settings, templates: Sequence[TemplateReport], tenants: int, *, most: int = ALL) -> None:
    """Customers in every state, and so many more at rest, with these templates' reports each, or `most` rows of each table."""
    url = settings.database_url.get_secret_value()
    async with open_database(url) as db:
        scene = await paint(db, settings, templates)
        for some in (scene["live"], scene["pending_qa"]):
            await _leave_the_rest(db, some)
    waiting = tenants * WAITING // 100
    multiply(url, [scene["live"].id], tenants - waiting, most=most)
    multiply(url, [scene["pending_qa"].id], waiting, most=most)


async def _leave_the_rest(db: Database, some: Organization) -> None:
    """What a tenant leaves beside what is painted: modules, mails that were sent, wishes that were answered."""
    await modules.initialize_modules(db, some.id)
    for kind in ("being_prepared", "platform_ready"):
        recipient = f"ada@{some.subdomain}.example"
        await outbox.queue_mail(db, some.id, kind=kind, recipient=recipient, subject="", text="", html="")
    async with db.connection() as connection:
        await connection.execute("update email_outbox set state = 'sent', sent_at = now()")
    await access_requests.request_access(db, some.id, access_requests.Wish.TEST_LOGIN, requested_by=SAM.email)
    for wish in await access_requests.list_open(db):
        await access_requests.answer(db, wish, done=True, told="")
