"""Reports: none twice, none bound elsewhere, no dataset left behind, and one that fails fails alone."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import ProvisioningError, SetupError, VendorRejected
from tenant_provisioning.steps import (
    deployed_reports,
    fabric_data_store,
    fabric_workspace,
    powerbi_dataset,
    powerbi_workspace,
)
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.report_definition import bond
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts, progress, reports
from tenant_provisioning.store.progress import StepState
from tenant_provisioning.vendors.fabric_records import DefinitionPart

NextTemplate = Callable[[ReportStrategy], TemplateReport]
EACH = pytest.mark.parametrize("strategy", list(ReportStrategy))


async def deploy(ctx: StepContext, *templates: TemplateReport) -> list[ProvisioningError]:
    """The errors of deploying these."""
    return [outcome.error async for outcome in ensure_reports(ctx, templates) if outcome.error is not None]


async def ids(ctx: StepContext) -> tuple[str, str]:
    """Workspace and dataset of the tenant."""
    kinds = (ArtifactKind.POWERBI_WORKSPACE, ArtifactKind.DATASET)
    rows = [await artifacts.find_artifact(ctx.db, ctx.organization.id, kind) for kind in kinds]
    assert all(rows)
    return str(rows[0] and rows[0].vendor_id), str(rows[1] and rows[1].vendor_id)


async def bound(ctx: StepContext, template: TemplateReport) -> list[str | None]:
    """The datasets of the reports of this title."""
    workspace_id, _ = await ids(ctx)
    there = await ctx.vendors.powerbi.list_reports(workspace_id)
    return [report.dataset_id for report in there if report.name == template.title]


async def datasets(ctx: StepContext) -> list[str]:
    """The names of the tenant's datasets."""
    workspace_id, _ = await ids(ctx)
    return [dataset.name for dataset in await ctx.vendors.powerbi.list_datasets(workspace_id)]


@EACH
async def test_a_report_is_bound_to_the_tenants_dataset_and_mapped(
    reports_ctx: StepContext, next_template: NextTemplate, strategy: ReportStrategy
) -> None:
    ctx, template = reports_ctx, next_template(strategy)
    workspace_id, dataset_id = await ids(ctx)

    assert await deploy(ctx, template) == []

    assert await bound(ctx, template) == [dataset_id]
    mapped = {row.template_key: row for row in await reports.list_deployed_reports(ctx.db, ctx.organization.id)}[
        template.key
    ]
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert row is not None
    assert (mapped.powerbi_report_id, mapped.workspace_id, mapped.dataset_id) == (
        row.vendor_id,
        workspace_id,
        dataset_id,
    )
    assert mapped.content_hash == template.content_hash


async def test_an_import_leaves_no_dataset_behind(reports_ctx: StepContext, next_template: NextTemplate) -> None:
    assert await deploy(reports_ctx, next_template(ReportStrategy.IMPORT)) == []

    assert await datasets(reports_ctx) == [f"{reports_ctx.organization.name} dataset"]


