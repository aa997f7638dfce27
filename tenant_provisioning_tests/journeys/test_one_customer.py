"""One customer's whole way through the real stack, with the commands that a person types and the portal in a real browser: rolled
back in the middle of provisioning, onboarded again under the same name, let in, in everyday life, and rolled back for good.

Where no Chromium is installed, the commands do all of it.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.embedded.portal import operator_of
from tenant_provisioning.model.catalog import matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.store import audit, progress
from tenant_provisioning.vendors.dns import Resolver
from tenant_provisioning_tests.journeys.desk import Desk, Person

Journey = Any  # the class lives in this folder's conftest, which tests do not import
Run = Callable[..., str]
pytestmark = pytest.mark.journey

REQUEST: dict[str, Any] = {
    "name": "Lively College", "subdomain": "lively", "lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE",
    "super_users": [{"email": "jo@lively.com", "first_name": "Jo", "last_name": "Bloggs"}],
}  # fmt: skip
PROMPT = 10  # seconds from the row to the first step
IMPORT_SECONDS = 0.8  # that a machine of two cores takes to import a compiled Dagster when it does nothing else


def status(run: Run) -> dict[str, Any]:
    return dict(json.loads(run("status", "lively", "--json")))


def mails_to_jo(journey: Journey) -> list[str]:
    """The texts of the invitations that arrived."""
    texts = [path.read_text() for path in (journey.data_dir / "mail" / "new").iterdir()]
    return [text for text in texts if "Delivered-To: jo@lively.com" in text and "is ready" in text]


def sign_in(journey: Journey, link: str) -> str:
    """Where the link leads, as a browser would follow it."""
    return str(journey.simulator.get(link.replace(journey.simulator_url, "")).headers["location"])


def traces(journey: Journey) -> str:
    """Where the vendors hold something of the tenant, as JSON; empty when nowhere."""
    snapshot = journey.control("GET", "snapshot")
    snapshot["fabric"].pop("deletedWorkspaces", None)
    snapshot.pop("mails", None)  # a mail that was delivered stays delivered
    for vendor, told in snapshot.items():
        if "lively" in json.dumps(told).lower():
            return f"{vendor}: {json.dumps(told)}"
    return ""


def cname(journey: Journey) -> str | None:
    return asyncio.run(Resolver(journey.settings.nameservers).find_cname("lively.yourplatform.com"))


def struck(journey: Journey, fault_id: str) -> int:
    return next(int(one["struck"]) for one in journey.control("GET", "faults")["faults"] if one["id"] == fault_id)


@pytest.mark.usefixtures("begun")
def test_one_customer_there_and_back_and_there_again(
    journey: Journey, eventually: Any, run: Run, desk: Desk | None
) -> None:
    rolled_back_in_the_middle(journey, eventually, run)
    sam = the_wizard_is_filled(journey, desk) if desk else None
    if desk and sam:
        onboarded_again_in_the_portal(journey, sam)
        let_in_by_two_people(journey, run, desk, sam)
    else:
        onboarded_again(journey, run)
        let_in(journey, run)
    assert len(mails_to_jo(journey)) == 1
    changed_by_hand_and_checked_again(journey, run)
    suspended_and_back(journey, run)
    rolled_back_for_good(journey, run, sam)


def rolled_back_in_the_middle(journey: Journey, eventually: Any, run: Run) -> None:
    hang = journey.control(
        "POST", "faults",
        {"vendor": "fabric", "operation": "create_semantic_model", "match": {"name": "Lively"}, "kind": "hang",
         "seconds": 300, "times": "forever"},
    )["id"]  # fmt: skip
    run("onboard", "-", stdin=json.dumps(REQUEST))
    eventually(lambda: struck(journey, hang) or None, "the run waits for an answer that does not come")
    running = journey.found("lively").claimed_by_run
    assert "lively" in traces(journey).lower()

    run("rollback", "lively", "--follow")

    first = journey.becomes("lively", Status.ROLLED_BACK)
    assert journey.run_status(running) == "CANCELED"
    assert traces(journey) == ""
    journey.control("DELETE", f"faults/{hang}")
    entries = journey.in_database(lambda db: audit.list_audit(db, first.id))
    assert [entry.to_status for entry in entries if entry.to_status] == [
        Status.REQUESTED, Status.PROVISIONING, Status.FAILED, Status.ROLLING_BACK, Status.ROLLED_BACK,
    ]  # fmt: skip


def onboarded_again(journey: Journey, run: Run) -> None:
    run("onboard", "-", stdin=json.dumps(REQUEST))
    slowness = how_slow_the_machine_is()
    run("status", "lively", "--follow")
    assert status(run)["status"] == "pending_qa"
    began_promptly(journey, slowness)


def how_slow_the_machine_is() -> float:
    """How many times longer a known piece of work takes just now; 1 on a machine at rest."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import dagster"], check=True)
    return max(1.0, (time.monotonic() - began) / IMPORT_SECONDS)


