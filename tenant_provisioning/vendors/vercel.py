"""Vercel: the hosts of a project, and where a host's CNAME has to point.

Deployments are not made here, and the DNS record itself is written by `godaddy`.
"""

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._http import VendorClient, VendorHttp
from tenant_provisioning.vendors.admission import Admission

VENDOR = "Vercel"
HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


class DomainTaken(VendorRejected):
    """The host is attached to another project (HTTP 409) or belongs to another team (HTTP 403)."""


@dataclass(frozen=True)
class Challenge:
    """A record that proves to Vercel that the domain is ours; asked for where another account knows the domain."""

    type: str
    domain: str
    value: str


@dataclass(frozen=True)
class ProjectDomain:
    """A host attached to a project. Until `verified` Vercel does not serve it; `challenges` say what it waits for."""

    name: str
    verified: bool
    challenges: tuple[Challenge, ...] = ()


@dataclass(frozen=True)
class DomainConfig:
    """What a host's DNS should say, `cname_target` without a final dot, and whether it does not say so yet."""

    cname_target: str
    misconfigured: bool


class Vercel(VendorClient):
    """The hosts of one Vercel account or team; open it and close it within one event loop."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        team_id: str = "",
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        admission: Admission | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._team = {"teamId": team_id} if team_id else {}
        http = VendorHttp(
            VENDOR,
            base_url,
            headers={"Authorization": f"Bearer {token}"},
            verify=verify,
            timeout=timeout,
            attempts=attempts,
            admission=admission,
            bucket=_bucket,
            transport=transport,
        )
        super().__init__(http)

    async def get_project(self, project: str) -> str:
        """The project's name; VendorRejected with status 404 where there is none, 403 for the token or the team."""
        path = f"/v9/projects/{quote(project, safe='')}"
        response = await self._http.call("get project", "GET", path, params=self._team)
        return self._http.read("get project", response, lambda body: str(body["name"]))

    async def find_domain(self, project: str, host: str) -> ProjectDomain | None:
        """The host as this project has it, or None."""
        try:
            response = await self._http.call("find domain", "GET", _path(project, host), params=self._team)
        except VendorRejected as error:
            if error.status == 404:
                return None
            raise
        return self._http.read("find domain", response, _domain)

    async def add_domain(self, project: str, host: str) -> ProjectDomain:
        """The host attached to the project, by this call or before it. Raises DomainTaken where it is elsewhere.

        Vercel answers 400 for a host that is on the project already, so a repetition after a lost answer is harmless.
        """
        path, body = f"/v10/projects/{quote(project, safe='')}/domains", {"name": _host(host)}
        try:
            response = await self._http.call("add domain", "POST", path, json=body, params=self._team, idempotent=True)
        except VendorRejected as error:
            if error.status not in {400, 403, 409}:
                raise
            # asking also tells a refused host from a refused token: the token's refusal comes up again here
            ours = await self.find_domain(project, host)
            if ours is not None:
                return ours
            if error.status == 400:
                raise
            told = f"{host} is not free: {error.message}"
            raise DomainTaken(
                VENDOR, "add domain", told, status=error.status, code=error.code, request_id=error.request_id
            ) from error
        return self._http.read("add domain", response, _domain)

    async def get_config(self, project: str, host: str) -> DomainConfig:
        """What the DNS of a host of this project should say; newer projects have a CNAME target of their own."""
        params = {"projectIdOrName": project, **self._team}
        response = await self._http.call("get domain config", "GET", f"/v6/domains/{_host(host)}/config", params=params)
        targets, misconfigured = self._http.read("get domain config", response, _recommended)
        if not targets:
            raise VendorRejected(VENDOR, "get domain config", f"recommends no CNAME target for {host}")
        return DomainConfig(targets[0], misconfigured)

    async def verify_domain(self, project: str, host: str) -> ProjectDomain:
        """The host after Vercel has looked for its challenges; VendorRejected (400) says which is missing."""
        path = f"{_path(project, host)}/verify"
        response = await self._http.call("verify domain", "POST", path, params=self._team, idempotent=True)
        return self._http.read("verify domain", response, _domain)

    async def delete_domain(self, project: str, host: str) -> None:
        """The host is not attached to the project, whether or not it was."""
        await self._http.delete("delete domain", _path(project, host), params=self._team)


def _bucket(method: str, path: str) -> str | None:
    """A team may add so many domains an hour, and take away as many; https://vercel.com/docs/multi-tenant/limits."""
    if method == "POST" and path.endswith("/domains"):
        return "vercel_domains:added"
    if method == "DELETE":
        return "vercel_domains:removed"
    return None


def _host(host: str) -> str:
    if not HOST.fullmatch(host):
        raise ValueError(f"not a host name: {host!r}")
    return host


def _path(project: str, host: str) -> str:
    return f"/v9/projects/{quote(project, safe='')}/domains/{_host(host)}"


def _domain(body: Any) -> ProjectDomain:
    asked = tuple(Challenge(row["type"], row["domain"], row["value"]) for row in body.get("verification") or ())
    return ProjectDomain(body["name"], bool(body["verified"]), asked)


def _recommended(body: Any) -> tuple[list[str], bool]:
    """CNAME targets, best first (rank 1 is the best), and whether the DNS is not right yet."""
    ranked = sorted(body["recommendedCNAME"], key=lambda row: int(row["rank"]))
    return [row["value"].rstrip(".").lower() for row in ranked], bool(body["misconfigured"])
