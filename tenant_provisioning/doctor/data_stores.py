"""What the kinds of data store that are offered need beyond a workspace: their templates, and Azure SQL's server."""

from pathlib import Path

from tenant_provisioning.credentials import entra_tokens
from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import VendorError
from tenant_provisioning.vendors.azure_sql import VENDOR as AZURE_SQL
from tenant_provisioning.vendors.microsoft import ARM_SCOPE

VENDOR = "data stores"
NOT_OFFERED = "Azure SQL databases are not offered (DATA_STORE_KINDS)"


async def templates(visit: Visit) -> str:
    """Whether the files that the settings name as templates are there."""
    settings = visit.settings
    named: dict[str, Path | None] = {
        "DATA_STORE_SCHEMA_PATH": settings.data_store_schema_path,
        "DATA_STORE_DACPAC_PATH": settings.data_store_dacpac_path,
        "DATASET_TEMPLATE_PATH": settings.dataset_template_path,
    }
    absent = [f"{name}: there is no {path}" for name, path in named.items() if path is not None and not path.exists()]
    if absent:
        raise Ailment(
            "; ".join(absent),
            f"Set {', '.join(told.partition(':')[0] for told in absent)} to what is there on this machine.",
        )
    return f"offered: {', '.join(settings.offered_data_stores)}; every template file that is named is there"


async def arm_token(visit: Visit) -> str:
    """A token for Azure Resource Manager, where Azure SQL is offered."""
    if DataStoreKind.AZURE_SQL_DATABASE not in visit.settings.offered_data_stores:
        return NOT_OFFERED
    await entra_tokens(visit.settings).token(ARM_SCOPE)
    return "a token for Azure Resource Manager is given"


async def template_database(visit: Visit) -> str:
    """Whether the database that tenants' are copied from can be seen and is online. Whether copying is allowed shows itself
    with the first copy: Azure tells a role's permissions to its administrators only.
    """
    settings = visit.settings
    if DataStoreKind.AZURE_SQL_DATABASE not in settings.offered_data_stores:
        return NOT_OFFERED
    name = settings.azure_sql_template_database
    found = await visit.vendors.azure_sql.find_database(settings.azure_sql_server_id, name)
    if found is None:
        raise Ailment(
            f"there is no database “{name}” on the server AZURE_SQL_SERVER_ID",
            "Set AZURE_SQL_TEMPLATE_DATABASE and AZURE_SQL_SERVER_ID to a database and its server that are there.",
        )
    if found.status != "Online":
        raise Ailment(f"the template database “{name}” is {found.status}", "Resume it in the Azure portal.")
    return f"the template database “{name}” is online"


def _mend(_: VendorError) -> str:
    return "Give the service principal the role “SQL DB Contributor” on the server AZURE_SQL_SERVER_ID (Azure portal → IAM)."


CHECKS = (
    Check("stores.templates", VENDOR, "look for the template files of the settings", templates),
    Check("stores.arm_token", AZURE_SQL, "get a token for Azure", arm_token, ("entra.fabric_token",), _mend),
    Check(
        "stores.template_database",
        AZURE_SQL,
        "read the template database, where Azure SQL is offered",
        template_database,
        ("stores.arm_token",),
        _mend,
    ),
)
