"""The account's domains and their zones, which the DNS server answers from. No HTTP here.

A set of records is everything of one type and name in a zone: what the API replaces, and what DNS answers with. While a
change propagates the set keeps what DNS said before it, and the zone takes no other change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from tenant_provisioning.simulator.godaddy.limits import RequestWindows
from tenant_provisioning.simulator.godaddy.records import (
    CannotStandTogether,
    NoSuchDomain,
    Record,
    RecordSet,
    RecordType,
    ZoneIsChanging,
    as_json,
    same,
)
from tenant_provisioning.simulator.world import DOMAIN

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

NAME_SERVERS = ("ns01.domaincontrol.com", "ns02.domaincontrol.com")
PARKED = "Parked"


class GoDaddyKnobs(BaseModel):
    """What a test may change about GoDaddy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_may_use_dns_api: bool = Field(default=True, description="false is the account gate: 403 ACCESS_DENIED")
    limit_requests: bool | None = Field(default=None, description="null: everywhere but under instant latency")
    requests_per_minute: int = Field(default=60, ge=1)
    minute: float = Field(default=60, gt=0, description="seconds that a minute of this limit lasts")
    zone_change_seconds: float | None = Field(default=None, ge=0, description="null: what the latency profile says")


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the account."""

    name: str
    number: int
    created_at: float
    busy_until: float = 0.0


class GoDaddyState:
    """One account."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = GoDaddyKnobs()
        self._domains = world.table("godaddy.domains", Domain)
        self._sets = world.table("godaddy.record_sets", RecordSet)
        self.requests = RequestWindows()
        self._zones: dict[str, dict[tuple[str, str], None]] = {name: {} for name in self._domains.ids()}
        self._names: dict[str, dict[str, int]] = {name: {} for name in self._domains.ids()}
        self._fading: dict[str, float] = {}
        for known in self._sets.values():
            self._index(known)
            if not known.records:
                self._fading[_key(known.domain, known.type, known.name)] = known.published_at

    def seed(self) -> None:
        """The platform's domain, parked as GoDaddy leaves a new one."""
        self.add_domain(DOMAIN)

    def snapshot(self) -> dict[str, Any]:
        """Every domain with its records."""
        return {
            "domains": {name: [as_json(kept, record) for kept, record in self.records(name)] for name in self._zones}
        }

    def add_domain(self, name: str) -> None:
        """Register a domain with the records a new one has; nothing when the account holds it already."""
        name = name.lower().rstrip(".")
        if name in self._domains:
            return
        number = 100_000_000 + len(self._domains)
        self._domains.put(name, Domain(name, number, self._world.now()))
        self._zones[name], self._names[name] = {}, {}
        servers = [self.new_record(server) for server in NAME_SERVERS]
        new = {
            ("A", "@"): [self.new_record(PARKED, ttl=600)],
            ("NS", "@"): servers,
            ("CNAME", "www"): [self.new_record("@")],
        }
        for key, records in new.items():
            self._store(name, *key, records)

    def domains(self) -> list[Domain]:
        """Every domain of the account."""
        return self._domains.values()

    def domain(self, name: str) -> Domain:
        """The domain; raises NoSuchDomain."""
        found = self._domains.get(name.lower())
        if found is None:
            raise NoSuchDomain(name)
        return found

    def new_record(self, data: str, ttl: int = 3600, **more: Any) -> Record:
        """A record that is in no zone yet."""
        return Record(self._world.new_id(), data, ttl, **more)

    def records(self, domain: str, kind: str | None = None, name: str | None = None) -> list[tuple[RecordSet, Record]]:
        """The zone's records with the set that each is in, those of one type or name if given; raises NoSuchDomain."""
        known = self.domain(domain).name
        if kind is not None and name is not None:
            found = self._sets.get(_key(known, kind, name.lower()))
            return [(found, record) for record in found.records] if found else []
        sets = [kept for key in self._zones[known] if (kept := self._sets.get(_key(known, *key)))]
        wanted = (kept for kept in sets if kind in (None, kept.type) and name in (None, kept.name))
        return [(kept, record) for kept in wanted for record in kept.records]

    def replace(self, domain: str, kind: str, name: str, records: list[Record]) -> None:
        """Make these all the records of that type and name; an empty list changes nothing, as at GoDaddy."""
        zone = self._changeable(domain)
        if records:
            self._must_stand_together(zone, kind, name.lower(), records)
            self._store_all(zone, {(kind, name.lower()): records})

    def replace_type(self, domain: str, kind: str, by_name: dict[str, list[Record]]) -> None:
        """Make these all the records of that type: every other name loses its records of the type."""
        zone = self._changeable(domain)
        for name, records in by_name.items():
            self._must_stand_together(zone, kind, name, records)
        if by_name:
            gone = [key for key in self._zones[zone] if key[0] == kind and key[1] not in by_name]
            self._store_all(zone, dict.fromkeys(gone, ()) | {(kind, name): kept for name, kept in by_name.items()})

    def replace_zone(self, domain: str, by_key: dict[tuple[str, str], list[Record]]) -> None:
        """Make these all the records of the zone; only its name servers survive without being named (a guess)."""
        zone = self._changeable(domain)
        names = [name for _, name in by_key]
        for (kind, name), records in by_key.items():
            if kind == "CNAME" and (len(records) > 1 or names.count(name) > 1):
                raise CannotStandTogether(f"{kind} {name}")
        if by_key:
            gone = [key for key in self._zones[zone] if key not in by_key and key != ("NS", "@")]
            self._store_all(zone, {**dict.fromkeys(gone, ()), **by_key})

    def add(self, domain: str, additions: list[tuple[str, str, Record]]) -> None:
        """Put the records beside what is there; raises CannotStandTogether and changes nothing if one may not."""
        zone = self._changeable(domain)
        planned: dict[tuple[str, str], list[Record]] = {}
        for kind, name, record in additions:
            there = planned.setdefault((kind, name), [kept for _, kept in self.records(zone, kind, name)])
            if any(same(record, kept) for kept in there):
                raise CannotStandTogether(f"{kind} {name} is there already")
            there.append(record)
        for (kind, name), records in planned.items():
            self._must_stand_together(zone, kind, name, records)
        self._store_all(zone, planned)

    def delete(self, domain: str, kind: str, name: str) -> None:
        """No records of that type and name any more; quiet when there are none."""
        zone = self._changeable(domain)
        if (kind, name.lower()) in self._zones[zone]:
            self._store_all(zone, {(kind, name.lower()): ()})

    def delete_record(self, domain: str, identifier: str) -> bool:
        """Whether the zone held a record with that id; it no longer does."""
        zone = self._changeable(domain)
        found = next((kept for kept, record in self.records(zone) if record.id == identifier), None)
        if found is None:
            return False
        left = [record for record in found.records if record.id != identifier]
        self._store_all(zone, {(found.type, found.name): left})
        return True

    def published(self, domain: str, kind: str, name: str) -> tuple[Record, ...]:
        """What DNS says now about that type and name in the zone."""
        found = self._sets.get(_key(domain, kind, name))
        if found is None:
            return ()
        return found.records if found.published_at <= self._world.now() else found.before

    def zone_of(self, host: str) -> tuple[str, str] | None:
        """The domain that the host name lies in, with the host's name within it (`@` for itself); else None."""
        labels = host.lower().rstrip(".").split(".")
        for cut in range(len(labels)):
            domain = ".".join(labels[cut:])
            if domain in self._zones:
                return domain, ".".join(labels[:cut]) or "@"
        return None

    def name_exists(self, domain: str, name: str) -> bool:
        """Whether the zone holds anything at the name or below it."""
        self._sweep()
        return name == "@" or name in self._names[domain]

    def _changeable(self, domain: str) -> str:
        self._sweep()
        known = self.domain(domain)
        if known.busy_until > self._world.now():
            raise ZoneIsChanging(domain)
        return known.name

    def _store_all(self, zone: str, changes: Mapping[tuple[str, str], Sequence[Record]]) -> None:
        for (kind, name), records in changes.items():
            self._store(zone, kind, name, records)
        if changes:
            self._domains.put(zone, replace(self.domain(zone), busy_until=self._settled_at()))

    def _settled_at(self) -> float:
        seconds = self.knobs.zone_change_seconds
        return self._world.now() + (self._world.latency.lasts("godaddy.zone_change") if seconds is None else seconds)

    def _must_stand_together(self, zone: str, kind: str, name: str, records: list[Record]) -> None:
        others = {
            known
            for known in get_args(RecordType)
            if known != kind and (known, name) in self._zones[zone] and self.records(zone, known, name)
        }
        if (kind == "CNAME" and (others or len(records) > 1)) or "CNAME" in others:
            raise CannotStandTogether(f"{kind} {name}")

    def _store(self, zone: str, kind: str, name: str, records: Sequence[Record]) -> None:
        key = _key(zone, kind, name)
        settled_at = self._settled_at()
        before = self.published(zone, kind, name) if settled_at > self._world.now() else ()
        if not records and not before:
            self._forget(key)
            return
        if key not in self._sets:
            self._index(RecordSet(zone, kind, name, ()))
        self._sets.put(key, RecordSet(zone, kind, name, tuple(records), before, settled_at))
        if not records:
            self._fading[key] = settled_at

    def _forget(self, key: str) -> None:
        known = self._sets.delete(key)
        if known is not None:
            self._unindex(known)

    def _sweep(self) -> None:
        """Forget the deleted sets that DNS no longer answers from."""
        now = self._world.now()
        for key in [key for key, settled_at in self._fading.items() if settled_at <= now]:
            del self._fading[key]
            if (known := self._sets.get(key)) is not None and not known.records:
                self._forget(key)

    def _index(self, kept: RecordSet) -> None:
        self._zones[kept.domain][kept.type, kept.name] = None
        names = self._names[kept.domain]
        for name in _lineage(kept.name):
            names[name] = names.get(name, 0) + 1

    def _unindex(self, kept: RecordSet) -> None:
        del self._zones[kept.domain][kept.type, kept.name]
        names = self._names[kept.domain]
        for name in _lineage(kept.name):
            names[name] -= 1
            if not names[name]:
                del names[name]


def _key(domain: str, kind: str, name: str) -> str:
    return f"{domain}|{kind}|{name}"


def _lineage(name: str) -> list[str]:
    """The name and every name above it within the zone: `a.b` exists when there is anything at `x.a.b`."""
    labels = name.split(".")
    return [".".join(labels[cut:]) for cut in range(len(labels))]
