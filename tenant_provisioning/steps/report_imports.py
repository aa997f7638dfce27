"""The .pbix files among the tenant's reports, imported into the reports workspace. They take longest of all, and need no dataset of
the tenant's: so they go on while its data store and dataset come into being.

Binding each report to the tenant's dataset, and taking away the dataset its file brought, is `reports`, which also imports what is
not here: a report that is made again alone needs nothing of this step.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import OwnershipConflict, VendorError, VendorRejected
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.powerbi_records import ImportResult, Report

KIND = ArtifactKind.REPORT


@dataclass
class Shelf:
    """What the reports workspace holds, and what the ledger has of it: looked up once for many reports."""

    ctx: StepContext
    workspace_id: str
    ledger: dict[str, Artifact] = field(default_factory=dict)  # by template
    reports: dict[str, Report] = field(default_factory=dict)  # by title
    datasets: dict[str, set[str]] = field(default_factory=dict)  # there when we looked, by name
    brought: dict[str, set[str]] = field(default_factory=dict)  # by imports since, by title

    async def look(self) -> None:
        """See what is there now: two calls and a query for all reports."""
        powerbi = self.ctx.vendors.powerbi
        reports, datasets, rows = await together(
            powerbi.list_reports(self.workspace_id),
            powerbi.list_datasets(self.workspace_id),
            artifacts.list_artifacts(self.ctx.db, self.ctx.organization.id),
        )
        self.ledger = {row.key: row for row in rows if row.kind is KIND}
        self.reports = {report.name: report for report in reports}
        self.datasets = {}
        for dataset in datasets:
            self.datasets.setdefault(dataset.name, set()).add(dataset.id)


async def open_shelf(ctx: StepContext) -> Shelf:
    """The tenant's reports workspace, looked at; SetupError when there is none yet."""
    workspace = await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")
    shelf = Shelf(ctx, str(workspace.vendor_id))
    await shelf.look()
    return shelf


async def ensure(ctx: StepContext, templates: Iterable[TemplateReport]) -> StepResult:
    """Every .pbix among the templates is in the workspace, but for those that failed: their reports try again, and tell why."""
    shelf = await open_shelf(ctx)
    gate = asyncio.Semaphore(ctx.settings.import_concurrency)

    async def is_imported(template: TemplateReport) -> bool:
        async with gate:
            try:
                await ensure_imported_report(shelf, template)
            except (VendorError, OwnershipConflict):
                return False
        return True

    files = [template for template in templates if template.strategy is ReportStrategy.IMPORT]
    there = await together(*(is_imported(template) for template in files))
    return StepResult(facts={"imported": sum(there), "files": len(files)})


async def ensure_imported_report(shelf: Shelf, template: TemplateReport) -> tuple[Artifact, Report]:
    """The ledger row and the report of one .pbix, bound to whatever its file brought or it has been bound to since."""
    made: list[Report] = []

    async def find(row: Artifact | None) -> Found | None:
        report = shelf.reports.get(template.title)
        if report is None and row is not None:
            report = await _resume(shelf, row, template)
        if report is None:
            return None
        made.append(report)
        return Found(report.id, ours=None)

    async def create(row: Artifact) -> Found:
        made.append(await _import(shelf, row, template))
        return Found(made[-1].id, ours=None)

    thing, rows = f"a report “{template.title}”", shelf.ledger
    artifact = await ensure_artifact(shelf.ctx, KIND, template.key, thing=thing, find=find, create=create, rows=rows)
    return artifact, made[-1]


async def remove_imported_datasets(shelf: Shelf, template: TemplateReport, *, keep: str) -> None:
    """A .pbix brings a dataset of its own, of its own name; once the report is bound to the tenant's, `keep`, it is an orphan.

    Also clears one that a crash between rebind and removal left. No other dataset is touched, whatever the report was bound to.
    """
    left = shelf.datasets.get(template.title, set()) | shelf.brought.get(template.title, set())
    for dataset_id in sorted(left - {keep}):
        await shelf.ctx.vendors.powerbi.delete_dataset(shelf.workspace_id, dataset_id)


async def _import(shelf: Shelf, row: Artifact, template: TemplateReport) -> Report:
    ctx = shelf.ctx

    async def remember(import_id: str) -> None:
        await artifacts.note(ctx.db, row.id, import_id=import_id)

    done = await ctx.vendors.powerbi.import_pbix(
        shelf.workspace_id, template.title, Path(str(template.pbix_path)),
        deadline=ctx.settings.operation_deadline, on_import=remember,
    )  # fmt: skip
    _note_datasets(shelf, done, template)
    for report in done.reports:
        if report.name == template.title:
            return report
    raise VendorRejected(
        "Power BI", "import report", f"the import of “{template.title}” brought no report of that name"
    )


async def _resume(shelf: Shelf, row: Artifact, template: TemplateReport) -> Report | None:
    """The report that imports begun by an earlier attempt bring, also one whose answer was lost; None when they bring none."""
    powerbi, deadline = shelf.ctx.vendors.powerbi, shelf.ctx.settings.operation_deadline
    begun = {
        one.id
        for one in await powerbi.list_imports(shelf.workspace_id)
        if one.name == template.title and one.state == "Publishing"
    }
    if row.details.get("import_id"):
        begun.add(str(row.details["import_id"]))
    for import_id in sorted(begun):
        with suppress(VendorRejected):  # it came to nothing
            done = await powerbi.wait_for_import(shelf.workspace_id, import_id, deadline=deadline)
            _note_datasets(shelf, done, template)
    await shelf.look()  # an import may go on naming a report that has been deleted since
    return shelf.reports.get(template.title)


def _note_datasets(shelf: Shelf, done: ImportResult, template: TemplateReport) -> None:
    brought = [dataset.id for dataset in done.datasets] + [
        report.dataset_id for report in done.reports if report.dataset_id
    ]
    shelf.brought.setdefault(template.title, set()).update(brought)
