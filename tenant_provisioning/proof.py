"""What the simulated vendors hold of one tenant, from the simulator's own snapshot and not from our rows: the proof at the end of a
demo that everything is there, or that nothing is left."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.naming import host_name, owner_mark
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import artifacts
from tenant_provisioning.store.database import Database
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.dns import Resolver


@dataclass(frozen=True)
class Holding:
    """One kind of thing that a vendor can hold of a tenant, and which there are."""

    vendor: str
    kind: str
    things: tuple[str, ...]


async def prove(db: Database, settings: Settings, simulator_url: str, organization: Organization) -> list[Holding]:
    """What there is of the organization, kind by kind, those included of which there is nothing."""
    known = {row.vendor_id or "" for row in await artifacts.list_artifacts(db, organization.id, include_removed=True)}
    async with httpx.AsyncClient(verify=trust(settings.tls_ca_file), trust_env=False, timeout=30) as client:
        answer = await client.get(f"{simulator_url}/_control/snapshot")
    host = host_name(organization.subdomain, organization.domain)
    target = await Resolver(settings.nameservers).find_cname(host)
    return [
        *_holdings(answer.raise_for_status().json(), organization, known - {""}),
        Holding("DNS", f"answer for {host}", (target,) if target else ()),
    ]


def _holdings(snapshot: Mapping[str, Any], organization: Organization, known: Collection[str]) -> Iterator[Holding]:
    host = host_name(organization.subdomain, organization.domain)
    hosts = [name for names in snapshot["vercel"]["projects"].values() for name in names]
    yield Holding("Vercel", "host", tuple(name for name in hosts if name == host))
    records = snapshot["godaddy"]["domains"].get(organization.domain, [])
    yield Holding(
        "GoDaddy", "record", tuple(f"{r['type']} {r['name']}" for r in records if r["name"] == organization.subdomain)
    )
    mark = owner_mark(organization.id)
    workspaces = [
        each for each in snapshot["fabric"]["workspaces"] if each["description"] == mark or each["id"] in known
    ]
    yield Holding("Fabric", "workspace", tuple(each["displayName"] for each in workspaces))
    items = Counter(item["type"] for each in workspaces for item in each["items"])
    yield Holding("Fabric", "item", tuple(f"{count} {kind}" for kind, count in sorted(items.items())))
    connections = snapshot["fabric"]["connections"]
    yield Holding("Fabric", "connection", tuple(each["displayName"] for each in connections if each["id"] in known))
    if organization.data_store is DataStoreKind.AZURE_SQL_DATABASE:
        databases = snapshot["azure_sql"]["databases"]
        yield Holding(
            "Azure SQL", "database", tuple(each["name"] for each in databases if mark in each["tags"].values())
        )
    people = [
        user
        for user in snapshot["supabase"]["users"]
        if user["app_metadata"].get("organization_id") == str(organization.id) and not user["deleted"]
    ]
    told = tuple("banned" if user["banned"] else "can sign in" for user in people)
    yield Holding("Supabase", "user", told)


def proof_board(holdings: Collection[Holding]) -> RenderableType:
    """The proof as a table."""
    table = Table(
        title="What the vendors hold of it", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for column in ("Vendor", "Kind", "", "Which"):
        table.add_column(column, header_style="dim")
    for holding in holdings:
        count = len(holding.things)
        which = ", ".join(holding.things) or "nothing"
        table.add_row(holding.vendor, holding.kind, str(count), Text(which, "" if count else "dim"))
    return table


def as_object(holdings: Collection[Holding]) -> dict[str, list[str]]:
    """The proof as a part of the JSON object that the demo prints."""
    return {f"{holding.vendor}: {holding.kind}": list(holding.things) for holding in holdings}
