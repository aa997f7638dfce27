"""Microsoft Fabric: the tenant's switches for service principals, the capacity, and the templates. Nothing is created.

Whether workspaces may be created can be known without creating one only from the tenant's settings, which a tenant
shows to service principals that may read the admin APIs; elsewhere what was created before is the best that there is.
"""

from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.artifact import WORKSPACE_KINDS
from tenant_provisioning.model.errors import VendorError, VendorRejected
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.fabric_records import TenantSetting

VENDOR = "Microsoft Fabric"
PORTAL = "Fabric → Settings → Admin portal → Tenant settings → Developer settings"
CALL = "ServicePrincipalAccessPermissionAPIs"
CREATE = "ServicePrincipalAccessGlobalAPIs"
TITLES = {
    CALL: "Service principals can call Fabric public APIs",
    CREATE: "Service principals can create workspaces, connections, and deployment pipelines",
    "AllowServicePrincipalsUseReadAdminAPIs": "Service principals can access read-only admin APIs",
    "AllowServicePrincipalsCreateAndUseProfiles": "Allow service principals to create and use profiles",
    "DatasetExecuteQueries": "Dataset Execute Queries REST API",
}
ENABLE = f"Enable “{TITLES[CALL]}” for the app or a security group it is in: {PORTAL}."
WRITERS = ("Admin", "Member", "Contributor")


async def apis(visit: Visit) -> str:
    """Whether Fabric answers the service principal at all."""
    seen = await visit.vendors.fabric.list_workspaces()
    return f"Fabric answers; {len(seen)} workspaces are visible"


async def tenant_settings(visit: Visit) -> str:
    """The switches of the admin portal, where we may read them; the checks behind this one read them from there."""
    try:
        listed = await visit.vendors.fabric.list_tenant_settings()
    except VendorRejected as refusal:
        visit.learnt["tenant_settings"] = None
        return (
            "the tenant does not show its settings to this service principal, which is not needed for provisioning: "
            f"doctor sees more with “{TITLES['AllowServicePrincipalsUseReadAdminAPIs']}” (HTTP {refusal.status})"
        )
    visit.learnt["tenant_settings"] = {setting.name: setting for setting in listed}
    return f"{len(listed)} settings can be read"


async def creation(visit: Visit) -> str:
    """Whether workspaces and connections may be created, without creating any."""
    if (told := switch(visit, CREATE)) is not None:
        return told
    before = await visit.ask_database(lambda db: artifacts.count_created(db, *WORKSPACE_KINDS))
    if before:
        return f"the tenant's settings cannot be read, but {before} workspaces were created before: it was allowed then"
    raise Ailment(
        "cannot be known without creating a workspace: the tenant's settings cannot be read and none was created before",
        f"Ask an administrator whether “{TITLES[CREATE]}” is enabled for the app ({PORTAL}), or enable "
        f"“{TITLES['AllowServicePrincipalsUseReadAdminAPIs']}” as well and ask doctor again.",
        mild=True,
    )


def switch(visit: Visit, name: str) -> str | None:
    """What is told of a tenant setting that is on; Ailment when it is off, None when it cannot be known."""
    settings: dict[str, TenantSetting] | None = visit.learnt.get("tenant_settings")
    if settings is None:
        return None
    title = TITLES[name]
    found = settings.get(name) or next((each for each in settings.values() if each.title == title), None)
    if found is None:
        return None
    if not found.enabled:
        raise Ailment(f"the tenant setting “{title}” is off", f"Enable it for the app or a group it is in: {PORTAL}.")
    limit = f", for {found.groups} security groups only: the app must be in one of them" if found.groups else ""
    return f"the tenant setting “{title}” is on{limit}"


