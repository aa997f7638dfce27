"""The real thing, end to end: rows in, sensors, runs on a real Dagster with its storage in PostgreSQL, rows and vendors after."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.embedded.portal import operator_of
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport, matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import progress, qa_results, reports
from tenant_provisioning_tests.journeys.desk import Desk

Journey = Any  # the class lives in this folder's conftest, which tests do not import
Eventually = Callable[..., Any]
pytestmark = pytest.mark.journey

ACME = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
PROMPT = 10  # seconds from the row to the first step
IMPORT_SECONDS = 0.8  # that a machine of two cores takes to import a compiled Dagster when it does nothing else


def templates_of(journey: Journey, organization: Organization) -> tuple[TemplateReport, ...]:
    return matching_reports(load_catalog(journey.settings.catalog_path).reports, organization.providers)


def workspaces_of(journey: Journey, organization: Organization) -> dict[str, dict[str, Any]]:
    """The organization's workspaces at the vendor, by the last word of their name."""
    found = journey.control("GET", "snapshot")["fabric"]["workspaces"]
    mark = f"tenant-provisioning:{organization.id}"
    return {each["displayName"].rpartition(" ")[2]: each for each in found if each["description"] == mark}


def reports_at_vendor(journey: Journey, organization: Organization) -> Counter[str]:
    items = workspaces_of(journey, organization)["reports"]["items"]
    return Counter(item["displayName"] for item in items if item["type"] == "Report")


def test_two_customers_are_onboarded_side_by_side_and_share_nothing(
    journey: Journey, customers: tuple[Organization, Organization]
) -> None:
    assert [each.status for each in customers] == [DeploymentStatus.PENDING_QA] * 2
    for organization in customers:
        wanted = templates_of(journey, organization)
        mapped = journey.in_database(lambda db, of=organization.id: reports.list_deployed_reports(db, of))
        assert {row.template_key for row in mapped} == {template.key for template in wanted}
        assert reports_at_vendor(journey, organization) == Counter(template.title for template in wanted)
        datasets = [
            item for item in workspaces_of(journey, organization)["reports"]["items"] if item["type"] == "SemanticModel"
        ]
        assert len(datasets) == 1, "an import has left its own dataset behind"
        verdicts = journey.in_database(lambda db, of=organization.id: qa_results.latest_verdicts(db, of))
        assert verdicts
        assert [each.verdict for each in verdicts if not each.verdict.passed] == []
    assert len(templates_of(journey, customers[0])) == 42
    ids = [
        {item["id"] for space in workspaces_of(journey, each).values() for item in space["items"]} for each in customers
    ]
    assert ids[0].isdisjoint(ids[1])


def test_two_reports_that_fail_for_good_fail_alone_and_a_retry_finishes_the_tenant(
    journey: Journey, eventually: Eventually, customers: tuple[Organization, Organization], desk: Desk | None
) -> None:
    templates = templates_of(journey, customers[0])
    broken = [template for template in templates if template.strategy is ReportStrategy.IMPORT][:2]
    faults = [
        journey.control(
            "POST", "faults",
            {"vendor": "powerbi", "operation": "import", "match": {"name": template.title}, "kind": "import_failed",
             "times": "forever", "message": "The package is damaged"},
        )["id"]
        for template in broken
    ]  # fmt: skip

    journey.onboard("Partial Academy", "partial", ACME)
    slowness = how_slow_the_machine_is()
    organization = journey.settled("partial")

    steps = journey.in_database(lambda db: progress.list_steps(db, organization.id))
    waited = (min(step.started_at for step in steps) - organization.created_at).total_seconds()
    assert waited < PROMPT * slowness, f"{waited:.1f} s on a machine {slowness:.1f} times slower than one at rest"

    assert organization.status is DeploymentStatus.FAILED
    assert "2 of 42 reports could not be deployed" in organization.status_reason
    for template in broken:
        assert template.title in organization.status_reason
    assert "The package is damaged" in organization.status_reason
    mapped = journey.in_database(lambda db: reports.list_deployed_reports(db, organization.id))
    assert len(mapped) == 40

    for number, (fault, template) in enumerate(zip(faults, broken, strict=True)):
        journey.control("DELETE", f"faults/{fault}")
        if desk and number == 0:
            retried_in_the_portal(journey, eventually, desk, organization, mended=template, other=broken[1])
        else:
            journey.succeeds(journey.materialize("partial", report_step(template.key)))
    finished = journey.becomes("partial", DeploymentStatus.PENDING_QA)  # the sensor does the rest

    assert reports_at_vendor(journey, finished) == Counter(template.title for template in templates)


def retried_in_the_portal(
    journey: Journey,
    eventually: Eventually,
    desk: Desk,
    organization: Organization,
    *,
    mended: TemplateReport,
    other: TemplateReport,
) -> None:
    """One report alone, after which the other is still what has failed."""
    operator = operator_of(journey.data_dir)
    sam = desk.person().signs_in(operator.email, operator.password)
    sam(lambda page: page.goto(f"/organizations/{organization.id}"))
    failures = ".failures > li"
    sam(lambda page: expect(page.locator(failures)).to_have_count(2))
    sam(lambda page: expect(page.locator(failures).first).to_contain_text("A retry alone will not help"))

    sam(lambda page: page.locator(failures, has_text=mended.title).get_by_role("button").click())

    def only_the_other_fails() -> bool | None:
        now = journey.settled("partial")
        return (now.status is DeploymentStatus.FAILED and mended.title not in now.status_reason) or None

    eventually(only_the_other_fails, f"“{mended.title}” is mended")
    assert other.title in journey.found("partial").status_reason
    sam(lambda page: expect(page.locator("#live-status .badge").first).to_have_text("Failed", timeout=60_000))
    sam(lambda page: expect(page.locator(failures)).to_have_count(1))


def how_slow_the_machine_is() -> float:
    """How many times longer a known piece of work takes just now; 1 on a machine at rest."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import dagster"], check=True)
    return max(1.0, (time.monotonic() - began) / IMPORT_SECONDS)


def test_a_partition_without_an_onboarding_request_fails_at_once_with_a_sentence(
    journey: Journey, eventually: Eventually, run_for_nobody: str
) -> None:
    eventually(lambda: journey.run_status(run_for_nobody) == "FAILURE" or None, "the run failed")

    told = journey.graphql(
        "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename"
        " ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } } } } } }",
        id=run_for_nobody,
    )
    failures = [event for event in told["logsForRun"]["events"] if event["__typename"] == "ExecutionStepFailureEvent"]
    assert "no onboarding request names the subdomain “nobody”" in str(failures)
