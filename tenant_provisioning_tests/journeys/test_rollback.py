"""A customer's way back through the real stack: in the middle of provisioning, and again once it is there."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import audit, organizations
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.vendors.dns import Resolver

T = TypeVar("T")
Journey = Any
Eventually = Callable[..., Any]
pytestmark = pytest.mark.journey

REQUEST = {
    "name": "Returning College", "subdomain": "returning", "lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE",
    "super_users": [{"email": "jo@returning.com", "first_name": "Jo", "last_name": "Bloggs"}],
}  # fmt: skip


def in_database(journey: Journey, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def with_pool() -> T:
        async with open_database(journey.database_url) as db:
            return await work(db)

    return asyncio.run(with_pool())


def found(journey: Journey) -> Organization:
    organization = in_database(journey, lambda db: organizations.find_by_subdomain(db, "returning"))
    assert organization is not None
    return organization


def becomes(journey: Journey, eventually: Eventually, *statuses: Status) -> Organization:
    """The organization at rest in one of these statuses."""

    def look() -> Organization | None:
        now = found(journey)
        return now if now.status in statuses and now.claimed_by_run is None else None

    return eventually(look, f"returning became {' or '.join(statuses)}")


def traces(journey: Journey) -> str:
    """Where the vendors hold something of the tenant, as JSON; empty when nowhere."""
    snapshot = journey.control("GET", "snapshot")
    snapshot["fabric"].pop("deletedWorkspaces", None)
    for vendor, told in snapshot.items():
        if "returning" in json.dumps(told).lower():
            return f"{vendor}: {json.dumps(told)}"
    return ""


def struck(journey: Journey, fault_id: str) -> int:
    return next(int(one["struck"]) for one in journey.control("GET", "faults")["faults"] if one["id"] == fault_id)


@pytest.fixture
def run(journey: Journey, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from tenant_provisioning.cli import main; main()", *arguments],
            env={"PATH": os.environ["PATH"], "DATA_DIR": str(journey.stack.data_dir)},
            input=stdin, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False,
        )  # fmt: skip

    return command


def test_a_customer_is_rolled_back_in_the_middle_and_again_at_the_end_and_the_name_is_free_each_time(
    journey: Journey, eventually: Eventually, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    hang = journey.control(
        "POST", "faults",
        {"vendor": "fabric", "operation": "create_semantic_model", "match": {"name": "Returning"}, "kind": "hang",
         "seconds": 300, "times": "forever"},
    )["id"]  # fmt: skip
    assert run("onboard", "-", stdin=json.dumps(REQUEST)).returncode == 0
    eventually(lambda: struck(journey, hang) or None, "the run waits for an answer that does not come")
    running = found(journey).claimed_by_run
    assert "returning" in traces(journey).lower()

    done = run("rollback", "returning", "--follow")

    assert done.returncode == 0, done.stderr
    first = becomes(journey, eventually, Status.ROLLED_BACK)
    assert journey.run_status(running) == "CANCELED"
    assert traces(journey) == ""
    journey.control("DELETE", f"faults/{hang}")

    by_hand = journey.materialize("returning", "fabric_workspace")
    eventually(lambda: journey.run_status(by_hand) == "FAILURE" or None, "a run for what was rolled back fails at once")
    assert traces(journey) == ""

    assert run("onboard", "-", stdin=json.dumps(REQUEST)).returncode == 0
    second = becomes(journey, eventually, Status.PENDING_QA)
    assert second.id != first.id
    host = f"returning.{second.domain}"
    resolver = Resolver(journey.settings.nameservers)
    assert asyncio.run(resolver.find_cname(host)) is not None

    done = run("rollback", "returning", "--follow")

    assert done.returncode == 0, done.stderr
    assert becomes(journey, eventually, Status.ROLLED_BACK).id == second.id
    assert traces(journey) == ""
    assert asyncio.run(resolver.find_cname(host)) is None
    story = [
        entry.to_status for entry in in_database(journey, lambda db: audit.list_audit(db, first.id)) if entry.to_status
    ]
    assert story == [Status.REQUESTED, Status.PROVISIONING, Status.FAILED, Status.ROLLING_BACK, Status.ROLLED_BACK]
