"""GoDaddy: the key, the account's right to use the API, and the domain."""

from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.errors import VendorError, VendorRejected
from tenant_provisioning.vendors.godaddy import VENDOR

PROBE = "doctor-looks-for-no-such-name"


async def domain(visit: Visit) -> str:
    """Whether the platform's domain is the account's; what its nameservers are is left to the DNS checks."""
    name = visit.settings.platform_domain
    try:
        found = await visit.vendors.godaddy.get_domain(name)
    except VendorRejected as refusal:
        if refusal.status != 404:
            raise
        raise Ailment(
            f"the account behind GODADDY_API_KEY has no domain {name}",
            "Set PLATFORM_DOMAIN to a domain of that account, or GODADDY_API_KEY to the account that owns it.",
        ) from None
    visit.learnt["nameservers"] = tuple(server.lower() for server in found.nameservers)
    if found.status != "ACTIVE":
        raise Ailment(f"{name} is {found.status}", "Renew or unlock it at GoDaddy: its records may not be served.")
    return f"{name} is active"


async def records(visit: Visit) -> str:
    """Whether records can be read, which needs the same right as writing them."""
    await visit.vendors.godaddy.find_record(visit.settings.platform_domain, "CNAME", PROBE)
    return "the account may use the DNS API"


def _mend(error: VendorError) -> str:
    if error.status == 403:
        return (
            "GoDaddy opens its DNS API to accounts with enough domains or a Discount Domain Club membership: "
            "get one for the account behind GODADDY_API_KEY, or set the key of an account that has it."
        )
    return (
        "Set GODADDY_API_KEY and GODADDY_API_SECRET to a production key: developer.godaddy.com/keys "
        "(a key for OTE, the test environment, is refused here)."
    )


CHECKS = (
    Check("godaddy.domain", VENDOR, "read the domain PLATFORM_DOMAIN", domain, mend=_mend),
    Check("godaddy.records", VENDOR, "look up a record of the domain", records, ("godaddy.domain",), _mend),
)