async def test_reports_that_nothing_went_wrong_with_cost_no_call_more(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    templates = [next_template(strategy) for strategy in ReportStrategy for _ in range(3)]
    looking = {"list_reports": 1, "list_datasets": 1}

    assert await deploy(reports_ctx, *templates) == []
    first = Counter(seen["operation"] for seen in world.requests() if seen["vendor"] == "powerbi")
    world.control("DELETE", "requests")
    assert await deploy(reports_ctx, *templates) == []
    again = Counter(seen["operation"] for seen in world.requests() if seen["vendor"] == "powerbi")

    an_import = ("import", "get_import", "rebind_report", "delete_dataset")
    assert first == {**looking, "clone_report": 3, **dict.fromkeys(an_import, 3)}
    assert again == looking


async def test_a_defined_report_is_made_in_one_call_and_bound_from_its_first_moment(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    template = next_template(ReportStrategy.DEFINITION)
    workspace_id, dataset_id = await ids(reports_ctx)

    assert await deploy(reports_ctx, template) == []

    asked = [f"{seen['vendor']}.{seen['operation']}" for seen in world.requests() if seen["method"] == "POST"]
    assert asked == ["fabric.create_report"]
    row = await artifacts.find_artifact(reports_ctx.db, reports_ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert row is not None
    parts = await reports_ctx.vendors.fabric.get_definition(workspace_id, str(row.vendor_id), deadline=20)
    content = {part.path: part.content.decode() for part in parts}
    assert set(content) - {".platform"} == {"definition.pbir", "definition/report.json"}
    assert json.loads(content["definition.pbir"])["datasetReference"] == {
        "byConnection": {"connectionString": f"semanticmodelid={dataset_id}"}
    }
    assert await datasets(reports_ctx) == [f"{reports_ctx.organization.name} dataset"]


async def test_a_definition_is_taken_from_a_report_of_the_template_workspace(
    reports_ctx: StepContext, next_template: NextTemplate
) -> None:
    fabric, settings = reports_ctx.vendors.fabric, reports_ctx.settings
    parts = (bond(str(settings.template_dataset_id)), DefinitionPart("definition/report.json", b'{"pages": 7}'))
    name = f"Template for {reports_ctx.organization.subdomain}"
    item = await fabric.create_report(str(settings.template_workspace_id), name, parts, deadline=20)
    template = replace(next_template(ReportStrategy.DEFINITION), definition_path=None, source_report_id=item.id)
    workspace_id, dataset_id = await ids(reports_ctx)

    assert await deploy(reports_ctx, template) == []

    assert await bound(reports_ctx, template) == [dataset_id]
    row = await artifacts.find_artifact(reports_ctx.db, reports_ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert row is not None
    content = await fabric.get_definition(workspace_id, str(row.vendor_id), deadline=20)
    assert DefinitionPart("definition/report.json", b'{"pages": 7}') in content


async def test_a_definition_that_cannot_be_read_fails_alone_and_names_the_folder(
    reports_ctx: StepContext, next_template: NextTemplate, tmp_path: Path
) -> None:
    broken = replace(next_template(ReportStrategy.DEFINITION), definition_path=str(tmp_path / "gone.Report"))

    [error] = await deploy(reports_ctx, broken, next_template(ReportStrategy.DEFINITION))

    assert "gone.Report" in str(error)
    assert "catalog check" in str(error)


async def test_a_report_whose_making_outlived_us_is_taken_up(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    template = next_template(ReportStrategy.DEFINITION)
    fault = world.fault("fabric.get_operation", "error_before", status=503, times=3)
    assert len(await deploy(reports_ctx, template)) <= 1
    assert world.fault_struck(fault) >= 1
    world.clear_faults()

    assert await deploy(reports_ctx, template) == []

    assert len(await bound(reports_ctx, template)) == 1
    assert len(world.requests("fabric.create_report")) == 1


@pytest.mark.parametrize("crash", ["powerbi.rebind_report", "powerbi.delete_dataset"])
async def test_a_crash_between_import_and_the_end_leaves_no_dataset_after_the_next_attempt(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate, crash: str
) -> None:
    ctx, template = reports_ctx, next_template(ReportStrategy.IMPORT)
    _, dataset_id = await ids(ctx)
    world.fault(crash, "error_before", status=503, times="forever")
    assert len(await deploy(ctx, template)) == 1
    assert template.title in await datasets(ctx)
    world.clear_faults()

    assert await deploy(ctx, template) == []

    assert await datasets(ctx) == [f"{ctx.organization.name} dataset"]
    assert await bound(ctx, template) == [dataset_id]


@EACH
async def test_a_report_that_somebody_deleted_is_made_again(
    reports_ctx: StepContext, next_template: NextTemplate, strategy: ReportStrategy
) -> None:
    ctx, template = reports_ctx, next_template(strategy)
    workspace_id, dataset_id = await ids(ctx)
    await deploy(ctx, template)
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert row is not None
    await ctx.vendors.powerbi.delete_report(workspace_id, str(row.vendor_id))

    assert await deploy(ctx, template) == []

    assert await bound(ctx, template) == [dataset_id]


@EACH
async def test_a_report_bound_elsewhere_is_bound_back_and_the_other_dataset_stays(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate, strategy: ReportStrategy
) -> None:
    ctx, template = reports_ctx, next_template(strategy)
    workspace_id, dataset_id = await ids(ctx)
    await deploy(ctx, template)
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert row is not None
    analyst = await push_dataset(ctx, workspace_id)
    await ctx.vendors.powerbi.rebind_report(workspace_id, str(row.vendor_id), analyst)

    assert await deploy(ctx, template) == []

    assert await bound(ctx, template) == [dataset_id]
    assert "An analyst's own" in await datasets(ctx)
    await ctx.vendors.powerbi.delete_dataset(workspace_id, analyst)


async def push_dataset(ctx: StepContext, workspace_id: str) -> str:
    """A dataset that somebody made in the tenant's workspace."""
    columns = [{"name": "n", "dataType": "Int64"}]
    body = {"name": "An analyst's own", "defaultMode": "Push", "tables": [{"name": "t", "columns": columns}]}
    path = f"/groups/{workspace_id}/datasets"
    made = await ctx.vendors.powerbi._http.call("make dataset", "POST", path, json=body, ok=(201, 202))
    return str(made.json()["id"])


async def test_reports_need_their_workspace_and_dataset_first(ctx: StepContext, next_template: NextTemplate) -> None:
    template = next_template(ReportStrategy.CLONE)

    with pytest.raises(SetupError, match="powerbi_workspace"):
        await deploy(ctx, template)


@pytest.fixture
def fresh_acme(make_acme: Callable[..., str]) -> str:
    """An Acme that is ready for reports and has none."""
    return make_acme(fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)


async def test_two_imports_that_fail_for_good_fail_alone_and_are_made_once_the_fault_is_gone(
    fresh_acme: str,
    open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]],
    world: Any,
    acme_reports: tuple[TemplateReport, ...],
) -> None:
    doomed = [template for template in acme_reports if template.strategy is ReportStrategy.IMPORT][3:5]
    for template in doomed:
        told = "The file is password protected."
        world.fault("powerbi.import", "import_failed", match={"name": template.title}, times="forever", message=told)
    async with open_ctx(fresh_acme) as ctx:
        outcomes = [outcome async for outcome in ensure_reports(ctx, acme_reports)]

        assert {outcome.template.key for outcome in outcomes} == {template.key for template in acme_reports}
        assert sum(outcome.result is not None for outcome in outcomes) == 40
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        assert {outcome.template.key for outcome in failed} == {template.key for template in doomed}
        for outcome in failed:
            assert isinstance(outcome.error, VendorRejected)
            assert "The file is password protected." in str(outcome.error)
        assert len(await reports.list_deployed_reports(ctx.db, ctx.organization.id)) == 40
        steps = await progress.list_steps(ctx.db, ctx.organization.id)
        assert {step.step: step.reason for step in steps if step.state is StepState.FAILED} == {
            f"reports/{outcome.template.key}": str(outcome.error) for outcome in failed
        }
        with pytest.raises(ProvisioningError, match="2 of 42 reports") as incomplete:
            await deployed_reports.ensure(ctx, acme_reports)
        assert all(template.title in str(incomplete.value) for template in doomed)

        world.clear_faults()
        assert await deploy(ctx, *doomed) == []

        workspace_id, dataset_id = await ids(ctx)
        there = await ctx.vendors.powerbi.list_reports(workspace_id)
        assert sorted(report.name for report in there) == sorted(template.title for template in acme_reports)
        assert {report.dataset_id for report in there} == {dataset_id}
        assert await datasets(ctx) == [f"{ctx.organization.name} dataset"]
        assert (await deployed_reports.ensure(ctx, acme_reports)).facts == {"deployed": 42, "matching": 42}
