"""The real thing, end to end: rows in, sensors, runs on a real Dagster with its storage in PostgreSQL, rows and vendors after."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport, matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import organizations, progress, qa_results, reports
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.requests import submit

T = TypeVar("T")
Journey = Any  # the class lives in this folder's conftest, which tests do not import
Eventually = Callable[..., Any]
pytestmark = pytest.mark.journey

ACME = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
OTHER = {"lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE"}
NOWHERE = (DeploymentStatus.REQUESTED, DeploymentStatus.PROVISIONING)


def in_database(journey: Journey, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def with_pool() -> T:
        async with open_database(journey.database_url) as db:
            return await work(db)

    return asyncio.run(with_pool())


def onboard(journey: Journey, name: str, subdomain: str, providers: dict[str, str]) -> None:
    person = {"email": f"jo@{subdomain}.com", "first_name": "Jo", "last_name": "Bloggs"}
    raw = {"name": name, "subdomain": subdomain, **providers, "super_users": [person]}
    in_database(journey, lambda db: submit(db, raw, requested_by="test", default_domain="yourplatform.com"))


def settled(journey: Journey, eventually: Eventually, subdomain: str) -> Organization:
    """The organization once no run works on it any more."""

    def look() -> Organization | None:
        found = in_database(journey, lambda db: organizations.find_by_subdomain(db, subdomain))
        assert found is not None
        return None if found.status in NOWHERE or found.claimed_by_run else found

    return eventually(look, f"{subdomain} settled")


def templates_of(journey: Journey, providers: dict[str, str]) -> tuple[TemplateReport, ...]:
    return matching_reports(load_catalog(journey.settings.catalog_path).reports, providers)


def workspaces_of(journey: Journey, organization: Organization) -> dict[str, dict[str, Any]]:
    """The organization's workspaces at the vendor, by the last word of their name."""
    found = journey.control("GET", "snapshot")["fabric"]["workspaces"]
    mark = f"tenant-provisioning:{organization.id}"
    return {each["displayName"].rpartition(" ")[2]: each for each in found if each["description"] == mark}


def reports_at_vendor(journey: Journey, organization: Organization) -> Counter[str]:
    items = workspaces_of(journey, organization)["reports"]["items"]
    return Counter(item["displayName"] for item in items if item["type"] == "Report")


def test_two_customers_are_onboarded_side_by_side_and_share_nothing(journey: Journey, eventually: Eventually) -> None:
    onboard(journey, "Acme Training", "acme", ACME)
    onboard(journey, "Beta Learning", "beta", OTHER)

    acme, beta = (settled(journey, eventually, subdomain) for subdomain in ("acme", "beta"))

    assert (acme.status, beta.status) == (DeploymentStatus.PENDING_QA, DeploymentStatus.PENDING_QA)
    for organization, providers in ((acme, ACME), (beta, OTHER)):
        wanted = templates_of(journey, providers)
        mapped = in_database(journey, lambda db, of=organization.id: reports.list_deployed_reports(db, of))
        assert {row.template_key for row in mapped} == {template.key for template in wanted}
        assert reports_at_vendor(journey, organization) == Counter(template.title for template in wanted)
        datasets = [
            item for item in workspaces_of(journey, organization)["reports"]["items"] if item["type"] == "SemanticModel"
        ]
        assert len(datasets) == 1, "an import has left its own dataset behind"
        verdicts = in_database(journey, lambda db, of=organization.id: qa_results.latest_verdicts(db, of))
        assert verdicts
        assert [each.verdict for each in verdicts if not each.verdict.passed] == []
    assert len(templates_of(journey, ACME)) == 42
    ids = [
        {item["id"] for space in workspaces_of(journey, each).values() for item in space["items"]}
        for each in (acme, beta)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_the_first_step_begins_within_ten_seconds_of_the_row(journey: Journey, eventually: Eventually) -> None:
    waits = []
    for number in range(5):  # the best of five, so that a busy machine does not decide
        onboard(journey, f"Prompt College {number}", f"prompt-{number}", OTHER)
        organization = settled(journey, eventually, f"prompt-{number}")
        steps = in_database(journey, lambda db, of=organization.id: progress.list_steps(db, of))
        assert organization.created_at is not None
        waits.append(min(step.started_at for step in steps) - organization.created_at)
        if waits[-1] < timedelta(seconds=10):
            break

    assert min(waits) < timedelta(seconds=10)


def test_two_reports_that_fail_for_good_fail_alone_and_the_tenant_is_finished_from_the_ui(
    journey: Journey, eventually: Eventually
) -> None:
    imported = [template for template in templates_of(journey, ACME) if template.strategy is ReportStrategy.IMPORT]
    broken = imported[:2]
    faults = [
        journey.control(
            "POST", "faults",
            {"vendor": "powerbi", "operation": "import", "match": {"name": template.title}, "kind": "import_failed",
             "times": "forever", "message": "The package is damaged"},
        )["id"]
        for template in broken
    ]  # fmt: skip

    onboard(journey, "Partial Academy", "partial", ACME)
    organization = settled(journey, eventually, "partial")

    assert organization.status is DeploymentStatus.FAILED
    assert organization.status_reason is not None
    assert "2 of 42 reports could not be deployed" in organization.status_reason
    for template in broken:
        assert template.title in organization.status_reason
    assert "The package is damaged" in organization.status_reason
    mapped = in_database(journey, lambda db: reports.list_deployed_reports(db, organization.id))
    assert len(mapped) == 40

    for fault in faults:
        journey.control("DELETE", f"faults/{fault}")
    by_hand = journey.materialize("partial", *(report_step(template.key) for template in broken))
    eventually(lambda: journey.run_status(by_hand) == "SUCCESS" or None, "the two reports are made")
    finished = eventually(
        lambda: (
            ((found := settled(journey, eventually, "partial")).status is DeploymentStatus.PENDING_QA and found) or None
        ),
        "the sensor did the rest",
    )

    assert finished.status is DeploymentStatus.PENDING_QA
    assert reports_at_vendor(journey, organization) == Counter(
        template.title for template in templates_of(journey, ACME)
    )


def test_a_partition_without_an_onboarding_request_fails_at_once_with_a_sentence(
    journey: Journey, eventually: Eventually
) -> None:
    journey.graphql(
        'mutation($s: RepositorySelector!) { addDynamicPartition(partitionsDefName: "tenant", partitionKey: "nobody",'
        " repositorySelector: $s) { __typename } }",
        s={"repositoryLocationName": "tenant_provisioning.definitions", "repositoryName": "__repository__"},
    )

    run = journey.materialize("nobody", "fabric_workspace")

    eventually(lambda: journey.run_status(run) == "FAILURE" or None, "the run failed")
    told = journey.graphql(
        "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename"
        " ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } } } } } }",
        id=run,
    )
    failures = [event for event in told["logsForRun"]["events"] if event["__typename"] == "ExecutionStepFailureEvent"]
    assert "no onboarding request names the subdomain “nobody”" in str(failures)
