"""The QA page: what was found, what stands against going live, and every action with the name of who took it."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome, Verdict
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import access_requests, approvals, audit, checklist, organizations, qa_results
from tenant_provisioning.store.access_requests import Wish
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.vault import Vault
from tenant_provisioning_tests.conftest import SECRETS_KEY
from tenant_provisioning_tests.people import KIM, SAM
from tenant_provisioning_tests.portal.conftest import Browse, Browser

NUMBERS = itertools.count(1)
Field = Callable[[str, str], str]


@pytest.fixture(scope="module")
def platform_url(new_database: Callable[[], str]) -> str:
    """One database for the module; each test has an organization of its own."""
    return new_database()


async def judge(db: Database, organization: Organization, check: str, outcome: Outcome, reason: str = "") -> None:
    step = next(step.name for step in STEPS if check in step.checks)
    verdict = Verdict(check, outcome, "42 reports", "41 reports" if reason else "42 reports", reason)
    await qa_results.record_verdict(db, organization.id, run_id="run-1", step=step, verdict=verdict, blocking=True)


@pytest.fixture
async def in_qa(onboard: Callable[..., Any], platform_db: Database) -> Organization:
    """An organization that waits for QA, every check passed and nothing ticked."""
    organization: Organization = await onboard(f"qa-{next(NUMBERS)}")
    await organizations.claim(platform_db, organization.id, "run-1", actor="run run-1")
    for check in (check for step in STEPS for check in step.checks):
        await judge(platform_db, organization, check, Outcome.PASSED)
    await organizations.move(platform_db, organization.id, Status.PENDING_QA, actor="run run-1")
    await organizations.release(platform_db, organization.id, "run-1")
    return organization


@pytest.fixture
async def live(in_qa: Organization, platform_db: Database) -> Organization:
    """The same, live."""
    return await organizations.move(platform_db, in_qa.id, Status.ACTIVE, actor="test")


def path_of(organization: Organization, *more: str) -> str:
    return "/".join(["/organizations", str(organization.id), *more])


async def tick_all(browser: Browser, organization: Organization) -> str:
    for item in MANUAL_ITEMS:
        page = await browser.submit(path_of(organization, "checklist"), {"item": item, "done": "yes", "note": "seen"})
    return str(page.text)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    return page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]


async def test_it_shows_what_was_expected_and_found_and_says_in_words_what_stands_against_going_live(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    await judge(platform_db, in_qa, "all_reports_are_deployed", Outcome.FAILED, "1 report is missing")

    page = (await (await browse(SAM)).get(path_of(in_qa, "qa"))).text

    assert "All reports are deployed" in page
    assert "41 reports" in page
    assert "The check “all reports are deployed” has failed: 1 report is missing" in page
    assert page.count("is not ticked") == len(MANUAL_ITEMS)
    assert 'id="approve" disabled' in page


async def test_ticking_is_recorded_with_the_note_and_the_person_and_can_be_taken_back(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    kim = await browse(KIM)
    page = await tick_all(kim, in_qa)
    assert "Nothing stands against going live." in page
    ticked = await checklist.list_ticked(platform_db, in_qa.id)
    assert {(item.done_by, item.note) for item in ticked.values()} == {(KIM.email, "seen")}

    page = (await kim.submit(path_of(in_qa, "checklist"), {"item": "reports_load", "done": "no"})).text

    assert page.count("is not ticked") == 1
    assert [each.action for each in await audit.list_audit(platform_db, in_qa.id)][-1] == "checklist_unticked"


async def test_who_approves_is_on_record_with_the_note_and_a_second_approval_is_told_of_the_first(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    sam, kim = await browse(SAM), await browse(KIM)
    await tick_all(sam, in_qa)
    seen = hidden((await kim.get(path_of(in_qa, "qa"))).text, "seen")

    page = (await kim.submit(path_of(in_qa, "approve"), {"note": "all is well", "seen": seen})).text

    assert "Approved, going live" in page
    given = await approvals.find_approval(platform_db, in_qa.id)
    assert given is not None
    assert (given.approved_by, given.note) == (KIM.email, "all is well")
    again = (await sam.submit(path_of(in_qa, "approve"), {"seen": seen})).text
    assert f"{KIM.email} has approved {in_qa.name} already" in again
    assert (await approvals.find_approval(platform_db, in_qa.id)) == given


async def test_what_has_changed_since_the_page_was_shown_is_not_approved(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    sam = await browse(SAM)
    seen = hidden(await tick_all(sam, in_qa), "seen")
    await judge(platform_db, in_qa, "schema_is_ready", Outcome.FAILED, "gone")
    await judge(platform_db, in_qa, "all_reports_are_deployed", Outcome.PASSED)

    page = (await sam.submit(path_of(in_qa, "approve"), {"seen": seen})).text

    assert "has changed since you looked at it" in page
    assert await approvals.find_approval(platform_db, in_qa.id) is None


async def test_an_approval_that_lapsed_says_what_changed(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    sam = await browse(SAM)
    seen = hidden(await tick_all(sam, in_qa), "seen")
    await sam.submit(path_of(in_qa, "approve"), {"seen": seen})
    await judge(platform_db, in_qa, "schema_is_ready", Outcome.FAILED, "gone")

    page = (await sam.get(path_of(in_qa, "qa"))).text

    assert "the check “schema is ready” fails now" in page
    assert "Approved, going live" not in page


class TestWhereTheSettingAsksForASecondPerson:
    """REQUIRE_SECOND_APPROVER."""

    @pytest.fixture
    def portal_settings(self, portal_settings: Settings) -> Settings:
        """Who submitted the request may not approve it."""
        return portal_settings.model_copy(update={"require_second_approver": True})

    async def test_who_submitted_the_request_cannot_approve_it_and_another_can(
        self, browse: Browse, in_qa: Organization, platform_db: Database
    ) -> None:
        sam, kim = await browse(SAM), await browse(KIM)
        page = await tick_all(sam, in_qa)
        assert "sam@yourplatform.com submitted the request: somebody else has to approve it." in page
        refused = await sam.submit(path_of(in_qa, "approve"), {"seen": hidden(page, "seen")})
        assert "somebody else has to approve it" in refused.text
        assert await approvals.find_approval(platform_db, in_qa.id) is None

        page = (await kim.get(path_of(in_qa, "qa"))).text

        assert "Nothing stands against going live." in page
        await kim.submit(path_of(in_qa, "approve"), {"seen": hidden(page, "seen")})
        given = await approvals.find_approval(platform_db, in_qa.id)
        assert given is not None
        assert given.approved_by == KIM.email


async def test_asking_for_the_checks_writes_the_wish(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    page = await (await browse(KIM)).submit(path_of(in_qa, "checks"))

    assert "The checks are run again within seconds." in page.text
    entry = (await audit.list_audit(platform_db, in_qa.id))[-1]
    assert (entry.actor, entry.action) == (KIM.email, "checks_requested")


async def test_suspending_asks_for_name_and_reason_and_is_carried_out_by_somebody_else(
    browse: Browse, live: Organization, platform_db: Database
) -> None:
    sam = await browse(SAM)
    wrong_name = await sam.submit(path_of(live, "suspend"), {"name": "x", "reason": "unpaid"})
    assert "Nothing was done: to confirm, type the name" in wrong_name.text
    assert "Say why" in (await sam.submit(path_of(live, "suspend"), {"name": live.name})).text
    assert await access_requests.newest(platform_db, live.id) == {}

    page = await sam.submit(path_of(live, "suspend"), {"name": live.name, "reason": "unpaid"})

    assert "is being suspended" in page.text
    wish = (await access_requests.newest(platform_db, live.id))[Wish.SUSPEND]
    assert (wish.requested_by, wish.reason, wish.outcome) == (SAM.email, "unpaid", None)
    again = await sam.submit(path_of(live, "suspend"), {"name": live.name, "reason": "unpaid"})
    assert "asked for already" in again.text


async def test_only_what_is_suspended_is_resumed(browse: Browse, live: Organization, platform_db: Database) -> None:
    sam = await browse(SAM)
    assert "only what is suspended can be resumed" in (await sam.submit(path_of(live, "resume"))).text
    await organizations.move(platform_db, live.id, Status.SUSPENDED, actor="test")

    page = await sam.submit(path_of(live, "resume"))

    assert "is being resumed" in page.text
    assert list(await access_requests.newest(platform_db, live.id)) == [Wish.RESUME]


async def test_a_test_login_is_shown_to_who_asked_once_and_to_nobody_else(
    browse: Browse, in_qa: Organization, platform_db: Database
) -> None:
    sam, kim = await browse(SAM), await browse(KIM)
    asked = await sam.submit(path_of(in_qa, "test-login"))
    assert "The link is being made." in asked.text
    request = next(each for each in await access_requests.list_open(platform_db) if each.organization_id == in_qa.id)
    secret = "https://vendor.test/verify?token=single-use"
    sealed = Vault(SECRETS_KEY).encrypt(secret, in_qa.id, access_requests.LINK_COLUMN)
    await access_requests.answer(platform_db, request, done=True, told="The link is ready.", link=sealed)
    shown_at = path_of(in_qa, "test-login", str(request.id))

    assert "Show the link" in (await sam.get(path_of(in_qa, "qa"))).text
    assert secret not in (await sam.get(path_of(in_qa, "qa"))).text
    assert "Show the link" not in (await kim.get(path_of(in_qa, "qa"))).text
    assert (await kim.post(shown_at)).status_code == 303
    shown = await sam.post(shown_at)
    assert f'href="{secret}"' in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert "has been shown already" in (await sam.submit(shown_at)).text


async def test_a_wish_that_was_refused_says_why(browse: Browse, in_qa: Organization, platform_db: Database) -> None:
    sam = await browse(SAM)
    await sam.submit(path_of(in_qa, "test-login"))
    request = next(each for each in await access_requests.list_open(platform_db) if each.organization_id == in_qa.id)
    await access_requests.answer(platform_db, request, done=False, told="this super user has been mailed a link")

    assert "this super user has been mailed a link" in (await sam.get(path_of(in_qa, "qa"))).text
