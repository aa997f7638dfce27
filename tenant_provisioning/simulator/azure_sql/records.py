"""Databases, the operations on them, and the SKUs they may have. What happens to them is in `state`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenant_provisioning.simulator.azure_sql.errors import refusal
from tenant_provisioning.simulator.fabric.records import TableData

VCORE = re.compile(r"(GP|BC|HS)(_S)?_Gen5(?:_(\d+))?")
VCORE_TIERS = {"GP": "GeneralPurpose", "BC": "BusinessCritical", "HS": "Hyperscale"}
USUAL_COLLATION = "SQL_Latin1_General_CP1_CI_AS"
DTU = {
    "Basic": ("Basic", 5),
    "S0": ("Standard", 10),
    "S1": ("Standard", 20),
    "S2": ("Standard", 50),
    "S3": ("Standard", 100),
    "P1": ("Premium", 125),
    "P2": ("Premium", 250),
}


@dataclass(frozen=True, slots=True)
class Sku:
    """What a database runs on; `objective` is the name that the portal and T-SQL use."""

    objective: str
    name: str
    tier: str
    capacity: int
    family: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The SKU as ARM shows it."""
        family = {"family": self.family} if self.family else {}
        return {"name": self.name, "tier": self.tier, **family, "capacity": self.capacity}


@dataclass(frozen=True, slots=True)
class Database:
    """One database. Its `settings` are shown as they were given; its `users` came along with the copy."""

    name: str
    id: str
    location: str
    sku: Sku
    created_at: float
    status: Literal["Online", "Creating", "Copying"] = "Online"
    tags: Mapping[str, str] = field(default_factory=dict)
    pool_id: str | None = None
    collation: str = USUAL_COLLATION
    settings: Mapping[str, Any] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    tables: Mapping[str, TableData] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=dict)  # those that users own, with their owners
    system: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """Work that goes on behind an answer: done, or failed, at `done_at`. `after` is the database as it will be then."""

    id: str
    kind: Literal["create", "update", "delete"]
    database: str
    started_at: float
    done_at: float
    after: Database | None
    failure: tuple[str, str] | None = None


def sku_of(name: str, tier: str | None = None, capacity: int | None = None) -> Sku:
    """The SKU of a request; the vendor's error when there is none like it."""
    if name in DTU:
        found = _dtu(name)
    elif (parts := VCORE.fullmatch(name)) is not None:
        cores = int(parts[3]) if parts[3] else capacity or 2
        plain = f"{parts[1]}{parts[2] or ''}_Gen5"
        found = Sku(f"{plain}_{cores}", plain, VCORE_TIERS[parts[1]], cores, "Gen5")
    elif name in {"Standard", "Premium"}:
        wanted = next((key for key, (of, size) in DTU.items() if of == name and size == (capacity or size)), None)
        if wanted is None:
            raise refusal(400, "MismatchedSkuNameAndCapacity", "Mismatch between SKU name and capacity.")
        found = _dtu(wanted)
    else:
        raise refusal(400, "InvalidSkuName", f"Invalid SKU name '{name}'.")
    if tier is not None and tier != found.tier:
        raise refusal(400, "MismatchedSkuNameAndTier", f"Mismatch between SKU name '{name}' and tier '{tier}'.")
    if capacity is not None and capacity != found.capacity:
        raise refusal(
            400, "MismatchedSkuNameAndCapacity", f"Mismatch between SKU name '{name}' and capacity {capacity}."
        )
    return found


def pooled(tier: str) -> Sku:
    """The SKU of a database in an elastic pool."""
    return Sku("ElasticPool", "ElasticPool", tier, 0)


def _dtu(objective: str) -> Sku:
    tier, capacity = DTU[objective]
    return Sku(objective, tier, tier, capacity)