async def capacity(visit: Visit) -> str:
    """Whether the capacity is ours to use and running."""
    wanted = str(visit.settings.fabric_capacity_id)
    mine = {found.id.lower(): found for found in await visit.vendors.fabric.list_capacities()}
    found = mine.get(wanted)
    if found is None:
        seen = ", ".join(f"{each.name} ({each.id})" for each in mine.values()) or "none"
        raise Ailment(
            f"no capacity {wanted} that this service principal may use; it may use: {seen}",
            "Set FABRIC_CAPACITY_ID to the capacity's id, and make the app a contributor of that capacity "
            "(Admin portal → Capacity settings → the capacity → Contributor permissions).",
        )
    if found.state != "Active":
        raise Ailment(
            f"the capacity {found.name} ({found.sku}) is {found.state}",
            "Resume it in the Azure portal, or set FABRIC_CAPACITY_ID to one that is running.",
        )
    return f"{found.name} ({found.sku}, {found.region}) is running"


async def template_workspace(visit: Visit) -> str:
    """Whether the template workspace is there and we may clone from it."""
    wanted = str(visit.settings.template_workspace_id)
    workspace = await visit.vendors.fabric.find_workspace(wanted)
    if workspace is None:
        raise Ailment(
            f"there is no workspace {wanted} that this service principal sees",
            "Set TEMPLATE_WORKSPACE_ID to the template workspace's id, and make the app a contributor or member of it.",
        )
    if wanted not in {each.id.lower() for each in await visit.vendors.fabric.list_workspaces(roles=WRITERS)}:
        raise Ailment(
            f"the service principal may only look at “{workspace.name}”: cloning a report needs to write there",
            f"Make the app a contributor or member of “{workspace.name}” (TEMPLATE_WORKSPACE_ID): Manage access.",
        )
    return f"“{workspace.name}” may be written to"


async def template_items(visit: Visit) -> str:
    """Whether the semantic model and the notebook of the settings are in the template workspace."""
    settings = visit.settings
    items = await visit.vendors.fabric.list_items(str(settings.template_workspace_id))
    held = {item.id.lower(): item for item in items}
    wanted = {
        "TEMPLATE_DATASET_ID": (str(settings.template_dataset_id), "SemanticModel"),
        "TEMPLATE_NOTEBOOK_ID": (str(settings.template_notebook_id), "Notebook"),
    }
    missing = [
        f"{name}: no {kind} {wanted_id}"
        for name, (wanted_id, kind) in wanted.items()
        if wanted_id not in held or held[wanted_id].type != kind
    ]
    if missing:
        raise Ailment(
            f"the template workspace lacks what the settings name: {'; '.join(missing)}",
            f"Set {', '.join(told.partition(':')[0] for told in missing)} to the id of an item in the template workspace.",
        )
    return ", ".join(f"{kind} “{held[wanted_id].name}”" for wanted_id, kind in wanted.values())


def _mend(error: VendorError) -> str:
    if error.status == 401 or error.code == "FeatureNotAvailable":
        return ENABLE
    return f"{ENABLE} And check the app's roles."


CHECKS = (
    Check("fabric.apis", VENDOR, "list workspaces", apis, ("entra.fabric_token",), _mend),
    Check(
        "fabric.tenant_settings", VENDOR, "read the tenant's settings", tenant_settings, ("entra.fabric_token",), _mend
    ),
    Check(
        "fabric.creation",
        VENDOR,
        "find out, without creating anything, whether workspaces and connections may be created",
        creation,
        ("fabric.tenant_settings",),
        _mend,
    ),
    Check("fabric.capacity", VENDOR, "read the capacity FABRIC_CAPACITY_ID", capacity, ("fabric.apis",), _mend),
    Check(
        "fabric.template_workspace",
        VENDOR,
        "find the template workspace and our role in it",
        template_workspace,
        ("fabric.apis",),
        _mend,
    ),
    Check(
        "fabric.template_items",
        VENDOR,
        "find the template's semantic model and notebook",
        template_items,
        ("fabric.template_workspace",),
        _mend,
    ),
)
