"""The portal in a real browser: by keyboard, without scripts, on a phone, and held against WCAG AA by axe.

One portal and one browser serve them all; each test has a context of its own.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal import live, sign_in
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import audit, organizations, progress
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning_tests.conftest import World
from tenant_provisioning_tests.people import ADA, KIM, PASSWORD, SAM, Person
from tenant_provisioning_tests.portal.scenery import paint
from tenant_provisioning_tests.portal.serving import CHROMIUM, NO_CHROMIUM, chromium, free_port, let_in, serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]
# of what is in order axe need not tell every element
WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
PAGES = [
    "/organizations", "/organizations?q=nobody", "/organizations/new", "{draft}/basics", "{draft}/providers", "{draft}/data-store",
    "{draft}/super-users", "{draft}/review", "/nothing/here",
]  # fmt: skip
CONTRAST = {  # all that another look can change
    "runOnly": {"type": "rule", "values": ["color-contrast"]},
    "resultTypes": ["violations"],
}
Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
def browser_settings(
    make_settings: Callable[[World, str], Settings], world_process: World, new_database: Callable[[], str]
) -> Settings:
    """Settings of the portal that the browser sees."""
    made = make_settings(world_process, new_database())
    return made.model_copy(update={"portal_url": f"http://127.0.0.1:{free_port()}"})


@pytest.fixture(scope="module")
def scene(browser_settings: Settings, sample_catalog: Catalog) -> dict[str, Organization]:
    """Customers in every state."""

    async def painted() -> dict[str, Organization]:
        async with open_database(browser_settings.database_url.get_secret_value()) as db:
            return await paint(db, browser_settings, sample_catalog.reports)

    return asyncio.run(painted())


@pytest.fixture(scope="module")
def served(browser_settings: Settings, scene: dict[str, Organization]) -> Iterator[str]:
    """Where the portal is."""
    with serving(browser_settings) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def platform(browser_settings: Settings) -> AsyncIterator[Database]:
    """The portal's database."""
    async with open_database(browser_settings.database_url.get_secret_value(), max_size=1) as db:
        yield db


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(
    browser: Browser, served: str, browser_settings: Settings, platform: Database
) -> AsyncIterator[Open]:
    """Opens a page for somebody, in a context made as wished; whatever the browser complains about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    async def opened(path: str, person: Person | None = SAM, **options: Any) -> Page:
        # what turns and pulses would keep the processor busy while a test waits
        context = await browser.new_context(**{"base_url": served, "reduced_motion": "reduce"} | options)
        contexts.append(context)
        if person is not None:
            await let_in(context, person, platform, browser_settings)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        if "{draft}" in path:
            path = path.replace("{draft}", (await begun(page)).rpartition("/")[0])
        await page.goto(path)
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert complaints == []


async def begun(page: Page) -> str:
    """The path of a new draft's first page, where the browser now is."""
    await page.goto("/organizations")
    await page.get_by_role("button", name="New organization").first.click()
    await page.wait_for_url(re.compile("/basics$"))
    return "/" + page.url.split("/", 3)[3]


async def violations(page: Page) -> list[str]:
    """What axe finds against WCAG AA, a line each: everything in the light look, and what the dark one can change."""
    found = (await Axe().run(page, options=WCAG)).response["violations"]
    await page.emulate_media(color_scheme="dark")
    found += await page.evaluate("options => axe.run(options).then((found) => found.violations)", CONTRAST)
    await page.emulate_media(color_scheme="light")
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


async def test_every_page_keeps_wcag_aa_in_both_looks(open_page: Open) -> None:
    page = await open_page("/sign-in", person=None, color_scheme="light")
    found = {"/sign-in": await violations(page)}
    page = await open_page("/organizations", color_scheme="light")
    draft = (await begun(page)).rpartition("/")[0]
    for path in PAGES:
        await page.goto(path.replace("{draft}", draft))
        found[path] = await violations(page)
    await page.goto(f"{draft}/basics")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    found["mistakes"] = await violations(page)

    assert {path: told for path, told in found.items() if told} == {}


async def test_no_page_is_wider_than_a_phone(open_page: Open) -> None:
    page = await open_page("/organizations", viewport={"width": 360, "height": 740})
    draft = (await begun(page)).rpartition("/")[0]
    too_wide = {}
    for path in PAGES:
        await page.goto(path.replace("{draft}", draft))
        if (width := await page.evaluate("document.documentElement.scrollWidth")) > 360:
            too_wide[path] = width

    assert too_wide == {}


