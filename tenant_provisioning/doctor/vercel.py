"""Vercel: the token, the team and the project."""

from tenant_provisioning.doctor.findings import Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.errors import VendorError
from tenant_provisioning.vendors.vercel import VENDOR


async def project(visit: Visit) -> str:
    """Whether the token shows us the project."""
    name = await visit.vendors.vercel.get_project(visit.settings.vercel_project)
    return f"the project {name} is there"


async def target(visit: Visit) -> str:
    """Whether Vercel tells where a host's CNAME has to point."""
    host = f"www.{visit.settings.platform_domain}"
    config = await visit.vendors.vercel.get_config(visit.settings.vercel_project, host)
    return f"hosts are to point to {config.cname_target}"


def _mend(error: VendorError) -> str:
    if error.status == 404:
        return "Set VERCEL_PROJECT to the project's name or id, and VERCEL_TEAM_ID where it belongs to a team."
    return (
        "Set VERCEL_TOKEN to a token with access to the project's account or team (vercel.com/account/tokens), "
        "and VERCEL_TEAM_ID to that team, or leave it empty for a personal account."
    )


CHECKS = (
    Check("vercel.project", VENDOR, "read the project VERCEL_PROJECT", project, mend=_mend),
    Check("vercel.target", VENDOR, "ask where hosts have to point", target, ("vercel.project",), _mend),
)
