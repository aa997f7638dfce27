"""The tenant's reports: each template cloned, imported or defined in the reports workspace, bound to the tenant's dataset, and
mapped.

Reports are deployed side by side; one that fails fails alone. Whether all of them are there is `deployed_reports`; what is
imported ahead is `report_imports`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass

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
from tenant_provisioning.steps.report_imports import (
    KIND,
    Shelf,
    ensure_imported_report,
    open_shelf,
    remove_imported_datasets,
)
from tenant_provisioning.store import artifacts, progress
from tenant_provisioning.store.reports import save_deployed_report
from tenant_provisioning.vendors.powerbi_records import Report

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
    """One deployment of many reports: the workspace's shelf, and how many may go at once."""

    def __init__(self, shelf: Shelf, dataset_id: str) -> None:
        self.ctx, self.shelf, self.workspace_id, self.dataset_id = shelf.ctx, shelf, shelf.workspace_id, dataset_id
        settings = self.ctx.settings
        self.gates = {
            ReportStrategy.CLONE: asyncio.Semaphore(settings.clone_concurrency),
            ReportStrategy.IMPORT: asyncio.Semaphore(settings.import_concurrency),
            ReportStrategy.DEFINITION: asyncio.Semaphore(settings.clone_concurrency),
        }

    @classmethod
    async def open(cls, ctx: StepContext) -> "_Desk":
        shelf = await open_shelf(ctx)
        dataset = await require_artifact(ctx, ArtifactKind.DATASET, step="powerbi_dataset")
        return cls(shelf, str(dataset.vendor_id))

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
                await self.shelf.look()  # the answer was lost, perhaps not the effect
        raise AssertionError("unreachable")

    async def _ensure_once(self, template: TemplateReport) -> Report:
        if template.strategy is ReportStrategy.IMPORT:
            artifact, report = await ensure_imported_report(self.shelf, template)
        else:
            artifact, report = await self._ensure_made(template)
        if report.dataset_id != self.dataset_id:
            await self.ctx.vendors.powerbi.rebind_report(self.workspace_id, report.id, self.dataset_id)
        if template.strategy is ReportStrategy.IMPORT:
            await remove_imported_datasets(self.shelf, template, keep=self.dataset_id)
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

    async def _ensure_made(self, template: TemplateReport) -> tuple[Artifact, Report]:
        """The report, cloned or made from its definition: either way bound when it comes into being."""
        made: list[Report] = []

        async def find(row: Artifact | None) -> Found | None:
            report = self.shelf.reports.get(template.title)
            if report is None and row is not None and row.details.get("operation_id"):
                report = await self._resume_definition(row, template)
            if report is None:
                return None
            made.append(report)
            return Found(report.id, ours=None)

        async def create(row: Artifact) -> Found:
            clones = template.strategy is ReportStrategy.CLONE
            made.append(await (self._clone(template) if clones else self._define(row, template)))
            return Found(made[-1].id, ours=None)

        thing, rows = f"a report “{template.title}”", self.shelf.ledger
        artifact = await ensure_artifact(self.ctx, KIND, template.key, thing=thing, find=find, create=create, rows=rows)
        return artifact, made[-1]

    async def _clone(self, template: TemplateReport) -> Report:
        return await self.ctx.vendors.powerbi.clone_report(
            str(self.ctx.settings.template_workspace_id),
            str(template.source_report_id),
            name=template.title,
            target_group_id=self.workspace_id,
            target_dataset_id=self.dataset_id,
        )

    async def _define(self, row: Artifact, template: TemplateReport) -> Report:
        """The report made from the template's definition, which brings no dataset."""
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
        await self.shelf.look()
        return self.shelf.reports.get(template.title)


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The report is gone; quiet when it or its workspace already was."""
    workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
    if workspace is not None and workspace.vendor_id and artifact.vendor_id:
        await ctx.vendors.powerbi.delete_report(workspace.vendor_id, artifact.vendor_id)