async def test_the_keyboard_alone_leads_from_the_first_page_to_a_deployment(
    open_page: Open, platform: Database
) -> None:
    page = await open_page("/organizations")
    keys = page.keyboard
    await begun(page)
    await expect(page.locator("#name")).to_be_focused()
    await keys.type("Keystone Training")
    await expect(page.locator("#subdomain")).to_have_value("keystone")
    await expect(page.get_by_text("✓ keystone.yourplatform.com is free")).to_be_visible()
    await keys.press("Enter")
    await page.wait_for_url(re.compile("/providers$"))
    await press_until(page, "Tab", "input[name=lms]")
    await keys.press("Space")
    for category in ("english_maths", "crm"):
        await press_until(page, "Tab", f"input[name={category}]")
        await keys.press("Space")
    await expect(page.get_by_text(re.compile(r"Will deploy \d+ reports"))).to_be_visible()
    await keys.press("Enter")
    await page.wait_for_url(re.compile("/data-store$"))
    await press_until(page, "Tab", "input[name=kind]")
    await keys.press("Enter")
    await page.wait_for_url(re.compile("/super-users$"))
    await press_until(page, "Tab", "#super_users-0-email")
    for text in ("kay@keystone.example", "Kay", "Stone"):
        await keys.type(text)
        await keys.press("Tab")
    await press_until(page, "Tab", "button[value=next].primary")
    await keys.press("Enter")
    await page.wait_for_url(re.compile("/review$"))
    await press_until(page, "Tab", "button[value=submit].primary")
    await keys.press("Enter")
    await expect(page.get_by_text("Keystone Training is requested")).to_be_visible()

    assert await organizations.find_by_subdomain(platform, "keystone") is not None


async def press_until(page: Page, key: str, selector: str) -> None:
    """The focus is on an element of this selector, by this key alone."""
    for _ in range(40):
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await page.keyboard.press(key)
    pytest.fail(f"the keyboard does not reach {selector}")


async def test_without_scripts_the_same_pages_make_the_same_request(open_page: Open, platform: Database) -> None:
    page = await open_page("/organizations", java_script_enabled=False)
    await begun(page)
    await page.get_by_label("Name of the organization").fill("Plainfield College")
    await page.get_by_label("Subdomain").fill("www")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("“www” is reserved")).to_be_visible()
    await page.get_by_label("Subdomain").fill("plainfield")
    await page.get_by_role("button", name="Continue").click()
    for name in ("Aptem", "bksb", "HubSpot"):
        await page.get_by_label(name).check()
    await page.get_by_role("button", name="Show matching reports").click()
    await expect(page.get_by_text("Will deploy 42 reports")).to_be_visible()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Continue").click()
    for row in range(2):
        if row:
            await page.get_by_role("button", name="Add a person").click()
        for label, text in (("Email", f"p{row}@plainfield.example"), ("First name", "Pat"), ("Last name", "Field")):
            await page.get_by_label(label).nth(row).fill(text)
    await page.get_by_role("button", name="Back").click()
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_label("Email").nth(1)).to_have_value("p1@plainfield.example")
    await page.get_by_role("button", name="Remove person 2").click()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Start deployment").click()
    await expect(page.get_by_text("Plainfield College is requested")).to_be_visible()

    assert await organizations.find_by_subdomain(platform, "plainfield") is not None


async def test_what_is_typed_is_there_after_a_reload_though_no_button_was_pressed(open_page: Open) -> None:
    page = await open_page("{draft}/basics")
    async with page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 204):
        await page.get_by_label("Name of the organization").fill("Half Done Ltd")
    await page.reload()

    await expect(page.get_by_label("Name of the organization")).to_have_value("Half Done Ltd")


async def test_a_subdomain_that_is_taken_is_told_while_it_is_typed(open_page: Open) -> None:
    page = await open_page("{draft}/basics")
    await page.get_by_label("Subdomain").press_sequentially("acme")

    await expect(page.get_by_text("“acme” is taken by another organization")).to_be_visible()
    await expect(page.get_by_label("Subdomain")).to_have_attribute("aria-invalid", "true")


async def test_the_board_is_searched_while_one_types_and_filtered_by_its_tabs(open_page: Open) -> None:
    page = await open_page("/organizations")
    await page.get_by_label("Search").press_sequentially("harb")
    await page.wait_for_url(re.compile("q=harb"))
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.goto("/organizations")
    await page.get_by_role("link", name=re.compile("^Suspended")).click()

    await expect(page.get_by_role("link", name="Brightpath Skills")).to_be_visible()
    await expect(page.get_by_role("link", name="Harbour Learning")).to_have_count(0)


async def test_times_are_told_in_the_readers_zone(open_page: Open, scene: dict[str, Organization]) -> None:
    page = await open_page(f"/organizations/{scene['requested'].id}", timezone_id="Asia/Tokyo", locale="en-GB")
    shown = page.locator("time[data-when=full]").first
    told = await page.evaluate(
        "element => new Date(element.dateTime).toLocaleString('en-GB',"
        " {dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Tokyo'})",
        await shown.element_handle(),
    )

    await expect(shown).to_have_text(told)


