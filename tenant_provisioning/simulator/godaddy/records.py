"""What a zone is made of: records, in sets of one type and name, and why a change of them may be refused."""

from dataclasses import dataclass, replace
from typing import Any, Literal

RecordType = Literal["A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record; type and name are the set's."""

    id: str
    data: str
    ttl: int = 3600
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    service: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one type and name; DNS says `before` until `published_at`."""

    domain: str
    type: str
    name: str
    records: tuple[Record, ...]
    before: tuple[Record, ...] = ()
    published_at: float = 0.0


class ZoneIsChanging(Exception):
    """An earlier change of the zone still propagates."""


class NoSuchDomain(Exception):
    """The domain is not in the account."""


class CannotStandTogether(Exception):
    """A CNAME beside other records of its name, a second CNAME, or the same record twice."""


def as_json(kept: RecordSet, record: Record) -> dict[str, Any]:
    """The record as version 1 shows it."""
    shown: dict[str, Any] = {"data": record.data, "name": kept.name, "ttl": record.ttl, "type": kept.type}
    extras = ("priority", "port", "weight", "service", "protocol")
    return shown | {name: value for name in extras if (value := getattr(record, name)) is not None}


def same(one: Record, other: Record) -> bool:
    """Whether two records say the same, whatever their ids and time to live."""
    return replace(one, id="", ttl=0) == replace(other, id="", ttl=0)
