"""Files imported ahead of their reports: begun before there is a dataset, imported once, and never in the way of anything."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.steps import powerbi_workspace, report_imports
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts

NextTemplate = Callable[[ReportStrategy], TemplateReport]


async def bindings(ctx: StepContext, template: TemplateReport) -> list[str | None]:
    """The datasets of the reports of this title."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
    assert workspace is not None
    there = await ctx.vendors.powerbi.list_reports(str(workspace.vendor_id))
    return [report.dataset_id for report in there if report.name == template.title]


async def test_files_are_imported_before_there_is_a_dataset_and_nothing_else_is_done(
    ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    await powerbi_workspace.ensure(ctx)
    file, clone = next_template(ReportStrategy.IMPORT), next_template(ReportStrategy.CLONE)

    told = await report_imports.ensure(ctx, [file, clone])

    assert told.facts == {"imported": 1, "files": 1}
    assert len(await bindings(ctx, file)) == 1
    assert await bindings(ctx, clone) == []


async def test_an_imported_file_is_bound_by_its_report_and_not_imported_again(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    ctx, file = reports_ctx, next_template(ReportStrategy.IMPORT)
    await report_imports.ensure(ctx, [file])
    await report_imports.ensure(ctx, [file])

    outcomes = [outcome async for outcome in ensure_reports(ctx, [file])]

    dataset = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATASET)
    assert dataset is not None
    assert [outcome.error for outcome in outcomes] == [None]
    assert await bindings(ctx, file) == [dataset.vendor_id]
    asked = Counter(seen["operation"] for seen in world.requests() if seen["vendor"] == "powerbi")
    assert (asked["import"], asked["rebind_report"], asked["delete_dataset"]) == (1, 1, 1)


async def test_a_file_that_cannot_be_imported_is_left_to_its_report_which_tells_why(
    reports_ctx: StepContext, world: Any, next_template: NextTemplate
) -> None:
    ctx, bad, good = reports_ctx, next_template(ReportStrategy.IMPORT), next_template(ReportStrategy.IMPORT)
    world.fault("powerbi.import", "import_failed", match={"name": bad.title}, times="forever")

    told = await report_imports.ensure(ctx, [bad, good])
    outcomes = {outcome.template.key: outcome.error async for outcome in ensure_reports(ctx, [bad, good])}

    assert told.facts == {"imported": 1, "files": 2}
    assert outcomes[good.key] is None
    assert outcomes[bad.key] is not None


async def test_without_a_workspace_there_is_nowhere_to_import_to(ctx: StepContext, next_template: NextTemplate) -> None:
    with pytest.raises(SetupError, match="powerbi_workspace"):
        await report_imports.ensure(ctx, [next_template(ReportStrategy.IMPORT)])
