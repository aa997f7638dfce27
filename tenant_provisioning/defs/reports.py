"""Every template report of the catalog as an asset of its own, deployed side by side in one op, and their roll-up."""

import time

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam, Result, dataset_shell, powerbi_workspace
from tenant_provisioning.defs.execution import claimed_context, metadata, perform, retry_or_failure
from tenant_provisioning.defs.partitions import tenant
from tenant_provisioning.model.catalog import CATEGORIES, Catalog, TemplateReport
from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.model.plan import REPORT_PREFIX
from tenant_provisioning.steps import deployed_reports as deployed_reports_step
from tenant_provisioning.steps import report_imports as report_imports_step
from tenant_provisioning.steps.reports import ReportOutcome, ensure_reports


def report_key(template: TemplateReport) -> dg.AssetKey:
    """The asset of one template report."""
    return dg.AssetKey([REPORT_PREFIX.rstrip("/"), template.key])


def report_group(template: TemplateReport) -> str:
    """Reports that need the same providers share a group, so that 400 of them stay readable in the lineage view."""
    needed = [template.needs[category].lower() for category in CATEGORIES if category in template.needs]
    return "_".join(["reports", *(needed or ["for_everyone"])])


def build_reports(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """The imports that are begun ahead, the multi-asset of all template reports, and `deployed_reports` that rolls them up."""
    by_key = {report_key(template): template for template in catalog.reports}

    @dg.asset(partitions_def=tenant, group_name="reports", kinds={"powerbi"}, deps=[powerbi_workspace])
    async def report_imports(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
        """The .pbix files among the customer's reports, in the workspace while data store and dataset come into being."""
        return await perform(
            context, platform, "report_imports",
            lambda ctx: report_imports_step.ensure(ctx, platform.reports_for(ctx.organization)),
        )  # fmt: skip

    @dg.multi_asset(
        name="reports", can_subset=True, partitions_def=tenant,
        specs=[
            dg.AssetSpec(
                key, description=template.title, partitions_def=tenant, group_name=report_group(template),
                deps=[dataset_shell, report_imports],
                skippable=True, kinds={"powerbi"}, code_version=template.content_hash[:16],
                metadata={"strategy": template.strategy.value, "needs": ", ".join(template.needs.values()) or "nothing"},
            )
            for key, template in by_key.items()
        ],
    )  # fmt: skip
    # Dagster knows the annotation of a generator, but not of an async one
    async def reports(context: dg.AssetExecutionContext, platform: PlatformParam):  # type: ignore[no-untyped-def]
        """The selected template reports in the tenant's workspace, each bound to the tenant's dataset."""
        selected = [by_key[key] for key in by_key if key in context.selected_asset_keys]
        began, outcomes = time.monotonic(), list[ReportOutcome]()
        try:
            async with claimed_context(context, platform) as ctx:
                wanted = {template.key for template in platform.reports_for(ctx.organization)}
                passed_over = sum(template.key not in wanted for template in selected)
                if passed_over:
                    context.log.info(
                        f"{passed_over} selected reports do not match this customer's providers and are passed over"
                    )
                async for outcome in ensure_reports(ctx, [template for template in selected if template.key in wanted]):
                    outcomes.append(outcome)
                    if outcome.result is not None:
                        told = metadata(outcome.result, time.monotonic() - began)
                        yield dg.MaterializeResult(asset_key=report_key(outcome.template), metadata=told)
        except ProvisioningError as error:
            raise retry_or_failure(context, platform, error) from error
        _raise_if_any_failed(outcomes)

    @dg.asset(partitions_def=tenant, group_name="reports", kinds={"powerbi"}, deps=[*by_key])
    async def deployed_reports(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
        """The roll-up: every template that matches the customer is deployed and mapped."""
        return await perform(
            context, platform, "deployed_reports",
            lambda ctx: deployed_reports_step.ensure(ctx, platform.reports_for(ctx.organization)),
        )  # fmt: skip

    return [report_imports, reports, deployed_reports]


def _raise_if_any_failed(outcomes: list[ReportOutcome]) -> None:
    failed = sorted(
        (outcome for outcome in outcomes if outcome.error is not None), key=lambda outcome: outcome.template.title
    )
    if failed:
        raise dg.Failure(
            description=f"{len(failed)} of {len(outcomes)} reports could not be deployed: "
            + "; ".join(f"“{outcome.template.title}”: {outcome.error}" for outcome in failed),
            metadata={outcome.template.key: str(outcome.error) for outcome in failed},
            allow_retries=False,
        )
