"""The real thing, end to end: rows in, sensors, runs on a real Dagster with its storage in PostgreSQL, rows and vendors after."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.embedded.portal import operator_of
from tenant_provisioning.model.catalog import TemplateReport, matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import qa_results, reports
from tenant_provisioning_tests.journeys.desk import Desk

Journey = Any  # the class lives in this folder's conftest, which tests do not import
Eventually = Callable[..., Any]
pytestmark = pytest.mark.journey


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
    journey: Journey,
    eventually: Eventually,
    damaged: dict[str, TemplateReport],
    partial: Organization,
    desk: Desk | None,
) -> None:
    assert partial.status is DeploymentStatus.FAILED
    assert "2 of 42 reports could not be deployed" in partial.status_reason
    for template in damaged.values():
        assert template.title in partial.status_reason
    assert "The package is damaged" in partial.status_reason
    mapped = journey.in_database(lambda db: reports.list_deployed_reports(db, partial.id))
    assert len(mapped) == 40

    (first_fault, first), (second_fault, second) = damaged.items()
    journey.control("DELETE", f"faults/{first_fault}")
    if desk:
        retried_in_the_portal(journey, eventually, desk, partial, mended=first, other=second)
    else:
        journey.succeeds(journey.materialize("partial", report_step(first.key)))
    journey.control("DELETE", f"faults/{second_fault}")
    journey.succeeds(journey.materialize("partial", report_step(second.key)))
    finished = journey.becomes("partial", DeploymentStatus.PENDING_QA)  # the sensor does the rest

    wanted = templates_of(journey, finished)
    assert reports_at_vendor(journey, finished) == Counter(template.title for template in wanted)


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
