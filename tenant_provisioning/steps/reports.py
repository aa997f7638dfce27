"""The tenant's reports: each template cloned, imported or defined in the reports workspace, bound to the tenant's dataset, and
mapped.

Reports are deployed side by side; one that fails fails alone. Whether all of them are there is `deployed_reports`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import (
    DatabaseUnavailable,
    ProvisioningError,
    StillAtWork,
    VendorRejected,
    VendorUnavailable,
)
from tenant_provisioning.model.plan import report_step
from tenant_provisioning.steps._item import remember_operation
from tenant_provisioning.steps._names import once_free
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.outcome import record_failure
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.steps.report_definition import bound_definition
from tenant_provisioning.store import artifacts, progress
from tenant_provisioning.store.reports import save_deployed_report
from tenant_provisioning.vendors.powerbi_records import ImportResult, Report

KIND = ArtifactKind.REPORT
ATTEMPTS = 3  # of one report, beyond what the client repeats by itself: each looks first at what the last one left


@dataclass(frozen=True)
class ReportOutcome:
    """What became of one template: a result or an error, never both."""

    template: TemplateReport
    result: StepResult | None = None
    error: ProvisioningError | None = None


async def ensure_reports(ctx: StepContext, templates: Iterable[TemplateReport]) -> AsyncIterator[ReportOutcome]:
    """An outcome a template, as each is done."""
    desk = await _Desk.open(ctx)
    tasks = [asyncio.create_task(desk.deploy(template)) for template in templates]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # none outlives the connections it works with


class _Desk:
    """One deployment of many reports: what it looked up once, and how many may go at once."""

    def __init__(self, ctx: StepContext, workspace_id: str, dataset_id: str) -> None:
        self.ctx, self.workspace_id, self.dataset_id = ctx, workspace_id, dataset_id
        self.reports: dict[str, Report] = {}
        self.datasets: dict[str, set[str]] = {}  # there when we looked, by name
        self.brought: dict[str, set[str]] = {}  # by imports since, by title
        self.gates = {
            ReportStrategy.CLONE: asyncio.Semaphore(ctx.settings.clone_concurrency),
            ReportStrategy.IMPORT: asyncio.Semaphore(ctx.settings.import_concurrency),
            ReportStrategy.DEFINITION: asyncio.Semaphore(ctx.settings.clone_concurrency),
        }

    @classmethod
    async def open(cls, ctx: StepContext) -> "_Desk":
        workspace = await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")
        dataset = await require_artifact(ctx, ArtifactKind.DATASET, step="powerbi_dataset")
        desk = cls(ctx, str(workspace.vendor_id), str(dataset.vendor_id))
        await desk.look()
        return desk

    async def look(self) -> None:
        """See what the workspace holds now: two calls for all reports."""
        powerbi = self.ctx.vendors.powerbi
        reports, datasets = await asyncio.gather(
            powerbi.list_reports(self.workspace_id), powerbi.list_datasets(self.workspace_id)
        )
        self.reports = {report.name: report for report in reports}
        self.datasets = {}
        for dataset in datasets:
            self.datasets.setdefault(dataset.name, set()).add(dataset.id)

    async def deploy(self, template: TemplateReport) -> ReportOutcome:
        """The outcome for one template; no error leaves here, so that no report takes another down."""
        step, ctx = report_step(template.key), self.ctx
        async with self.gates[template.strategy]:
            await progress.start_step(ctx.db, ctx.organization.id, step, run_id=ctx.run_id)
            try:
                report = await self._ensure(template)
            except ProvisioningError as error:
                await record_failure(ctx.db, ctx.organization.id, step, error)
                return ReportOutcome(template, error=error)
            links = {"open": f"{ctx.settings.powerbi_app_url}/groups/{self.workspace_id}/reports/{report.id}"}
            await progress.finish_step(ctx.db, ctx.organization.id, step, url=links["open"])
        facts = {
            "report_id": report.id,
            "title": template.title,
            "strategy": template.strategy,
            "content_hash": template.content_hash,
        }
        return ReportOutcome(template, StepResult(facts, links))

    async def _ensure(self, template: TemplateReport) -> Report:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._ensure_once(template)
            except StillAtWork:
                raise  # it has had its time; a later run goes on waiting for it
            except (VendorUnavailable, DatabaseUnavailable):
                if attempt == ATTEMPTS:
                    raise
                await self.look()  # the answer was lost, perhaps not the effect
        raise AssertionError("unreachable")

    async def _ensure_once(self, template: TemplateReport) -> Report:
        powerbi = self.ctx.vendors.powerbi
        made: list[Report] = []

        async def find(row: Artifact | None) -> Found | None:
            report = self.reports.get(template.title)
            if report is None and row is not None and template.strategy is ReportStrategy.IMPORT:
                report = await self._resume_imports(row, template)
            if report is None and row is not None and row.details.get("operation_id"):
                report = await self._resume_definition(row, template)
            if report is None:
                return None
            made.append(report)
            return Found(report.id, ours=None)

        async def create(row: Artifact) -> Found:
            match template.strategy:
                case ReportStrategy.CLONE:
                    report = await self._clone(template)
                case ReportStrategy.IMPORT:
                    report = await self._import(row, template)
                case ReportStrategy.DEFINITION:
                    report = await self._define(row, template)
            made.append(report)
            return Found(report.id, ours=None)

        artifact = await ensure_artifact(
            self.ctx, KIND, template.key, thing=f"a report “{template.title}”", find=find, create=create
        )
        report = made[-1]
        if report.dataset_id != self.dataset_id:
            await powerbi.rebind_report(self.workspace_id, report.id, self.dataset_id)
        await self._remove_imported_dataset(template)
        await save_deployed_report(
            self.ctx.db,
            self.ctx.organization.id,
            template.key,
            powerbi_report_id=str(artifact.vendor_id),
            workspace_id=self.workspace_id,
            dataset_id=self.dataset_id,
            content_hash=template.content_hash,
        )
        return report

    async def _clone(self, template: TemplateReport) -> Report:
        return await self.ctx.vendors.powerbi.clone_report(
            str(self.ctx.settings.template_workspace_id),
            str(template.source_report_id),
            name=template.title,
            target_group_id=self.workspace_id,
            target_dataset_id=self.dataset_id,
        )

    async def _define(self, row: Artifact, template: TemplateReport) -> Report:
        """The report made from the template's definition: bound when it comes into being, and bringing no dataset."""
        ctx, parts = self.ctx, await bound_definition(self.ctx, template, self.dataset_id)

        async def make() -> Report:
            item = await ctx.vendors.fabric.create_report(
                self.workspace_id, template.title, parts, description=ctx.mark,
                deadline=ctx.settings.operation_deadline, on_operation=remember_operation(ctx, row),
            )  # fmt: skip
            return Report(item.id, template.title, self.dataset_id)

        return await once_free(ctx, report_step(template.key), template.title, make)

    async def _resume_definition(self, row: Artifact, template: TemplateReport) -> Report | None:
        """The report that an operation begun by an earlier attempt makes; None when it makes none."""
        with suppress(VendorRejected):  # it failed, or Fabric has forgotten it
            await self.ctx.vendors.fabric.wait_for_operation(
                str(row.details["operation_id"]), deadline=self.ctx.settings.operation_deadline
            )
        await self.look()
        return self.reports.get(template.title)

    async def _import(self, row: Artifact, template: TemplateReport) -> Report:
        async def remember(import_id: str) -> None:
            await artifacts.note(self.ctx.db, row.id, import_id=import_id)

        deadline = self.ctx.settings.operation_deadline
        done = await self.ctx.vendors.powerbi.import_pbix(
            self.workspace_id, template.title, Path(str(template.pbix_path)), deadline=deadline, on_import=remember
        )
        self._note_datasets(done, template)
        return _imported(done, template)

    async def _resume_imports(self, row: Artifact, template: TemplateReport) -> Report | None:
        """The report that imports begun by an earlier attempt bring, also one whose answer was lost; None when they bring none."""
        powerbi, deadline = self.ctx.vendors.powerbi, self.ctx.settings.operation_deadline
        begun = {
            one.id
            for one in await powerbi.list_imports(self.workspace_id)
            if one.name == template.title and one.state == "Publishing"
        }
        if row.details.get("import_id"):
            begun.add(str(row.details["import_id"]))
        for import_id in sorted(begun):
            with suppress(VendorRejected):  # it came to nothing
                done = await powerbi.wait_for_import(self.workspace_id, import_id, deadline=deadline)
                self._note_datasets(done, template)
        await self.look()  # an import may go on naming a report that has been deleted since
        return self.reports.get(template.title)

    def _note_datasets(self, done: ImportResult, template: TemplateReport) -> None:
        brought = [dataset.id for dataset in done.datasets] + [
            report.dataset_id for report in done.reports if report.dataset_id
        ]
        self.brought.setdefault(template.title, set()).update(brought)

    async def _remove_imported_dataset(self, template: TemplateReport) -> None:
        """A .pbix brings a dataset of its own, of its own name; once the report is bound to the tenant's it is an orphan.

        Also clears one that a crash between rebind and removal left. No other dataset is touched, whatever the report was bound to.
        """
        if template.strategy is not ReportStrategy.IMPORT:
            return
        left = self.datasets.get(template.title, set()) | self.brought.get(template.title, set())
        for dataset_id in sorted(left - {self.dataset_id}):
            await self.ctx.vendors.powerbi.delete_dataset(self.workspace_id, dataset_id)


def _imported(done: ImportResult, template: TemplateReport) -> Report:
    for report in done.reports:
        if report.name == template.title:
            return report
    raise VendorRejected(
        "Power BI", "import report", f"the import of “{template.title}” brought no report of that name"
    )


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The report is gone; quiet when it or its workspace already was."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
    if workspace is not None and workspace.vendor_id and artifact.vendor_id:
        await ctx.vendors.powerbi.delete_report(workspace.vendor_id, artifact.vendor_id)
