"""DNS: whether the resolvers answer, and whether the domain is served by GoDaddy, where its records are written."""

from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.vendors.dns import VENDOR

GODADDYS = (".domaincontrol.com", ".secureserver.net")


async def resolvers(visit: Visit) -> str:
    """Whether anybody answers our questions."""
    servers = await visit.vendors.resolver.find_nameservers(visit.settings.platform_domain)
    visit.learnt["delegated_to"] = servers
    asked = visit.settings.dns_nameservers or "the system's resolver"
    return f"{asked} answers"


async def delegation(visit: Visit) -> str:
    """Whether the world asks GoDaddy about the domain."""
    name, servers = visit.settings.platform_domain, visit.learnt["delegated_to"]
    known: tuple[str, ...] = visit.learnt["nameservers"]
    if not servers:
        raise Ailment(
            f"{name} is delegated to no nameserver",
            f"Set the nameservers of {name} to GoDaddy's at its registrar; a new domain takes up to two days.",
        )
    told = ", ".join(servers)
    if not all(server.endswith(GODADDYS) for server in servers):
        raise Ailment(
            f"{name} is served by {told}: records written at GoDaddy are not seen",
            f"Set the nameservers of {name} back to GoDaddy's own (GoDaddy → the domain → Nameservers).",
        )
    if known and set(servers) != set(known):
        raise Ailment(
            f"{name} is served by {told}, and GoDaddy says {', '.join(known)}",
            "A change of nameservers may be under way: ask again later.",
            mild=True,
        )
    return f"{name} is served by {told}"


MEND = (
    "Set DNS_NAMESERVERS to servers that answer this machine about any domain, as address:port, or leave it empty. "
    "Where others are answered, PLATFORM_DOMAIN is wrong or its zone is broken."
)


CHECKS = (
    Check("dns.resolvers", VENDOR, "ask for the domain's nameservers", resolvers, away=MEND),
    Check(
        "dns.delegation",
        VENDOR,
        "compare the domain's nameservers with GoDaddy's",
        delegation,
        ("dns.resolvers", "godaddy.domain"),
    ),
)
