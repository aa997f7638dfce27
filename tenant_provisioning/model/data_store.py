"""Where a tenant's data lives: the kinds that can be chosen, and what a customer tells who brings a data store of its own.

A connection string is a secret: no error text repeats any of it, and it is not part of what prints.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

LONGEST_URL, LONGEST_CONNECTION_STRING = 500, 2000
KIND_WORD = re.compile(r"[a-z_]{1,40}")
WORKSPACE_PATH = re.compile(r"/groups/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/.*)?", re.IGNORECASE)
WORKSPACE_HOSTS = (".fabric.microsoft.com", ".powerbi.com")
# our token goes where a connection string leads: to Fabric and to nobody else
DATA_HOSTS = (".datawarehouse.fabric.microsoft.com", ".database.fabric.microsoft.com")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
SERVER_WORDS = frozenset({"server", "data source", "datasource", "address", "addr", "network address"})
DATABASE_WORDS = frozenset({"database", "initial catalog"})


class DataStoreKind(StrEnum):
    """Where a tenant's data lives."""

    LAKEHOUSE = "lakehouse"
    WAREHOUSE = "warehouse"
    FABRIC_SQL_DATABASE = "fabric_sql_database"
    AZURE_SQL_DATABASE = "azure_sql_database"
    BRING_YOUR_OWN = "bring_your_own"


TITLES = {
    DataStoreKind.LAKEHOUSE: "Fabric lakehouse",
    DataStoreKind.WAREHOUSE: "Fabric warehouse",
    DataStoreKind.FABRIC_SQL_DATABASE: "Fabric SQL database",
    DataStoreKind.AZURE_SQL_DATABASE: "Azure SQL database",
    DataStoreKind.BRING_YOUR_OWN: "The customer's own Fabric workspace",
}


@dataclass(frozen=True)
class OwnDataStore:
    """What a customer brings. `connection_string` is there while the form arrives and empty ever after: the vault has it."""

    workspace_url: str
    connection_string: str = field(default="", repr=False)

    @property
    def workspace_id(self) -> str:
        """The workspace's id, as its address names it."""
        found = WORKSPACE_PATH.fullmatch(urlsplit(self.workspace_url).path)
        return found[1].lower() if found else ""


def read_data_store(
    raw: Any, offered: Collection[DataStoreKind], errors: dict[str, list[str]]
) -> tuple[DataStoreKind, OwnDataStore | None]:
    """The kind that the form chooses, and what it tells of the customer's own; mistakes are added by field."""
    first = next(iter(offered))
    told: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {"kind": first if raw is None or raw == "" else raw}
    kind = _kind(told.get("kind"), offered, errors)
    fields = {"kind", "workspace_url", "connection_string"} if kind is DataStoreKind.BRING_YOUR_OWN else {"kind"}
    for unknown in set(told) - fields:
        shown = unknown if isinstance(unknown, str) and KIND_WORD.fullmatch(unknown) else "?"
        errors[f"data_store.{shown}"].append(
            f"There is no field of this name here. Known are: {', '.join(sorted(fields))}."
        )
    if kind is not DataStoreKind.BRING_YOUR_OWN:
        return kind or first, None
    own = OwnDataStore(
        _text(told.get("workspace_url"), "data_store.workspace_url", LONGEST_URL, errors),
        _text(told.get("connection_string"), "data_store.connection_string", LONGEST_CONNECTION_STRING, errors),
    )
    if own.workspace_url and not _is_workspace(own):
        errors["data_store.workspace_url"].append(
            "This is not the address of a Fabric workspace: open the workspace in the browser and copy its address, "
            "such as https://app.fabric.microsoft.com/groups/3f2504e0-4f89-41d3-9a0c-0305e82c3301."
        )
    if own.connection_string:
        _check_connection_string(own.connection_string, errors)
    return kind, own


def address_in(connection_string: str) -> tuple[str, str]:
    """Server and database that the connection string names, empty where it names none. The port is left out."""
    server = database = ""
    for pair in re.findall(r"""(?:"[^"]*"|'[^']*'|\{[^}]*\}|[^;])+""", connection_string):
        word, _, value = pair.partition("=")
        value = value.strip().strip("\"'")
        if word.strip().casefold() in SERVER_WORDS:
            server = re.sub(r",\s*1433$", "", value.removeprefix("tcp:").strip()).casefold()
        elif word.strip().casefold() in DATABASE_WORDS:
            database = value
    return server, database


def _check_connection_string(text: str, errors: dict[str, list[str]]) -> None:
    path = "data_store.connection_string"
    server, database = address_in(text)
    if not server or not database:
        errors[path].append("This names no server or no database: it must hold Server=…;Database=….")
    elif not HOST.fullmatch(server) or not server.endswith(DATA_HOSTS):
        errors[path].append(f"The server must be one of Fabric's, whose name ends in {' or '.join(DATA_HOSTS)}.")
    elif not database.isprintable() or len(database) > 200 or ";" in database:
        errors[path].append("The name of the database has characters that no database's name has.")


def _is_workspace(own: OwnDataStore) -> bool:
    try:
        parts = urlsplit(own.workspace_url)
        host = (parts.hostname or "").casefold()
    except ValueError:
        return False
    return parts.scheme == "https" and f".{host}".endswith(WORKSPACE_HOSTS) and bool(own.workspace_id)


def _kind(value: Any, offered: Collection[DataStoreKind], errors: dict[str, list[str]]) -> DataStoreKind | None:
    if isinstance(value, str) and value in set(offered):
        return DataStoreKind(value)
    # only a word is repeated: somebody may have put a connection string here
    shown = f"“{value}”" if isinstance(value, str) and KIND_WORD.fullmatch(value) else "This"
    errors["data_store"].append(f"{shown} is not offered. Choose one of: {', '.join(offered)}.")
    return None


def _text(value: Any, path: str, limit: int, errors: dict[str, list[str]]) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        errors[path].append("This field is required.")
    elif not isinstance(value, str):
        errors[path].append("This must be text.")
    elif len(value) > limit:
        errors[path].append(f"This is too long: at most {limit} characters.")
    elif not value.strip().isprintable():
        errors[path].append("This must not hold line breaks or control characters.")
    else:
        return value.strip()
    return ""