def began_promptly(journey: Journey, slowness: float) -> None:
    """The first step began soon after the form."""
    customer = journey.found("lively")
    steps = journey.in_database(lambda db: progress.list_steps(db, customer.id))
    waited = (min(step.started_at for step in steps) - customer.created_at).total_seconds()
    assert waited < PROMPT * slowness, f"{waited:.1f} s on a machine {slowness:.1f} times slower than one at rest"


def the_wizard_is_filled(journey: Journey, desk: Desk) -> Person:
    """The operator, before the wizard's last button."""
    operator, sam = operator_of(journey.data_dir), desk.person()
    sam.signs_in(operator.email, "a guess")
    sam(lambda page: expect(page.get_by_role("alert")).to_be_visible())
    sam.signs_in(operator.email, operator.password)

    def fill_the_wizard(page: Page) -> None:
        page.get_by_role("button", name="New organization").first.click()
        page.get_by_label("Name of the organization").fill("Lively College")
        page.get_by_label("Subdomain").fill("lively")
        page.get_by_role("button", name="Continue").click()
        for provider in ("Bud", "CENTURY", "Salesforce"):
            page.get_by_label(provider, exact=True).check()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(re.compile("/data-store$"))
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Email").fill("jo@lively.com")
        page.get_by_label("First name").fill("Jo")
        page.get_by_label("Last name").fill("Bloggs")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Start deployment")).to_be_visible()

    sam(fill_the_wizard)
    return sam


def onboarded_again_in_the_portal(journey: Journey, sam: Person) -> None:
    """Started, and watched until the customer waits for QA, without a reload."""

    def start(page: Page) -> None:
        page.get_by_role("button", name="Start deployment").click()
        page.evaluate("window.wasNotReloaded = true")

    def watch(page: Page) -> None:
        expect(page.locator("#live-status .badge").first).to_have_text("Waiting for QA", timeout=180_000)
        assert page.evaluate("window.wasNotReloaded")

    sam(start)
    slowness = how_slow_the_machine_is()
    sam(watch)
    began_promptly(journey, slowness)


def let_in(journey: Journey, run: Run) -> None:
    told = run("approve", "lively", refused=True)
    assert all(title in told for title in MANUAL_ITEMS.values())
    login = run("test-login", "lively").strip()
    assert sign_in(journey, login).startswith("https://lively.yourplatform.com/#access_token=")
    assert mails_to_jo(journey) == []
    for item in MANUAL_ITEMS:
        run("checklist", "lively", item, "--note", "seen")
    board = run("approve", "lively", "--note", "all is well", "--wait")
    assert "all is well" in board


