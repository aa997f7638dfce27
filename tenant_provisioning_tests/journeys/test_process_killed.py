"""One kill of those that `make faults` carries out: a run's process, in the middle of a rollback that nobody else needs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning_tests.faults.kills import processes_of

Journey = Any  # the class lives in this folder's conftest, which tests do not import
pytestmark = pytest.mark.journey


def test_a_run_whose_process_is_killed_is_started_again_and_the_tenant_reaches_its_end(
    journey: Journey,
    eventually: Callable[..., Any],
    run: Callable[..., str],
    customers: tuple[Organization, Organization],
) -> None:
    beta = customers[1]
    hang = journey.control(
        "POST", "faults", {"vendor": "godaddy", "operation": "delete_records", "kind": "hang", "seconds": 300}
    )["id"]
    run("rollback", beta.subdomain)

    def run_that_waits() -> str | None:
        struck = next(one["struck"] for one in journey.control("GET", "faults")["faults"] if one["id"] == hang)
        return journey.found(beta.subdomain).claimed_by_run if struck else None

    killed = eventually(run_that_waits, "the run waits for an answer that does not come")
    victims = processes_of("run worker", journey.data_dir)
    for process in victims:
        process.kill()
    assert victims

    journey.becomes(beta.subdomain, DeploymentStatus.ROLLED_BACK)
    assert journey.run_status(killed) == "FAILURE"
    journey.control("DELETE", f"faults/{hang}")
    vendors = journey.control("GET", "snapshot")
    vendors["fabric"].pop("deletedWorkspaces", None)
    vendors.pop("mails", None)  # a mail that was delivered stays delivered
    assert beta.subdomain not in json.dumps(vendors).lower()
