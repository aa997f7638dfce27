"""The platform's own database: reachable, its migrations up to date, its catalog that of the files."""

import asyncio

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.store.catalog import known_templates
from tenant_provisioning.store.database import connect
from tenant_provisioning.store.migrate import outstanding

VENDOR = "platform database"


async def database(visit: Visit) -> str:
    """Whether the database lets us in."""
    await (await connect(visit.settings.database_url.get_secret_value())).close()
    return "it lets us in"


async def migrations(visit: Visit) -> str:
    """Whether the schema is the newest, and the applied files are unchanged."""
    missing = await outstanding(visit.settings.database_url.get_secret_value())
    if missing:
        raise Ailment(
            f"{len(missing)} migrations are not applied, {missing[0]} first", "Run `tenant-provisioning migrate`."
        )
    return "every migration is applied"


async def catalog_files(visit: Visit) -> str:
    """Whether the catalog is sound; the checks behind this one have it from there."""
    found = await asyncio.to_thread(load_catalog, visit.settings.catalog_path)
    visit.learnt["catalog"] = found
    return f"{len(found.reports)} template reports in {visit.settings.catalog_path}"


async def catalog(visit: Visit) -> str:
    """Whether the database knows the catalog as the files have it."""
    files = {report.key: report.content_hash for report in visit.learnt["catalog"].reports}
    known = {key: report.content_hash for key, report in (await visit.ask_database(known_templates)).items()}
    different = [key for key, content in files.items() if known.get(key) != content]
    if different:
        raise Ailment(
            f"{len(different)} of {len(files)} template reports are not in the database as in the files",
            "Run `tenant-provisioning catalog sync`.",
        )
    return f"{len(files)} template reports, as in the files"


CHECKS = (
    Check("platform.database", VENDOR, "connect to DATABASE_URL", database),
    Check("platform.migrations", VENDOR, "compare the schema with the migrations", migrations, ("platform.database",)),
    Check("platform.catalog_files", VENDOR, "read the catalog at CATALOG_PATH", catalog_files),
    Check(
        "platform.catalog",
        VENDOR,
        "compare the catalog with the files",
        catalog,
        ("platform.migrations", "platform.catalog_files"),
    ),
)