def let_in_by_two_people(journey: Journey, run: Run, desk: Desk, sam: Person) -> None:
    """The same, by two people at once before the portal and a third at a terminal, each of whom sees what the others do."""
    kim = desk.person().signs_in(*another_admin(journey))
    page_of_qa = f"/organizations/{journey.found('lively').id}/qa"
    for person in (sam, kim):
        person(lambda page: page.goto(page_of_qa))
    sam(lambda page: expect(page.locator("#obstacles li")).to_have_count(len(MANUAL_ITEMS)))
    sam(lambda page: page.locator("#test-login").click())
    sam(lambda page: page.locator("#show-link").click())
    login = sam(lambda page: page.locator("#test-link").input_value())
    assert sign_in(journey, login).startswith("https://lively.yourplatform.com/#access_token=")
    sam(lambda page: page.goto(page_of_qa))
    assert mails_to_jo(journey) == []

    first, second, third = MANUAL_ITEMS
    run("checklist", "lively", first, "--note", "seen")
    kim(lambda page: expect(page.locator("#live-qa-summary")).to_contain_text("1 of 3 items", timeout=30_000))
    kim(lambda page: page.locator(f"#tick-{second}").click())
    sam(lambda page: expect(page.locator("#live-qa-summary")).to_contain_text("2 of 3 items", timeout=30_000))
    sam(lambda page: page.locator(f"#tick-{third}").click())
    sam(lambda page: page.locator("#approve-note").fill("all is well"))
    sam(lambda page: page.locator("#approve").click())

    for person in (sam, kim):
        person(lambda page: expect(page.locator("#live-qa-verdict .badge").first).to_have_text("Live", timeout=180_000))
    kim(lambda page: page.context.close())  # an open window goes on following what happens
    journey.becomes("lively", Status.ACTIVE)
    assert "all is well" in run("status", "lively")


def another_admin(journey: Journey) -> tuple[str, str]:
    """The email and the password of a second super admin."""
    email, password = "kim@yourplatform.com", "correct horse battery staple"
    key = journey.settings.supabase_service_role_key.get_secret_value()
    account = {"email": email, "password": password, "email_confirm": True, "app_metadata": {"role": "platform_admin"}}
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    journey.simulator.post("/auth/v1/admin/users", json=account, headers=headers).raise_for_status()
    return email, password


def changed_by_hand_and_checked_again(journey: Journey, run: Run) -> None:
    providers = {category: REQUEST[category] for category in ("lms", "english_maths", "crm")}
    template = matching_reports(load_catalog(journey.settings.catalog_path).reports, providers)[0]
    journey.succeeds(journey.materialize("lively", report_step(template.key)))
    changed = status(run)
    assert changed["status"] == "active"
    assert changed["approval"]["against"] == [f"the report “{template.title}” was deployed again"]

    run("checks", "lively", "--wait")

    assert status(run)["approval"]["stands"] is True
    (mail,) = mails_to_jo(journey)
    link = re.search(r"https://localhost\S+/verify\?\S+", mail.replace("=\n", "").replace("=3D", "="))
    assert link is not None, "the checks have used up or voided the invitation"
    assert sign_in(journey, link[0]).startswith("https://lively.yourplatform.com/set-password#access_token=")


def suspended_and_back(journey: Journey, run: Run) -> None:
    assert "1 user(s) cannot sign in" in run("suspend", "lively", "--reason", "unpaid")
    assert "is suspended" in run("test-login", "lively", refused=True)
    assert "1 user(s) can sign in again" in run("resume", "lively")
    login = run("test-login", "lively").strip()
    assert sign_in(journey, login).startswith("https://lively.yourplatform.com/#access_token=")
    assert len(mails_to_jo(journey)) == 1


def rolled_back_for_good(journey: Journey, run: Run, sam: Person | None) -> None:
    customer = journey.found("lively")
    assert "confirm with its name, “Lively College”" in run("rollback", "lively", refused=True)
    assert cname(journey) is not None

    if sam is None:
        run("rollback", "lively", "--confirm", "Lively College", "--follow")
    else:
        sam(rolls_back)

    assert journey.becomes("lively", Status.ROLLED_BACK).id == customer.id
    assert traces(journey) == ""
    assert cname(journey) is None
    entries = journey.in_database(lambda db: audit.list_audit(db, customer.id))
    assert [entry.action for entry in entries if entry.action not in {"claimed", "moved"}] == [
        "requested", "test_login", *["checklist_ticked"] * len(MANUAL_ITEMS), "approved", "go_live",
        "rematerialize", "checks_requested", "test_login", "rollback_requested",
    ]  # fmt: skip


def rolls_back(page: Page) -> None:
    for name, told in (("Lively", "Nothing was done"), ("Lively College", "begins within seconds")):
        page.goto(page.url.split("/qa")[0].rstrip("/") + "/qa")
        page.get_by_text("Take away everything that was made").click()
        page.locator("#rollback-name").fill(name)
        page.locator("#rollback").click()
        expect(page.get_by_text(told)).to_be_visible()
    expect(page.locator("#live-status .badge").first).to_have_text("Rolled back", timeout=180_000)
