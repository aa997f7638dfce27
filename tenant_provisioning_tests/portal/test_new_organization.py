"""The wizard, without a script: what a form and its buttons do."""

import re
from typing import Any

import httpx
import pytest

from tenant_provisioning.settings import Settings
from tenant_provisioning.store import organizations
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.vault import Vault, is_encrypted
from tenant_provisioning_tests.people import KIM, SAM
from tenant_provisioning_tests.portal.conftest import Browse, Browser

ACME = {
    "basics": {"name": "Acme Training", "subdomain": "acme"},
    "providers": {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT", "hr": ""},
    "data-store": {"kind": "lakehouse"},
    "super-users": {
        "super_users.0.email": "ada@acme.example",
        "super_users.0.first_name": "Ada",
        "super_users.0.last_name": "Admin",
    },
}


class Wizard:
    """One draft in one browser."""

    def __init__(self, browser: Browser, first_page: httpx.Response) -> None:
        self.browser, self.page = browser, first_page
        self.path = first_page.url.path.rpartition("/")[0]

    async def fill(self, step: str, data: dict[str, Any] | None = None, go: str = "next") -> httpx.Response:
        """The page after a button of this step."""
        answer = await self.browser.post(
            f"{self.path}/{step}", {**(ACME.get(step, {}) if data is None else data), "go": go}
        )
        return await self.browser.get(answer.headers["location"]) if answer.status_code == 303 else answer

    async def fill_all(self) -> httpx.Response:
        """The review of a finished draft."""
        for step in ACME:
            answer = await self.fill(step)
        return answer

    async def see(self, step: str) -> str:
        """A page as it is after a reload."""
        return (await self.browser.get(f"{self.path}/{step}")).text


async def begun(browse: Browse) -> Wizard:
    browser = await browse(SAM)
    return Wizard(browser, await browser.submit("/organizations/new"))


def value_of(page: str, name: str) -> str:
    found = re.search(rf'<input[^>]*name="{re.escape(name)}"[^>]*value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found[1]


async def test_five_pages_lead_to_one_request_of_the_super_admin(browse: Browse, platform_db: Database) -> None:
    wizard = await begun(browse)
    review = await wizard.fill_all()
    assert "Will deploy 42 reports" in review.text
    page = await wizard.fill("review", go="submit")

    assert page.status_code == 200
    assert "Acme Training is requested" in page.text
    made = await organizations.find_by_subdomain(platform_db, "acme")
    assert made is not None
    async with platform_db.connection() as connection:
        rows = await connection.execute("select requested_by, form from onboarding_requests")
        (request,) = await rows.fetchall()
    assert request["requested_by"] == SAM.email
    assert request["form"]["super_users"][0]["email"] == "ada@acme.example"


async def test_submitting_twice_makes_one_request(browse: Browse, platform_db: Database) -> None:
    wizard = await begun(browse)
    await wizard.fill_all()
    first = await wizard.fill("review", go="submit")
    second = await wizard.fill("review", go="submit")

    assert first.url == second.url
    assert len(await organizations.list_organizations(platform_db)) == 1
    async with platform_db.connection() as connection:
        left = await (await connection.execute("select fields, secrets from onboarding_drafts")).fetchall()
    assert left == [{"fields": {}, "secrets": {}}]


async def test_back_forward_and_reload_lose_nothing_not_even_what_is_wrong(browse: Browse) -> None:
    wizard = await begun(browse)
    await wizard.fill("basics", {"name": "Acme", "subdomain": "Not A Name"}, go="back")
    await wizard.fill("super-users", {"super_users.0.email": "half"}, go="back")

    assert value_of(await wizard.see("basics"), "subdomain") == "not a name"
    assert value_of(await wizard.see("basics"), "name") == "Acme"
    assert value_of(await wizard.see("super-users"), "super_users.0.email") == "half"


async def test_mistakes_stand_at_their_fields_and_keep_the_page(browse: Browse) -> None:
    wizard = await begun(browse)
    page = await wizard.fill("basics", {"name": "", "subdomain": "www"})

    assert page.status_code == 422
    assert re.search(r'id="name"[^>]*aria-invalid="true"[^>]*aria-describedby="name-errors', page.text)
    assert "“www” is reserved for the platform" in page.text


async def test_a_page_that_was_not_filled_in_yet_does_not_complain(browse: Browse) -> None:
    wizard = await begun(browse)

    assert 'aria-invalid="true"' not in await wizard.see("super-users")
    assert "Name at least one super user" in (await wizard.fill("super-users", {})).text


async def test_people_come_and_go_by_buttons_and_mistakes_stay_with_their_rows(browse: Browse) -> None:
    wizard = await begun(browse)
    two = ACME["super-users"] | {"super_users.1.email": "no address"}
    page = await wizard.fill("super-users", two, go="add")
    assert value_of(page.text, "super_users.2.email") == ""

    # an empty row in between counts for nothing
    data = {f"super_users.{at}.{key}": "" for at in (0,) for key in ("email", "first_name", "last_name")}
    data |= {"super_users.1.email": "no address", "super_users.1.first_name": "Bo", "super_users.1.last_name": "B"}
    wrong = await wizard.fill("super-users", data)
    assert wrong.status_code == 422
    assert re.search(r'id="super_users-1-email"[^>]*aria-invalid', wrong.text)

    page = await wizard.fill("super-users", data, go="remove.1")
    assert "no address" not in page.text


async def test_an_incomplete_draft_is_not_submitted_and_says_what_is_missing(
    browse: Browse, platform_db: Database
) -> None:
    wizard = await begun(browse)
    await wizard.fill("basics")
    answer = await wizard.fill("review", go="submit")

    assert answer.status_code == 422
    assert "Something is missing or wrong" in answer.text
    assert await organizations.list_organizations(platform_db) == []


async def test_a_name_that_was_taken_meanwhile_is_told_at_submission(browse: Browse, onboard: Any) -> None:
    wizard = await begun(browse)
    await wizard.fill_all()
    await onboard("acme", super_users=[{"email": "x@y.example", "first_name": "X", "last_name": "Y"}])
    answer = await wizard.fill("review", go="submit")

    assert answer.status_code == 422
    assert "“acme” is taken by another organization" in answer.text


@pytest.mark.parametrize(
    ("wished", "said"),
    [("fresh", None), ("acme", "is taken"), ("www", "is reserved"), ("a b", "Use 1 to 63"), ("", "required")],
)
async def test_whether_a_subdomain_is_free_is_told_while_it_is_typed(
    browse: Browse, onboard: Any, wished: str, said: str | None
) -> None:
    await onboard("acme")
    answer = (await (await browse(SAM)).get("/organizations/new/subdomain", params={"subdomain": wished})).json()

    assert answer["subdomain"] == wished
    assert (said in answer["mistakes"][0]) if said else answer["mistakes"] == []


async def test_the_choice_of_providers_shows_what_matches_and_what_would_be_missing(browse: Browse) -> None:
    page = await (await browse(SAM)).get(
        "/organizations/new/reports", params={"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
    )

    assert "Will deploy 42 reports" in page.text
    assert "358 reports are made for other software" in page.text
    assert re.search(r"\d+ more</span> with Cascade\s+as HR", page.text)


async def test_a_draft_is_its_owners_alone(browse: Browse) -> None:
    wizard = await begun(browse)
    await wizard.fill("basics")
    kim = await browse(KIM)
    await kim.get("/organizations")

    assert (await kim.get(f"{wizard.path}/basics")).status_code == 404
    assert (await kim.post(f"{wizard.path}/basics", {"name": "mine"})).status_code == 404
    assert "Acme Training" not in (await kim.get("/organizations")).text


async def test_a_draft_waits_on_the_board_until_it_is_finished_or_discarded(browse: Browse) -> None:
    wizard = await begun(browse)
    board = await wizard.fill("basics", go="save")
    assert f"{wizard.path}/" in board.text

    board = await wizard.browser.submit(f"{wizard.path}/discard")
    assert f"{wizard.path}/" not in board.text


async def test_beginning_again_without_having_entered_anything_takes_the_same_draft(browse: Browse) -> None:
    wizard = await begun(browse)

    assert (await wizard.browser.submit("/organizations/new")).url == wizard.page.url


async def test_what_is_kept_while_somebody_types_is_not_judged_yet(browse: Browse) -> None:
    wizard = await begun(browse)
    answer = await wizard.browser.post(f"{wizard.path}/basics", {"name": "Ac", "subdomain": "", "go": "keep"})

    assert answer.status_code == 204
    page = await wizard.see("basics")
    assert value_of(page, "name") == "Ac"
    assert 'aria-invalid="true"' not in page


SECRET = "Server=abc.datawarehouse.fabric.microsoft.com;Database=theirs;Password=hunter2-hunter2"
OWN = {
    "kind": "bring_your_own",
    "workspace_url": "https://app.fabric.microsoft.com/groups/3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "connection_string": SECRET,
}


class TestACustomersOwnDataStore:
    """The kind that asks for more, and for a secret."""

    @pytest.fixture
    def portal_settings(self, portal_settings: Settings) -> Settings:
        """The customer's own is offered too."""
        return portal_settings.model_copy(update={"data_store_kinds": "lakehouse,bring_your_own"})

    async def test_its_secret_is_encrypted_as_it_arrives_and_never_comes_back(
        self, browse: Browse, platform_db: Database
    ) -> None:
        wizard = await begun(browse)
        await wizard.fill("data-store", OWN)
        async with platform_db.connection() as connection:
            (row,) = await (await connection.execute("select fields, secrets from onboarding_drafts")).fetchall()
        pages = [await wizard.see(step) for step in ("data-store", "review")]

        assert "hunter2" not in str(row)
        assert is_encrypted(row["secrets"]["connection_string"])
        assert all("hunter2" not in page for page in pages)
        assert all("Kept, encrypted" in page for page in pages)

    async def test_its_mistakes_stand_at_its_fields_and_repeat_no_secret(self, browse: Browse) -> None:
        wizard = await begun(browse)
        wrong = OWN | {"workspace_url": "https://elsewhere.example", "connection_string": "Password=hunter2"}
        page = await wizard.fill("data-store", wrong)

        assert page.status_code == 422
        assert re.search(r'id="workspace_url"[^>]*aria-invalid', page.text)
        assert re.search(r'id="connection_string"[^>]*aria-invalid', page.text)
        assert "hunter2" not in page.text

    async def test_the_secret_goes_from_the_draft_to_the_organization_and_nowhere_else(
        self, browse: Browse, platform_db: Database, portal_settings: Settings
    ) -> None:
        wizard = await begun(browse)
        await wizard.fill("data-store", OWN)
        # left empty, the field keeps what it has
        await wizard.fill("data-store", OWN | {"connection_string": ""})
        for step in ("basics", "providers", "super-users"):
            await wizard.fill(step)
        page = await wizard.fill("review", go="submit")
        assert "Acme Training is requested" in page.text

        made = await organizations.find_by_subdomain(platform_db, "acme")
        assert made is not None
        sealed = await organizations.get_connection(platform_db, made.id)
        assert sealed is not None
        vault = Vault(portal_settings.secrets_key.get_secret_value())
        assert vault.decrypt(sealed, made.id, organizations.CONNECTION_COLUMN) == SECRET
        async with platform_db.connection() as connection:
            form = await (await connection.execute("select form from onboarding_requests")).fetchall()
            draft = await (await connection.execute("select fields, secrets from onboarding_drafts")).fetchall()
        assert "hunter2" not in str(form)
        assert draft == [{"fields": {}, "secrets": {}}]
