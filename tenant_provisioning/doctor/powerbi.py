"""Power BI: its API, the template reports, the workspace budget, and the switches that only it needs."""

from tenant_provisioning.doctor.fabric import ENABLE, PORTAL, TITLES, switch
from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.budget import WORKSPACES_PER_TENANT, WorkspaceBudget
from tenant_provisioning.model.catalog import Catalog, ReportStrategy
from tenant_provisioning.model.errors import VendorError

VENDOR = "Power BI"
PROFILES, QUERIES = "AllowServicePrincipalsCreateAndUseProfiles", "DatasetExecuteQueries"
FEW = 5  # names that are told one by one


async def apis(visit: Visit) -> str:
    """Whether Power BI answers the service principal; counts its workspaces for the budget."""
    visit.learnt["workspaces"] = await visit.vendors.powerbi.count_groups()
    return "Power BI answers"


async def budget(visit: Visit) -> str:
    """Whether there is room for more tenants under the limit of workspaces for one service principal."""
    now = WorkspaceBudget(visit.learnt["workspaces"], visit.settings.workspace_budget)
    mend = (
        "Roll back tenants that are not needed, or onboard the next ones with another service principal: "
        "Microsoft allows each 1,000 workspaces (WORKSPACE_BUDGET)."
    )
    if now.left < WORKSPACES_PER_TENANT:
        raise Ailment(f"{now}: no room for another tenant", mend)
    if now.is_nearly_spent:
        raise Ailment(f"{now}: room for {now.tenants_left} more tenants", mend, mild=True)
    return f"{now}: room for {now.tenants_left} more tenants"


async def template_reports(visit: Visit) -> str:
    """Whether every report that the catalog clones is in the template workspace, and every .pbix on the disk."""
    catalog: Catalog = visit.learnt["catalog"]
    there = {
        report.id.lower()
        for report in await visit.vendors.powerbi.list_reports(str(visit.settings.template_workspace_id))
    }
    clones = [each for each in catalog.reports if each.strategy is ReportStrategy.CLONE]
    absent = [each.key for each in clones if str(each.source_report_id).lower() not in there]
    if absent:
        more = f" and {len(absent) - FEW} more" if len(absent) > FEW else ""
        raise Ailment(
            f"{len(absent)} of {len(clones)} template reports are not in the template workspace: "
            f"{', '.join(absent[:FEW])}{more}",
            "Publish them there, or correct their ids in the catalog (CATALOG_PATH); `tenant-provisioning catalog check` "
            "looks at the files.",
        )
    return f"all {len(clones)} reports that are cloned are there, {len(catalog.reports) - len(clones)} come from files"


async def queries(visit: Visit) -> str:
    """Whether a dataset may be queried, with which the checks prove that it holds the tenant's data."""
    return switch(visit, QUERIES) or (
        f"cannot be known before the first dataset: “{TITLES[QUERIES]}” must be enabled (Admin portal → Integration settings)"
    )


async def profiles(visit: Visit) -> str:
    """Whether profiles may be used, where they are wanted."""
    if not visit.settings.powerbi_profiles:
        return "profiles are not wanted (POWERBI_PROFILES)"
    switch(visit, PROFILES)
    return f"profiles may be used; there are {await visit.vendors.powerbi.count_profiles()}"


def _mend(error: VendorError) -> str:
    return ENABLE if error.status in {401, 403} else f"{ENABLE} And check the app's roles."


def _mend_profiles(_: VendorError) -> str:
    return f"Enable “{TITLES[PROFILES]}” for the app ({PORTAL}), or set POWERBI_PROFILES=false."


CHECKS = (
    Check("powerbi.apis", VENDOR, "list workspaces", apis, ("entra.powerbi_token",), _mend),
    Check("powerbi.budget", VENDOR, "count the service principal's workspaces", budget, ("powerbi.apis",), _mend),
    Check(
        "powerbi.template_reports",
        VENDOR,
        "find every template report of the catalog",
        template_reports,
        ("powerbi.apis", "fabric.template_workspace", "platform.catalog_files"),
        _mend,
    ),
    Check("powerbi.queries", VENDOR, "find out whether datasets may be queried", queries, ("fabric.tenant_settings",)),
    Check(
        "powerbi.profiles",
        VENDOR,
        "list service principal profiles, where they are wanted",
        profiles,
        ("powerbi.apis", "fabric.tenant_settings"),
        _mend_profiles,
    ),
)
