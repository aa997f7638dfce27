"""DNS lookups: what the world sees of the records that `godaddy` writes.

Nothing here changes a record, and nothing here knows what a record ought to say.
"""

from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.inet
import dns.name
import dns.nameserver
import dns.resolver

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable

VENDOR = "DNS"


class Resolver:
    """Asks the given DNS servers, (IP address, port) each, or the system's where none is given.

    `timeout` is in seconds for one question, all servers together.
    """

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), *, timeout: float = 5) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration:
            raise SetupError("DNS: this machine names no DNS server. Set DNS_NAMESERVERS to address:port.") from None
        for address, _ in nameservers:
            if not dns.inet.is_address(address):
                raise SetupError(f"DNS: “{address}” in DNS_NAMESERVERS is not an IP address.")
        if nameservers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*nameserver) for nameserver in nameservers]
        self._resolver.lifetime = timeout

    async def find_cname(self, host: str) -> str | None:
        """Where the host's CNAME points, in lower case without the final dot, or None where there is no such record.

        Raises VendorUnavailable when no server answers in time: silence and failure never count as an absent record.
        """
        found = await self._resolve(host, "CNAME")
        return found[0] if found else None

    async def find_nameservers(self, domain: str) -> tuple[str, ...]:
        """The servers the domain is delegated to, sorted, in lower case without the final dot; none where it is not.

        Raises VendorUnavailable when no server answers in time.
        """
        return tuple(sorted(await self._resolve(domain, "NS")))

    async def _resolve(self, host: str, kind: str) -> list[str]:
        """The names that the records of this kind hold."""
        operation = f"look up {kind}"
        try:
            name = dns.name.from_text(host)
        except dns.exception.DNSException as mistake:
            raise VendorRejected(VENDOR, operation, f"“{host[:80]}” is not a host name: {mistake}") from None
        try:
            answer = await self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.NoNameservers:
            raise VendorUnavailable(VENDOR, operation, f"every DNS server asked for {host} failed or refused") from None
        except dns.exception.Timeout:
            told = f"no answer for {host} within {self._resolver.lifetime:g} seconds"
            raise VendorUnavailable(VENDOR, operation, told) from None
        except (dns.exception.DNSException, OSError) as failure:
            raise VendorUnavailable(VENDOR, operation, f"asking for {host} failed: {type(failure).__name__}") from None
        return [str(record.target.to_text(omit_final_dot=True)).lower() for record in answer]
