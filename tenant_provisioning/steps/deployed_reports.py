"""The roll-up of all reports: every template that matches the customer has its row. Deploying them is `reports`."""

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import require_artifact
from tenant_provisioning.store import reports


async def ensure(ctx: StepContext, templates: tuple[TemplateReport, ...]) -> StepResult:
    """Every matching template is mapped to a deployed report; an error that names those which are not."""
    missing = await _missing(ctx, templates)
    if missing:
        raise ProvisioningError(
            f"{len(missing)} of {len(templates)} reports are not deployed yet: {', '.join(missing)}"
        )
    return StepResult(facts={"deployed": len(templates), "matching": len(templates)})


async def verify(ctx: StepContext, templates: tuple[TemplateReport, ...]) -> list[Verdict]:
    """Whether all matching reports exist in Power BI, and each is bound to the tenant's dataset and no other."""
    workspace = await require_artifact(ctx, ArtifactKind.POWERBI_WORKSPACE, step="powerbi_workspace")
    dataset = await require_artifact(ctx, ArtifactKind.DATASET, step="powerbi_dataset")
    mapped = {row.template_key: row for row in await reports.list_deployed_reports(ctx.db, ctx.organization.id)}
    there = {report.id: report for report in await ctx.vendors.powerbi.list_reports(str(workspace.vendor_id))}
    present = [key.key for key in templates if key.key in mapped and mapped[key.key].powerbi_report_id in there]
    astray = sorted(report.name for report in there.values() if report.dataset_id != dataset.vendor_id)
    total = len(templates)
    return [
        judged(
            "all_reports_are_deployed",
            expected=f"{total} of {total}",
            found=f"{len(present)} of {total}",
            reason=f"Missing in Power BI: {', '.join(t.title for t in templates if t.key not in present)}. "
            "Run these reports again.",
        ),
        judged(
            "reports_are_bound_to_own_dataset",
            expected="every report on this tenant's dataset",
            found="every report on this tenant's dataset" if not astray else f"bound elsewhere: {', '.join(astray)}",
            reason="These reports would show other data than this tenant's. Do not go live: run them again.",
        ),
    ]


async def _missing(ctx: StepContext, templates: tuple[TemplateReport, ...]) -> list[str]:
    mapped = {row.template_key for row in await reports.list_deployed_reports(ctx.db, ctx.organization.id)}
    return [template.title for template in templates if template.key not in mapped]
