"""The projects of one account, the domains attached to them, and whether DNS points at them. No HTTP here.

DNS is GoDaddy's to answer: a domain is configured when the zone says so, not when somebody claims it.
"""

import hashlib
import string
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tenant_provisioning.simulator.world import VERCEL_PROJECT

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

OTHER_PROJECT = "marketing-site"
FALLBACK_TARGET = "cname.vercel-dns.com"
ADDRESSES = ("76.76.21.21",)


class VercelKnobs(BaseModel):
    """What a test may change about Vercel. Both name apex domains."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forbidden: tuple[str, ...] = ()  # belong to another team: 403
    unverified: tuple[str, ...] = ()  # in use at another account: attached, but a TXT record has to prove them


@dataclass(frozen=True, slots=True)
class Project:
    """A project and the DNS target that is its own."""

    id: str
    name: str
    target: str
    created_at: float


@dataclass(frozen=True, slots=True)
class ProjectDomain:
    """A host name attached to a project."""

    name: str
    project_id: str
    verified: bool
    proof: str  # what the TXT record has to say
    created_at: float
    updated_at: float
    git_branch: str | None = None
    custom_environment_id: str | None = None
    redirect: str | None = None
    redirect_status_code: int | None = None


class VercelState:
    """One personal account: it has no team."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = VercelKnobs()
        self._projects = world.table("vercel.projects", Project)
        self._domains = world.table("vercel.domains", ProjectDomain)

    def seed(self) -> None:
        """The platform's project, and another one of the same account."""
        for name in (VERCEL_PROJECT, OTHER_PROJECT):
            letters = string.ascii_letters + string.digits
            identifier = "prj_" + "".join(self._world.random.choices(letters, k=28))
            target = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.vercel-dns-017.com"
            self._projects.put(identifier, Project(identifier, name, target, self._world.now()))

    def snapshot(self) -> dict[str, Any]:
        """Every project with the hosts attached to it."""
        hosts: dict[str, list[str]] = {project.id: [] for project in self._projects.values()}
        for domain in self._domains.values():
            hosts[domain.project_id].append(domain.name)
        return {"projects": {project.name: hosts[project.id] for project in self._projects.values()}}

    def project(self, id_or_name: str) -> Project | None:
        """The project with that id or name, or None."""
        by_id = self._projects.get(id_or_name)
        return by_id or next((known for known in self._projects.values() if known.name == id_or_name), None)

    def projects(self) -> list[Project]:
        """All projects of the account; there are few."""
        return self._projects.values()

    def domain(self, name: str) -> ProjectDomain | None:
        """The host name as it is attached to one of the projects, or None."""
        return self._domains.get(name.lower())

    def domains_of(self, project: Project) -> list[ProjectDomain]:
        """Every host attached to the project, the newest first."""
        return [domain for domain in reversed(self._domains.values()) if domain.project_id == project.id]

    def attach(self, project: Project, name: str, **more: Any) -> ProjectDomain:
        """Attach the host to the project; it is verified at once unless another account uses its apex domain."""
        now, name = self._world.now(), name.lower()
        proof = f"vc-domain-verify={name},{hashlib.sha256(self._world.new_id().encode()).hexdigest()[:20]}"
        verified = apex_of(name) not in self.knobs.unverified
        return self._domains.put(name, ProjectDomain(name, project.id, verified, proof, now, now, **more))

    def detach(self, domain: ProjectDomain) -> None:
        """The host is attached to no project any more."""
        self._domains.delete(domain.name)

    def verify(self, domain: ProjectDomain) -> ProjectDomain:
        """The domain as it is after looking for its TXT record, verified if the zone holds it."""
        said = self._dns("TXT", f"_vercel.{apex_of(domain.name)}")
        if domain.verified or domain.proof not in said:
            return domain
        return self._domains.put(domain.name, replace(domain, verified=True, updated_at=self._world.now()))

    def configured_by(self, host: str, target: str) -> str | None:
        """How DNS makes the host reach Vercel: CNAME, A, or None when it does not."""
        aliases = [alias.rstrip(".").lower() for alias in self._dns("CNAME", host)]
        if any(alias in (target, FALLBACK_TARGET) for alias in aliases):
            return "CNAME"
        return "A" if set(self._dns("A", host)) & set(ADDRESSES) else None

    def _dns(self, kind: str, host: str) -> list[str]:
        found = self._world.godaddy.zone_of(host)
        return [record.data for record in self._world.godaddy.published(found[0], kind, found[1])] if found else []


def apex_of(host: str) -> str:
    """The registrable domain; the simulated world has no public suffix of more than one label."""
    return ".".join(host.lower().rstrip(".").split(".")[-2:])
