"""Supabase Auth: its two keys. The database behind it is `platform`'s."""

from tenant_provisioning.doctor.findings import Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.vendors.supabase import VENDOR

WHERE = "(Supabase → Project settings → API keys)"


async def service_role(visit: Visit) -> str:
    """Whether users may be administered."""
    await visit.vendors.supabase.check_service_role()
    return "the service role key may administer users"


async def anon_key(visit: Visit) -> str:
    """Whether links can be followed as a user would."""
    await visit.vendors.supabase.check_anon_key()
    return "the anon key is accepted"


CHECKS = (
    Check(
        "supabase.service_role",
        VENDOR,
        "list one user",
        service_role,
        mend=lambda error: (
            "Set SUPABASE_SERVICE_ROLE_KEY to the service role's key of the project at SUPABASE_URL; "
            f"the anon key is not enough {WHERE}."
            if error.status in {401, 403}
            else "Set SUPABASE_URL to the project's address, https://REF.supabase.co."
        ),
    ),
    Check(
        "supabase.anon_key",
        VENDOR,
        "ask for the server's health",
        anon_key,
        mend=lambda _: f"Set SUPABASE_ANON_KEY to the anon key of the project at SUPABASE_URL {WHERE}.",
    ),
)
