"""A customer's way from QA to everyday life through the real stack, with the commands that a person types."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.model.catalog import matching_reports
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.store import audit, organizations
from tenant_provisioning.store.database import open_database

Journey = Any  # the class lives in this folder's conftest, which tests do not import
Eventually = Callable[..., Any]
pytestmark = pytest.mark.journey

REQUEST: dict[str, Any] = {
    "name": "Lively College", "subdomain": "lively", "lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE",
    "super_users": [{"email": "jo@lively.com", "first_name": "Jo", "last_name": "Bloggs"}],
}  # fmt: skip


@pytest.fixture
def run(type_command: Any) -> Any:
    """Runs `tenant-provisioning` with arguments; its standard output, or its refusal."""

    def command(*arguments: str, stdin: str = "", refused: bool = False) -> str:
        done = type_command(*arguments, stdin=stdin)
        assert done.exit_code == (1 if refused else 0), done.output
        return str(done.stderr if refused else done.stdout)

    return command


def status(run: Any) -> dict[str, Any]:
    return dict(json.loads(run("status", "lively", "--json")))


def mails_to_jo(journey: Journey) -> list[str]:
    """The texts of the invitations that arrived."""
    kept = (journey.stack.data_dir / "mail" / "new").iterdir()
    texts = [path.read_text() for path in kept]
    return [text for text in texts if "Delivered-To: jo@lively.com" in text and "is ready" in text]


def sign_in(journey: Journey, link: str) -> str:
    """Where the link leads, as a browser would follow it."""
    answer = journey._simulator.get(link.replace(journey.stack.simulator_url, ""))
    return str(answer.headers["location"])


def actions(journey: Journey) -> list[str]:
    async def read() -> list[str]:
        async with open_database(journey.database_url) as db:
            organization = await organizations.find_by_subdomain(db, "lively")
            assert organization is not None
            return [each.action for each in await audit.list_audit(db, organization.id)]

    return asyncio.run(read())


def test_from_qa_to_everyday_life(journey: Journey, eventually: Eventually, run: Any) -> None:
    run("onboard", "-", stdin=json.dumps(REQUEST))
    run("status", "lively", "--follow")
    assert status(run)["status"] == "pending_qa"

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
    (mail,) = mails_to_jo(journey)
    link = re.search(r"https://localhost\S+/verify\?\S+", mail.replace("=\n", "").replace("=3D", "="))
    assert link is not None
    run("checks", "lively", "--wait")  # which leaves the link alone
    assert sign_in(journey, link[0]).startswith("https://lively.yourplatform.com/set-password#access_token=")

    templates = matching_reports(
        load_catalog(journey.settings.catalog_path).reports, {k: REQUEST[k] for k in ("lms", "english_maths", "crm")}
    )
    by_hand = journey.materialize("lively", report_step(templates[0].key))
    eventually(lambda: journey.run_status(by_hand) == "SUCCESS" or None, "the report is made again")
    changed = status(run)
    assert changed["status"] == "active"
    assert changed["approval"]["against"] == [f"the report “{templates[0].title}” was deployed again"]
    run("checks", "lively", "--wait")
    assert status(run)["approval"]["stands"] is True

    assert "1 user(s) cannot sign in" in run("suspend", "lively", "--reason", "unpaid")
    assert "is suspended" in run("test-login", "lively", refused=True)
    assert "1 user(s) can sign in again" in run("resume", "lively")
    assert sign_in(journey, run("test-login", "lively").strip()).startswith(
        "https://lively.yourplatform.com/#access_token="
    )

    assert len(mails_to_jo(journey)) == 1
    story = [action for action in actions(journey) if action not in {"claimed", "moved"}]
    assert story == [
        "requested", "test_login", *["checklist_ticked"] * len(MANUAL_ITEMS), "approved", "go_live",
        "checks_requested", "rematerialize", "checks_requested", "test_login",
    ]  # fmt: skip
