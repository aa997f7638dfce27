"""The vendors of the simulated world: the one place that names them all."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import Route

from tenant_provisioning.simulator.azure_sql import errors as azure_sql_errors
from tenant_provisioning.simulator.azure_sql import routes as azure_sql_routes
from tenant_provisioning.simulator.azure_sql.state import AzureSqlState
from tenant_provisioning.simulator.entra import errors as entra_errors
from tenant_provisioning.simulator.entra import routes as entra_routes
from tenant_provisioning.simulator.entra.state import EntraState
from tenant_provisioning.simulator.fabric import errors as fabric_errors
from tenant_provisioning.simulator.fabric import routes as fabric_routes
from tenant_provisioning.simulator.fabric.state import FabricState
from tenant_provisioning.simulator.godaddy import errors as godaddy_errors
from tenant_provisioning.simulator.godaddy import routes as godaddy_routes
from tenant_provisioning.simulator.godaddy.state import GoDaddyState
from tenant_provisioning.simulator.http import ErrorForms
from tenant_provisioning.simulator.key_vault import errors as key_vault_errors
from tenant_provisioning.simulator.key_vault import routes as key_vault_routes
from tenant_provisioning.simulator.key_vault.state import KeyVaultState
from tenant_provisioning.simulator.powerbi import errors as powerbi_errors
from tenant_provisioning.simulator.powerbi import routes as powerbi_routes
from tenant_provisioning.simulator.powerbi.state import PowerBIState
from tenant_provisioning.simulator.supabase import errors as supabase_errors
from tenant_provisioning.simulator.supabase import routes as supabase_routes
from tenant_provisioning.simulator.supabase.state import SupabaseState
from tenant_provisioning.simulator.vercel import errors as vercel_errors
from tenant_provisioning.simulator.vercel import routes as vercel_routes
from tenant_provisioning.simulator.vercel.state import VercelState
from tenant_provisioning.simulator.world import VendorState, World


@dataclass(frozen=True)
class Vendor:
    """A vendor's parts, and the prefixes of the paths that it answers for when nobody serves them."""

    name: str
    state: Callable[[World], VendorState]
    routes: Callable[[World], list[Route]]
    errors: ErrorForms
    prefixes: tuple[str, ...]
    any_case: bool = False


# in the order in which their states are made
VENDORS = (
    Vendor("entra", EntraState, entra_routes.routes, entra_errors, ()),  # answers for what is nobody else's
    Vendor("godaddy", GoDaddyState, godaddy_routes.routes, godaddy_errors, ("/v1/domains", "/v2/", "/v3/")),
    Vendor("vercel", VercelState, vercel_routes.routes, vercel_errors, ("/v4/", "/v5/", "/v6/", "/v9/", "/v10/")),
    Vendor("fabric", FabricState, fabric_routes.routes, fabric_errors, ("/v1/",)),
    # an independent Power BI client sends lower case
    Vendor("powerbi", PowerBIState, powerbi_routes.routes, powerbi_errors, ("/v1.0/",), any_case=True),
    Vendor("supabase", SupabaseState, supabase_routes.routes, supabase_errors, ("/auth/", "/rest/")),
    # ARM says that its paths are to be compared without regard to case
    Vendor("azure_sql", AzureSqlState, azure_sql_routes.routes, azure_sql_errors, ("/subscriptions",), any_case=True),
    Vendor("key_vault", KeyVaultState, key_vault_routes.routes, key_vault_errors, ("/secrets", "/deletedsecrets")),
)


def vendor_of(path: str) -> str:
    """The vendor that answers for a path which nobody serves: the one with the longest prefix of it, else Entra."""
    known = [
        (prefix, vendor.name) for vendor in VENDORS for prefix in vendor.prefixes if path.lower().startswith(prefix)
    ]
    return max(known, default=("", "entra"), key=lambda pair: len(pair[0]))[1]