@pytest.mark.usefixtures("world")
async def test_a_customers_super_user_is_refused_and_a_super_admin_comes_in(
    open_page: Open, browser_settings: Settings
) -> None:
    async with sign_in.open_supabase(browser_settings) as supabase:
        for person in (ADA, SAM):
            await supabase.create_user(person.user_id, person.email, app_metadata=person.app_metadata)
            await supabase.update_user(person.user_id, password=PASSWORD)
    page = await open_page("/organizations", person=None)
    for email in (ADA.email, SAM.email):
        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        if email == ADA.email:
            await expect(page.get_by_role("alert")).to_contain_text("is no super admin")
    await expect(page.get_by_role("heading", name="Organizations")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_text("You have signed out.")).to_be_visible()


async def test_every_page_about_organizations_keeps_wcag_aa_and_fits_a_phone(
    open_page: Open, scene: dict[str, Organization]
) -> None:
    page = await open_page("/deployments", viewport={"width": 360, "height": 740})
    of_state = {"": ("provisioning", "failed"), "/qa": ("check_failed", "live"), "/timeline": ("live",)}
    paths = ["/deployments", "/catalog?q=pipeline", "/timeline?organization=acme"]
    paths += [f"/organizations/{scene[state].id}{page_of}" for page_of, states in of_state.items() for state in states]
    found: dict[str, Any] = {}
    for path in paths:
        await page.goto(path)
        await page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        width = await page.evaluate("document.documentElement.scrollWidth")
        found[path] = [*await violations(page), *([f"{width} wide"] if width > 360 else [])]

    assert {path: told for path, told in found.items() if told} == {}


async def test_an_organizations_page_follows_what_happens_and_leaves_what_a_person_has_opened(
    open_page: Open, scene: dict[str, Organization], platform: Database
) -> None:
    organization = scene["provisioning"]
    page = await open_page(f"/organizations/{organization.id}")
    summary = page.locator("#live-summary")
    before = await summary.element_handle()
    await page.get_by_text("Deployed reports").click()
    await expect(page.locator("#live-reports .strong").first).to_have_text("17 of 42")
    running = [step.step for step in await progress.list_steps(platform, organization.id) if step.state == "running"]

    await progress.finish_step(platform, organization.id, next(step for step in running if "/" in step))
    await expect(page.locator("#live-reports .strong").first).to_have_text("18 of 42")
    await progress.start_step(platform, organization.id, "super_users", run_id="run-x")

    await expect(summary).to_contain_text("Super users")
    await expect(page.locator("#live-done")).to_have_attribute("open", "")
    assert await before.evaluate("element => element.isConnected"), "the sentence that is read aloud was replaced"


async def test_the_page_comes_back_by_itself_when_its_stream_breaks_off(
    open_page: Open, scene: dict[str, Organization], platform: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LIFE", 0.1)
    monkeypatch.setattr(live, "AFRESH", 0.2)
    monkeypatch.setattr(live, "COMES_BACK", 50)
    organization = scene["failed"]
    page = await open_page(f"/organizations/{organization.id}")
    async with page.expect_response(lambda answer: answer.url.endswith("/events")):
        pass

    await progress.start_step(platform, organization.id, "super_users", run_id="run-x")

    await expect(page.locator("#live-summary")).to_contain_text("Super users")


async def test_two_admins_see_each_others_ticks_and_lose_nothing_they_are_typing(
    open_page: Open, scene: dict[str, Organization], platform: Database
) -> None:
    path = f"/organizations/{scene['pending_qa'].id}/qa"
    sam, kim = await open_page(path), await open_page(path, person=KIM)
    note = sam.get_by_label("Note on “The subdomain opens")
    await note.fill("opened it on my pho")

    await kim.get_by_role("button", name=re.compile("^Tick.*The reports load")).click()

    await expect(sam.locator("#live-qa-summary")).to_contain_text("1 of 3 items ticked")
    await expect(note).to_have_value("opened it on my pho")
    await note.press_sequentially("ne")
    await note.press("Enter")
    await expect(sam.get_by_text("“opened it on my phone”")).to_be_visible()
    await expect(kim.get_by_text("“opened it on my phone”")).to_be_visible()


async def test_of_two_who_approve_at_once_one_does_and_both_see_who(
    open_page: Open, scene: dict[str, Organization], platform: Database
) -> None:
    path = f"/organizations/{scene['approvable'].id}/qa"
    sam, kim = await open_page(path), await open_page(path, person=KIM)
    for page in (sam, kim):
        await expect(page.get_by_text("Nothing stands against going live.")).to_be_visible()

    buttons = [page.get_by_role("button", name="Approve & Go Live") for page in (sam, kim)]
    await asyncio.gather(*(button.click() for button in buttons))

    for page in (sam, kim):
        await expect(page.get_by_text("Approved, going live")).to_be_visible()
    given = [each for each in await audit.list_audit(platform, scene["approvable"].id) if each.action == "approved"]
    assert len(given) == 1
