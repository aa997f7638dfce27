"""GoDaddy's DNS records (API v1), one type and name at a time.

There is no method here for a whole zone or a whole type, and there must not be one: GoDaddy replaces all of it, the
customer's mail and website included. Whether a record resolves is `dns`'s business.
"""

import re
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._http import VendorClient, VendorHttp
from tenant_provisioning.vendors.admission import Admission

VENDOR = "GoDaddy"
TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "SRV", "TXT"})
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*")
DOMAIN = re.compile(rf"{LABEL}(\.{LABEL})+")
NO_ACCESS = (
    "this account may not use the DNS API for {domain}: GoDaddy opens it only to accounts with enough domains or a "
    "Discount Domain Club membership, and only for their own domains. Check the account behind GODADDY_API_KEY"
)


@dataclass(frozen=True)
class Record:
    """One DNS record; `name` is relative to the domain, `ttl` in seconds (GoDaddy takes no less than 600)."""

    type: str
    name: str
    data: str
    ttl: int = 600


@dataclass(frozen=True)
class Domain:
    """A registered domain of the account, with GoDaddy's word for its state: ACTIVE, CANCELLED and many more."""

    name: str
    status: str
    nameservers: tuple[str, ...]


class GoDaddy(VendorClient):
    """The records of one GoDaddy account; open it and close it within one event loop.

    GoDaddy answers 409 for some seconds while it carries out a change to the zone, and 429 beyond 60 requests a minute.
    Both are waited for, within the bounds of VendorHttp, and then end as VendorUnavailable.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        admission: Admission | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = VendorHttp(
            VENDOR,
            base_url,
            headers={"Authorization": f"sso-key {key}:{secret}"},
            verify=verify,
            timeout=timeout,
            attempts=attempts,
            transient=_zone_is_changing,
            admission=admission,
            bucket=_bucket,
            transport=transport,
        )
        super().__init__(http)

    async def get_domain(self, domain: str) -> Domain:
        """The domain; VendorRejected where it is not the account's or the account may not use the API."""
        response = await self._call("get domain", "GET", domain, _domain_path(domain), ok=(200, 203))
        return self._http.read("get domain", response, _domain)

    async def find_record(self, domain: str, type_: str, name: str) -> Record | None:
        """The record of this type and name, or None (GoDaddy answers an empty list, not 404).

        VendorRejected where there are several: this client writes one, and putting it would remove the others.
        """
        response = await self._call("find DNS record", "GET", domain, _record_path(domain, type_, name))
        found = self._http.read("find DNS record", response, _records)
        if len(found) > 1:
            raise VendorRejected(VENDOR, "find DNS record", f"{domain} has {len(found)} {type_} records named {name}")
        return found[0] if found else None

    async def put_record(self, domain: str, record: Record) -> None:
        """The domain has exactly this record of this type and name; every other type and name is left alone.

        Raises ValueError for a name that is empty, the domain itself, or no plain host name.
        """
        body = [{"data": record.data, "ttl": record.ttl}]
        await self._call("put DNS record", "PUT", domain, _record_path(domain, record.type, record.name), json=body)

    async def delete_record(self, domain: str, type_: str, name: str) -> None:
        """There is no record of this type and name, whether or not there was one."""
        path = _record_path(domain, type_, name)
        try:
            await self._call("delete DNS record", "DELETE", domain, path)
        except VendorRejected as error:
            if error.status != 404:
                raise

    async def _call(self, operation: str, method: str, domain: str, path: str, **request: Any) -> httpx.Response:
        try:
            return await self._http.call(operation, method, path, **request)
        except VendorRejected as error:
            if error.status != 403:
                raise
            told = f"{NO_ACCESS.format(domain=domain)}. It said: {error.message}"
            raise VendorRejected(
                VENDOR, operation, told, status=error.status, code=error.code, request_id=error.request_id
            ) from error


def _bucket(_method: str, _path: str) -> str:
    """One for all: "per credential" by its reference pages, "per endpoint" by other copies of them."""
    return "godaddy"


def _zone_is_changing(status: int, _code: str | None) -> bool:
    return status == 409


def _domain_path(domain: str) -> str:
    if not DOMAIN.fullmatch(domain):
        raise ValueError(f"not a domain name: {domain!r}")
    return f"/v1/domains/{domain}"


def _record_path(domain: str, type_: str, name: str) -> str:
    """The path of exactly one type and name; an empty part or a dot segment would widen it to a type or the zone."""
    if type_ not in TYPES:
        raise ValueError(f"not a record type: {type_!r}")
    if not NAME.fullmatch(name):
        raise ValueError(f"not the name of one record: {name!r}")
    return f"{_domain_path(domain)}/records/{type_}/{name}"


def _domain(body: Any) -> Domain:
    return Domain(body["domain"], body["status"], tuple(body.get("nameServers") or ()))


def _records(body: Any) -> list[Record]:
    if not isinstance(body, list):
        raise TypeError("only a list, be it empty, says which records there are")
    return [Record(row["type"], row["name"], row["data"], int(row.get("ttl") or 0)) for row in body]
