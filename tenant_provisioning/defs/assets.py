"""What a tenant gets, in order. Each asset calls its step's `ensure`; the reports, one asset each, are in `reports`."""

import dagster as dg

from tenant_provisioning.defs.execution import perform
from tenant_provisioning.defs.partitions import tenant
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.plan import GO_LIVE, STEPS
from tenant_provisioning.steps import (
    dns_record as dns_record_step,
)
from tenant_provisioning.steps import (
    fabric_data_store as fabric_data_store_step,
)
from tenant_provisioning.steps import (
    fabric_workspace as fabric_workspace_step,
)
from tenant_provisioning.steps import (
    hosting_domain as hosting_domain_step,
)
from tenant_provisioning.steps import (
    live_tenant as live_tenant_step,
)
from tenant_provisioning.steps import (
    module_configuration as module_configuration_step,
)
from tenant_provisioning.steps import (
    organization_record as organization_record_step,
)
from tenant_provisioning.steps import (
    powerbi_dataset as powerbi_dataset_step,
)
from tenant_provisioning.steps import (
    powerbi_workspace as powerbi_workspace_step,
)
from tenant_provisioning.steps import (
    super_users as super_users_step,
)

Result = dg.MaterializeResult[None]
PlatformParam = dg.ResourceParam[Platform]


@dg.asset(partitions_def=tenant, group_name="hosting", kinds={"vercel"})
async def hosting_domain(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The customer's host, attached to the web app's Vercel project."""
    return await perform(context, platform, "hosting_domain", hosting_domain_step.ensure)


@dg.asset(partitions_def=tenant, group_name="hosting", kinds={"godaddy"}, deps=[hosting_domain])
async def dns_record(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The CNAME record of the customer's host at GoDaddy, pointing to the target Vercel named."""
    return await perform(context, platform, "dns_record", dns_record_step.ensure)


@dg.asset(partitions_def=tenant, group_name="data", kinds={"fabric"})
async def fabric_workspace(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The Fabric workspace of the tenant's data, on the platform's capacity, with our mark in its description."""
    return await perform(context, platform, "fabric_workspace", fabric_workspace_step.ensure)


@dg.asset(partitions_def=tenant, group_name="data", kinds={"fabric"}, deps=[fabric_workspace])
async def data_store_shell(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The tenant's own data store, before its tables: all that the dataset has to know."""
    return await perform(context, platform, "data_store_shell", fabric_data_store_step.ensure_shell)


@dg.asset(partitions_def=tenant, group_name="data", kinds={"fabric"}, deps=[data_store_shell])
async def fabric_data_store(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The tenant's own data store with its tables and SQL endpoint; its connection string is stored encrypted."""
    return await perform(context, platform, "fabric_data_store", fabric_data_store_step.ensure)


@dg.asset(partitions_def=tenant, group_name="analytics", kinds={"powerbi"})
async def powerbi_workspace(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The Power BI workspace of dataset and reports."""
    return await perform(context, platform, "powerbi_workspace", powerbi_workspace_step.ensure)


@dg.asset(partitions_def=tenant, group_name="analytics", kinds={"powerbi"}, deps=[powerbi_workspace, data_store_shell])
async def dataset_shell(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The semantic model, rewritten to the tenant's data and bound through its own connection, before its data: all that the
    reports have to know.
    """
    return await perform(context, platform, "dataset_shell", powerbi_dataset_step.ensure_shell)


@dg.asset(partitions_def=tenant, group_name="analytics", kinds={"powerbi"}, deps=[dataset_shell, fabric_data_store])
async def powerbi_dataset(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The semantic model, rewritten to the tenant's data, bound through its own connection and refreshed."""
    return await perform(context, platform, "powerbi_dataset", powerbi_dataset_step.ensure)


@dg.asset(partitions_def=tenant, group_name="application", kinds={"postgres"}, deps=["deployed_reports"])
async def module_configuration(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The platform's modules for this customer, their features linked to the deployed reports."""
    return await perform(context, platform, "module_configuration", module_configuration_step.ensure)


@dg.asset(partitions_def=tenant, group_name="application", kinds={"supabase"})
async def super_users(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The customer's first users in Supabase Auth, their rows, and a queued mail saying that the platform is being prepared."""
    return await perform(context, platform, "super_users", super_users_step.ensure)


@dg.asset(
    partitions_def=tenant,
    group_name="application",
    kinds={"postgres"},
    deps=[dns_record, powerbi_dataset, module_configuration, super_users],
)
async def organization_record(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """Every id on the organization's row; from here a person looks: status `pending_qa`."""
    return await perform(
        context,
        platform,
        "organization_record",
        lambda ctx: organization_record_step.ensure(ctx, platform.reports_for(ctx.organization)),
    )


@dg.asset(
    partitions_def=tenant,
    group_name="application",
    kinds={"postgres", "supabase"},
    # everything that is checked: a blocking check of any of these stops it
    deps=[organization_record, *(step.name for step in STEPS if step.checks and step.name != "organization_record")],
    # after every check of its run, also those that block nothing
    op_tags={"dagster/priority": "-1"},
)
async def live_tenant(context: dg.AssetExecutionContext, platform: PlatformParam) -> Result:
    """The customer is let in: status `active`, and one mail with a single-use link to each super user. Needs an approval."""
    run = context.run
    runs = {run_id for run_id in (run.run_id, run.parent_run_id, run.root_run_id) if run_id}
    return await perform(
        context, platform, GO_LIVE.name, lambda ctx: live_tenant_step.ensure(ctx, runs), audited_as="go_live"
    )


assets = (
    hosting_domain,
    dns_record,
    fabric_workspace,
    data_store_shell,
    fabric_data_store,
    powerbi_workspace,
    dataset_shell,
    powerbi_dataset,
    module_configuration,
    super_users,
    organization_record,
    live_tenant,
)
