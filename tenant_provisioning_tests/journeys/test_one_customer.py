"""One customer's whole way through the real stack, with the commands that a person types: rolled back in the middle of
provisioning, onboarded again under the same name, let in, in everyday life, and rolled back for good."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.model.catalog import matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.store import audit
from tenant_provisioning.vendors.dns import Resolver

Journey = Any  # the class lives in this folder's conftest, which tests do not import
Run = Callable[..., str]
pytestmark = pytest.mark.journey

REQUEST: dict[str, Any] = {
    "name": "Lively College", "subdomain": "lively", "lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE",
    "super_users": [{"email": "jo@lively.com", "first_name": "Jo", "last_name": "Bloggs"}],
}  # fmt: skip


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


def test_one_customer_there_and_back_and_there_again(journey: Journey, eventually: Any, run: Run) -> None:
    rolled_back_in_the_middle(journey, eventually, run)
    onboarded_again_and_let_in(journey, run)
    changed_by_hand_and_checked_again(journey, run)
    suspended_and_back(journey, run)
    rolled_back_for_good(journey, run)


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
    by_hand = journey.materialize("lively", "fabric_workspace")
    eventually(lambda: journey.run_status(by_hand) == "FAILURE" or None, "a run for what was rolled back fails at once")
    assert traces(journey) == ""
    entries = journey.in_database(lambda db: audit.list_audit(db, first.id))
    assert [entry.to_status for entry in entries if entry.to_status] == [
        Status.REQUESTED, Status.PROVISIONING, Status.FAILED, Status.ROLLING_BACK, Status.ROLLED_BACK,
    ]  # fmt: skip


def onboarded_again_and_let_in(journey: Journey, run: Run) -> None:
    run("onboard", "-", stdin=json.dumps(REQUEST))
    run("status", "lively", "--follow")
    assert status(run)["status"] == "pending_qa"
    assert cname(journey) is not None

    told = run("approve", "lively", refused=True)
    assert all(title in told for title in MANUAL_ITEMS.values())
    login = run("test-login", "lively").strip()
    assert sign_in(journey, login).startswith("https://lively.yourplatform.com/#access_token=")
    assert mails_to_jo(journey) == []
    for item in MANUAL_ITEMS:
        run("checklist", "lively", item, "--note", "seen")
    board = run("approve", "lively", "--note", "all is well", "--wait")

    assert "all is well" in board
    assert status(run)["status"] == "active"
    assert len(mails_to_jo(journey)) == 1


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


def rolled_back_for_good(journey: Journey, run: Run) -> None:
    customer = journey.found("lively")
    assert "confirm with its name, “Lively College”" in run("rollback", "lively", refused=True)

    run("rollback", "lively", "--confirm", "Lively College", "--follow")

    assert journey.becomes("lively", Status.ROLLED_BACK).id == customer.id
    assert traces(journey) == ""
    assert cname(journey) is None
    entries = journey.in_database(lambda db: audit.list_audit(db, customer.id))
    assert [entry.action for entry in entries if entry.action not in {"claimed", "moved"}] == [
        "requested", "test_login", *["checklist_ticked"] * len(MANUAL_ITEMS), "approved", "go_live",
        "rematerialize", "checks_requested", "test_login", "rollback_requested",
    ]  # fmt: skip
