"""The bodies that GoDaddy's records calls take, and what is checked of a record beyond its shape."""

import ipaddress
import re
from typing import Any

from pydantic import ConfigDict, RootModel

from tenant_provisioning.simulator.godaddy.errors import invalid_record
from tenant_provisioning.simulator.godaddy.records import Record, RecordType
from tenant_provisioning.simulator.godaddy.state import GoDaddyState
from tenant_provisioning.simulator.http import Body

LEAST_TTL, MOST_TTL = 600, 604_800
NAME = re.compile(
    r"^(@|\*|(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*)$", re.IGNORECASE
)


class RecordOfName(Body):
    """A record in a PUT of one type and name, which are implied; clients send them all the same."""

    data: str
    ttl: int | None = None
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    service: str | None = None
    protocol: str | None = None
    type: RecordType | None = None
    name: str | None = None


class RecordOfType(RecordOfName):
    """A record in a PUT of one type: it has to say its name."""

    name: str


class RecordOfZone(RecordOfType):
    """A record in a PUT or PATCH of a zone: it has to say its type too."""

    type: RecordType


class RecordsOfName(RootModel[list[RecordOfName]]):
    """The body of PUT /v1/domains/{domain}/records/{type}/{name}."""

    model_config = ConfigDict(strict=True)


class RecordsOfType(RootModel[list[RecordOfType]]):
    """The body of PUT /v1/domains/{domain}/records/{type}."""

    model_config = ConfigDict(strict=True)


class RecordsOfZone(RootModel[list[RecordOfZone]]):
    """The body of PUT and PATCH /v1/domains/{domain}/records."""

    model_config = ConfigDict(strict=True)


class RecordV3(Body):
    """The body of POST /v3/domains/zones/{zone}/dns-records."""

    name: str
    type: RecordType
    data: str
    ttl: int
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    service: str | None = None
    protocol: str | None = None


def made(state: GoDaddyState, given: RecordOfName, kind: str, name: str, path: str) -> Record:
    """The record that was asked for; raises GoDaddy's refusal where a field is not acceptable."""
    ttl = 3600 if given.ttl is None else given.ttl
    if not LEAST_TTL <= ttl <= MOST_TTL:
        raise invalid_record(f"{path}.ttl", "INVALID_VALUE", f"must be between {LEAST_TTL} and {MOST_TTL}")
    if not NAME.match(name):
        raise invalid_record(f"{path}.name", "INVALID_VALUE", "is not a valid record name")
    if given.type not in (None, kind):
        raise invalid_record(f"{path}.type", "INVALID_VALUE", f"must be {kind}")
    if not data_fits(kind, given.data):
        raise invalid_record(f"{path}.data", "INVALID_VALUE", f"is not valid data for type {kind}")
    if kind in {"MX", "SRV"} and given.priority is None:
        raise invalid_record(f"{path}.priority", "UNDEFINED_VALUE", "is not defined")
    return state.new_record(given.data, ttl, **extras(given))


def extras(given: RecordOfName | RecordV3) -> dict[str, Any]:
    """What MX and SRV records have beside data and time to live."""
    names = ("priority", "port", "weight", "service", "protocol")
    return {name: getattr(given, name) for name in names}


def data_fits(kind: str, data: str) -> bool:
    """Whether the data is of the record type's kind: an address, a host name, or any text."""
    if kind in {"A", "AAAA"}:
        try:
            return ipaddress.ip_address(data).version == (4 if kind == "A" else 6)
        except ValueError:
            return False
    return bool(data) if kind == "TXT" else bool(NAME.match(data.removesuffix(".")))
