"""Timeline, catalog and deployments: what a super admin reads there."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal.audit import FORMULA, cell
from tenant_provisioning.portal.dashboard import HEIGHT, chart
from tenant_provisioning.store import audit, organizations
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.reports import save_deployed_report
from tenant_provisioning.store.vendor_incidents import record_incidents
from tenant_provisioning_tests.people import SAM
from tenant_provisioning_tests.portal.conftest import Browse

EVIL = '=HYPERLINK("http://evil.test";"click")'


@pytest.fixture(scope="module")
def platform_url(new_database: Callable[[], str]) -> str:
    """One database for the module."""
    return new_database()


@pytest.fixture
async def organization(
    onboard: Callable[..., Any], platform_db: Database, request: pytest.FixtureRequest
) -> Organization:
    """One organization for the module."""
    found = await organizations.find_by_subdomain(platform_db, "acme")
    return found or await onboard("acme")


async def test_the_timeline_tells_in_words_and_is_narrowed_by_organization_person_and_action(
    browse: Browse, organization: Organization, platform_db: Database
) -> None:
    await audit.append(
        platform_db, organization.id, actor="zoe@x.test", action="checklist_ticked", details={"item": "reports_load"}
    )
    sam = await browse(SAM)

    told = (await sam.get("/timeline?actor=zoe%40x.test&action=checklist_ticked&organization=ACME")).text

    assert "Ticked: The reports load in Power BI" in told
    assert 'value="checklist_ticked" selected' in told
    assert "No entry passes these filters." in (await sam.get("/timeline?organization=nobody")).text
    assert "Submitted the onboarding request" in (await sam.get(f"/organizations/{organization.id}/timeline")).text
    senseless = await sam.get("/timeline?since=yesterday&until=9999-12-31&before=-1&organization=%00")
    assert senseless.status_code == 200


async def test_the_timeline_has_pages(browse: Browse, organization: Organization, platform_db: Database) -> None:
    for number in range(51):
        await audit.append(
            platform_db, organization.id, actor="pat@x.test", action="viewed", reason=f"reason {number:02}"
        )
    sam = await browse(SAM)

    first = (await sam.get("/timeline?actor=pat%40x.test")).text

    assert "reason 50" in first
    assert "reason 00" not in first
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "reason 00" in (await sam.get(older)).text


async def test_the_export_holds_what_the_filters_leave_and_no_spreadsheet_takes_it_for_formulas(
    browse: Browse, organization: Organization, platform_db: Database
) -> None:
    await audit.append(
        platform_db, organization.id, actor="eve@x.test", action="viewed", reason=EVIL, details={"a": "ü"}
    )

    answer = await (await browse(SAM)).get("/timeline.csv?actor=eve%40x.test")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["reason"], row["subdomain"], row["details"]) == (f"'{EVIL}", "acme", '{"a": "ü"}')


@given(st.text(max_size=12))
def test_no_cell_begins_as_a_formula_and_nothing_of_it_is_lost(text: str) -> None:
    assert not cell(text).startswith(FORMULA)
    assert cell(text).removeprefix("'") == text.removeprefix("'") or cell(text) == text


async def test_the_catalog_shows_how_many_templates_each_combination_gets_and_who_uses_it(
    browse: Browse, organization: Organization
) -> None:
    page = (await (await browse(SAM)).get("/catalog")).text

    assert "320 combinations can be chosen." in page
    assert '<span class="strong">42</span> <span class="badge plain info">1 tenant</span>' in page
    assert 'Templates <span class="muted">(400)</span>' in page


async def test_a_template_names_its_tenants_and_whose_content_is_another(
    browse: Browse, organization: Organization, platform_db: Database, acme_reports: tuple[TemplateReport, ...]
) -> None:
    template = acme_reports[0]
    await save_deployed_report(
        platform_db,
        organization.id,
        template.key,
        powerbi_report_id="r",
        workspace_id="w",
        dataset_id="d",
        content_hash="older",
    )
    sam = await browse(SAM)

    page = (await sam.get(f"/catalog/{template.key}")).text

    assert organization.name in page
    assert "Other content" in page
    assert template.content_hash in page
    assert "1 with other content" in (await sam.get(f"/catalog?q={template.key}")).text
    assert (await sam.get("/catalog/nothing")).status_code == 404


async def test_the_deployments_show_what_runs_has_failed_and_waits_and_how_the_vendors_fare(
    browse: Browse, onboard: Callable[..., Any], platform_db: Database
) -> None:
    for status, way in {
        "running": [Status.PROVISIONING],
        "broken": [Status.PROVISIONING, Status.FAILED],
        "waiting": [Status.PROVISIONING, Status.PENDING_QA],
    }.items():
        found = await onboard(status)
        for step in way:
            await organizations.move(platform_db, found.id, step, actor="test", reason="the reason why")
    await record_incidents(
        platform_db, [VendorUnavailable("Power BI", "clone report", "too many requests", status=429)]
    )

    page = (await (await browse(SAM)).get("/deployments")).text

    running, failed, waiting = (
        page.split(f'id="{part}"')[1].split("</section>")[0] for part in ("running", "failed", "waiting")
    )
    assert "Running Training" in running
    assert "Broken Training" in failed
    assert "the reason why" in failed
    assert "Waiting Training" in waiting
    assert "Organizations in the last 14 days: 1 provisioned, 1 failed." in page
    assert "Power BI: clone report: too many requests" in page


def test_the_highest_bar_fills_the_chart_and_the_smallest_is_seen() -> None:
    days = {date(2026, 3, 1) + timedelta(days=number): {Status.PENDING_QA: number * 100} for number in range(3)}
    drawn = chart(days | {date(2026, 3, 4): {Status.FAILED: 1}})

    assert [day.provisioned_height for day in drawn.days] == [0, HEIGHT // 2, HEIGHT, 0]
    assert drawn.days[3].failed_height == 2
    assert drawn.most == 200
    assert chart({}).most == 0
