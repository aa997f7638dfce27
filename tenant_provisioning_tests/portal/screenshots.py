"""`make screenshots`: a picture of every page in its main states, light, dark and on a phone, into the folder that is named.

The pages show painted rows: no vendor, no Dagster, no running stack.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
from playwright.async_api import Browser, Page

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import drafts
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning_tests.conftest import SECRETS_KEY, ExplicitSettings
from tenant_provisioning_tests.people import SAM
from tenant_provisioning_tests.portal.scenery import paint
from tenant_provisioning_tests.portal.serving import chromium, free_port, let_in, serving

WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
LOOKS = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": NARROW, "color_scheme": "light", "device_scale_factor": 2},
}
Act = Callable[[Page], Awaitable[None]]
README = {"board": "board-all", "wizard": "new-2-providers", "organization": "organization-failed"}
# what was painted in an instant has taken as long as it does
TOOK_TIME = """
    update provisioning_steps
    set started_at = started_at - case
      when step like 'reports/%' or step = 'deployed_reports' then interval '95 seconds'
      when step in ('powerbi_dataset', 'fabric_data_store') then interval '41 seconds'
      else (length(step) % 5 + 2.4) * interval '1 second' end
    where state <> 'running'"""
# pages of an organization, by route below its address
OF_ORGANIZATION = {"": "organization", "/qa": "qa", "/timeline": "timeline"}


async def scenes(db: Database, scene: dict[str, Organization]) -> dict[str, str]:
    """Every page by the name of its picture."""
    empty = await drafts.begin_draft(db, SAM.user_id)
    fields = {
        "name": "Acme Skills", "subdomain": "acme-skills", "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT", "hr": "",
        "data_store": {"kind": "lakehouse"}, "visited": ["basics", "providers", "data-store", "super-users"],
        "super_users": [
            {"email": "ada@acme-skills.example", "first_name": "Ada", "last_name": "Lovelace"},
            {"email": "charles@acme-skills.example", "first_name": "Charles", "last_name": "Babbage"},
        ],
    }  # fmt: skip
    await drafts.save_draft(db, empty, SAM.user_id, fields)
    filled = empty
    wrong = await drafts.begin_draft(db, SAM.user_id)
    mistakes = {"name": "", "subdomain": "www", "visited": ["basics", "super-users"]}
    people = [{"email": "not an address", "first_name": "Ada", "last_name": ""}]
    await drafts.save_draft(db, wrong, SAM.user_id, mistakes | {"super_users": people})
    new = "/organizations/new"
    pages = {
        "board": "/organizations",
        "board-all": "/organizations?order=attention",
        "board-person": "/organizations?status=person",
        "board-nothing": "/organizations?q=nobody",
        **{f"new-{at}-{step}": f"{new}/{filled}/{step}" for at, step in enumerate(STEPS, start=1)},
        "new-1-wrong": f"{new}/{wrong}/basics",
        "new-4-wrong": f"{new}/{wrong}/super-users",
        "new-5-wrong": f"{new}/{wrong}/review",
        "begin": new,
        "not-found": "/organizations/00000000-0000-0000-0000-000000000000",
        "deployments": "/deployments",
        "catalog": "/catalog",
        "timeline": "/timeline",
    }
    for state, organization in scene.items():
        for path, name in OF_ORGANIZATION.items():
            if name == "organization" or state in ("pending_qa", "approvable", "check_failed", "live", "suspended"):
                pages[f"{name}-{state}"] = f"/organizations/{organization.id}{path}"
    return pages


STEPS = ("basics", "providers", "data-store", "super-users", "review")


async def shoot(
    browser: Browser, url: str, pages: dict[str, str], db: Database, settings: Settings, folder: Path
) -> int:
    """How many pictures were taken."""
    taken = 0
    for look, options in LOOKS.items():
        context = await browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto("/sign-in")
        await page.screenshot(path=folder / f"sign-in-{look}.png", full_page=True)
        await let_in(context, SAM, db, settings)
        for name, path in pages.items():
            await page.goto(path, wait_until="domcontentloaded")
            await page.wait_for_timeout(150)
            await page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
            taken += 1
        await context.close()
    return taken


async def shoot_for_readme(
    browser: Browser, url: str, pages: dict[str, str], db: Database, settings: Settings, folder: Path
) -> int:
    """How many pictures were taken: three, small enough to be kept beside the text."""
    context = await browser.new_context(base_url=url, viewport={"width": 1180, "height": 720}, color_scheme="light")
    page = await context.new_page()
    await let_in(context, SAM, db, settings)
    for name, of in README.items():
        await page.goto(pages[of], wait_until="domcontentloaded")
        await page.wait_for_timeout(150)
        await page.screenshot(path=folder / f"{name}.png")
    return len(README)


async def main(folder: Path, only: str = "") -> None:
    """Everything from an empty database to the pictures; `only` is a part of their names, or "readme"."""
    with tempfile.TemporaryDirectory() as scratch, throwaway_postgres() as server:
        catalog = write_sample(Path(scratch) / "catalog")
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create database portal")
        await migrate(server.url("portal"))
        settings = ExplicitSettings(
            **{name.lower(): value for name, value in SIMULATED_WORLD.items()}  # type: ignore[arg-type]
            | {"data_store_kinds": "lakehouse,warehouse,bring_your_own"},
            database_url=server.url("portal"), secrets_key=SECRETS_KEY, supabase_url="http://127.0.0.1:9", smtp_host="127.0.0.1",
            portal_url=f"http://127.0.0.1:{free_port()}", dagster_url="http://127.0.0.1:3000",
            catalog_path=Path(scratch) / "catalog",
        )  # fmt: skip
        async with open_database(server.url("portal")) as db, chromium() as browser:
            await sync_catalog(db, catalog)
            organizations = await paint(db, settings, catalog.reports)
            async with db.connection() as connection:
                await connection.execute(TOOK_TIME)
            pages = await scenes(db, organizations)
            wanted = {name: path for name, path in pages.items() if only in name}
            with serving(settings) as url:
                if only == "readme":
                    taken = await shoot_for_readme(browser, url, pages, db, settings, folder)
                else:
                    taken = await shoot(browser, url, wanted, db, settings, folder)
    print(f"{taken} pictures in {folder}")  # noqa: T201


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target, *sys.argv[2:]))
