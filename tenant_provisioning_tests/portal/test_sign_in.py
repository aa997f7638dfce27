"""Signing in through the simulated Supabase, with a password and with a link that really arrives by mail."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.portal import sign_in
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.store.database import Database
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.supabase import SupabaseAuth
from tenant_provisioning_tests.conftest import World
from tenant_provisioning_tests.people import ADA, EVERYBODY, PASSWORD, SAM
from tenant_provisioning_tests.portal.conftest import Browse, Browser


@pytest.fixture
def portal_settings(settings: Settings) -> Settings:
    """Supabase is the simulator's."""
    return settings


@pytest.fixture
async def supabase(portal_settings: Settings) -> AsyncIterator[SupabaseAuth]:
    """The project, with everybody's account in it."""
    async with sign_in.open_supabase(portal_settings) as client:
        for person in EVERYBODY:
            await client.create_user(person.user_id, person.email, app_metadata=person.app_metadata)
            await client.update_user(person.user_id, password=PASSWORD)
        yield client


async def attempt(browser: Browser, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await browser.post("/sign-in", {"email": email, "password": password, **more})


@pytest.mark.usefixtures("supabase")
async def test_a_super_admin_signs_in_with_a_password_and_comes_to_the_wished_page(browse: Browse) -> None:
    browser = await browse()
    answer = await attempt(browser, SAM.email.upper(), next="/organizations?status=failed")

    assert (answer.status_code, answer.headers["location"]) == (303, "/organizations?status=failed")
    assert SAM.email in (await browser.get("/organizations")).text


@pytest.mark.usefixtures("supabase")
@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_signing_in_leads_to_no_other_site(browse: Browse, elsewhere: str) -> None:
    assert (await attempt(await browse(), SAM.email, next=elsewhere)).headers["location"] == "/organizations"


@pytest.mark.usefixtures("supabase")
async def test_a_customers_super_user_is_refused_in_words_and_gets_no_session(browse: Browse) -> None:
    browser = await browse()
    answer = await attempt(browser, ADA.email)

    assert answer.status_code == 403
    assert "is no super admin" in answer.text
    assert (await browser.get("/organizations")).status_code == 303


async def test_whoever_is_made_a_super_admin_is_let_in_but_never_a_customers_user(
    browse: Browse, portal_settings: Settings, supabase: SupabaseAuth
) -> None:
    new = await supabase.create_user(UUID(int=20), "new@yourplatform.com", app_metadata={})
    await supabase.update_user(new.id, password=PASSWORD)
    assert (await attempt(await browse(), new.email)).status_code == 403

    assert "is a super admin" in await sign_in.grant_admin(portal_settings, new.email)
    assert "with a link by mail" in await sign_in.grant_admin(portal_settings, "first@yourplatform.com")

    assert (await attempt(await browse(), new.email)).status_code == 303
    with pytest.raises(SetupError, match="user of a customer's organization"):
        await sign_in.grant_admin(portal_settings, ADA.email)


@pytest.mark.usefixtures("supabase")
@pytest.mark.parametrize("email", [SAM.email, "nobody@nowhere.example"])
async def test_a_wrong_password_and_an_unknown_address_are_told_alike(browse: Browse, email: str) -> None:
    answer = await attempt(await browse(), email, "wrong")

    assert answer.status_code == 403
    assert "do not belong together" in answer.text
    assert "wrong" not in answer.text  # what was typed does not come back


@pytest.mark.usefixtures("supabase")
async def test_after_five_attempts_at_an_address_even_the_right_password_has_to_wait(browse: Browse) -> None:
    for _ in range(5):
        assert (await attempt(await browse(), SAM.email, "wrong")).status_code == 403

    answer = await attempt(await browse(), SAM.email)

    assert answer.status_code == 429
    assert "Try again in 15 minutes" in answer.text


async def test_the_limit_holds_whichever_process_counts(platform_db: Database) -> None:
    async def count() -> timedelta | None:
        return await portal_sessions.count_attempt(platform_db, "place:x", most=2, within=timedelta(minutes=1))

    assert [await count(), await count()] == [None, None]
    wait = await count()
    assert wait is not None
    assert timedelta(seconds=50) < wait <= timedelta(minutes=1)


async def test_when_supabase_is_away_that_is_what_is_said(browse: Browse, world: World, supabase: SupabaseAuth) -> None:
    world.fault("supabase.token", "error_before", status=503, times="forever")

    answer = await attempt(await browse(), SAM.email)

    world.clear_faults()
    assert answer.status_code == 503
    assert "does not answer" in answer.text


@pytest.mark.usefixtures("supabase")
async def test_signing_out_ends_the_session_for_a_copy_of_the_cookie_too(browse: Browse) -> None:
    browser, copy = await browse(SAM), await browse()
    await browser.get("/organizations")
    copy.http.cookies.update(browser.http.cookies)

    page = await browser.submit("/sign-out")

    assert "You have signed out." in page.text
    assert (await copy.get("/organizations")).status_code == 303


async def link_from(mail: MailSink, address: str) -> str:
    """The link in the newest mail to this address."""
    newest = next(found for found in mail.mails.listed() if found.recipients == address)
    text = str(mail.mails.message(newest.id).get_content())
    return next(word for word in text.split() if word.startswith("https://"))


async def followed(world: World, link: str) -> str:
    """Where on the portal the link from the mail leads a browser."""
    async with httpx.AsyncClient(verify=trust(world.ca_file), trust_env=False) as client:
        place = urlsplit((await client.get(link)).headers["location"])
    return f"{place.path}?{place.query}"


async def test_a_super_admin_signs_in_with_a_link_from_the_mailbox(
    browse: Browse, world: World, supabase: SupabaseAuth, mail: MailSink
) -> None:
    browser = await browse()
    told = await browser.submit("/sign-in/link", {"email": SAM.email, "next": "/organizations?page=2"})
    back = await followed(world, await link_from(mail, SAM.email))
    answer = await browser.get(back)

    assert "a link is on its way" in told.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/organizations?page=2")
    assert (await browser.get("/organizations")).status_code == 200


async def test_a_link_is_no_use_in_another_browser_nor_to_who_is_no_super_admin(
    browse: Browse, world: World, supabase: SupabaseAuth, mail: MailSink
) -> None:
    browser, other = await browse(), await browse()
    await browser.post("/sign-in/link", {"email": ADA.email})
    back = await followed(world, await link_from(mail, ADA.email))
    elsewhere = await other.get(back)
    here = await browser.get(back)

    assert (elsewhere.status_code, here.status_code) == (403, 403)
    assert "in the browser where you asked for it" in elsewhere.text
    assert "is no super admin" in here.text


async def test_asking_for_a_link_does_not_tell_who_has_an_account(
    browse: Browse, supabase: SupabaseAuth, mail: MailSink
) -> None:
    before = len(mail.mails.listed())
    page = await (await browse()).submit("/sign-in/link", {"email": "nobody@nowhere.example"})

    assert "a link is on its way" in page.text
    assert len(mail.mails.listed()) == before


@pytest.mark.parametrize("change", ["role", "ban", "gone"])
async def test_who_is_no_super_admin_any_more_is_out_within_minutes(
    browse: Browse, platform_db: Database, supabase: SupabaseAuth, change: str
) -> None:
    browser = await browse(SAM)
    match change:
        case "role":
            await supabase.update_user(SAM.user_id, app_metadata={"role": None})
        case "ban":
            await supabase.ban_user(SAM.user_id)
        case _:
            await supabase.delete_user(SAM.user_id)
    assert (await browser.get("/organizations")).status_code == 200
    async with platform_db.connection() as connection:
        await connection.execute("update portal_sessions set confirmed_at = now() - interval '11 minutes'")

    assert (await browser.get("/organizations")).status_code == 303


async def test_while_supabase_is_away_its_last_word_holds_for_an_hour(
    browse: Browse, platform_db: Database, world: World, supabase: SupabaseAuth
) -> None:
    browser = await browse(SAM)
    world.fault("supabase.get_user", "error_before", status=503, times="forever")
    found = []
    for minutes in (11, 61):
        async with platform_db.connection() as connection:
            await connection.execute(
                "update portal_sessions set confirmed_at = now() - make_interval(mins => %s)", (minutes,)
            )
        found.append((await browser.get("/organizations")).status_code)
    world.clear_faults()

    assert found == [200, 303]


@pytest.fixture
def mail(world_mail: MailSink, make_settings: Callable[..., Settings]) -> MailSink:
    """The mailbox of everybody."""
    return world_mail
