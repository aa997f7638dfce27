"""The databases of one logical server, and the long-running operations on them.

A create, update or delete is answered at once and done later; until then the database takes no other operation. Talking
SQL to a database is the folder `tds`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tenant_provisioning.simulator.azure_sql.errors import (
    conflicting_operation,
    database_not_found,
    operation_not_found,
    refusal,
)
from tenant_provisioning.simulator.azure_sql.records import USUAL_COLLATION, Database, Operation, Sku, pooled, sku_of
from tenant_provisioning.simulator.fabric import template
from tenant_provisioning.simulator.fabric.records import Store, TableData

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

SUBSCRIPTION_ID = "88888888-8888-4888-8888-888888888888"
RESOURCE_GROUP = "training-platform"
SERVER = "training-platform-sql"
SERVER_HOST = f"{SERVER}.database.windows.net"
LOCATION = "westeurope"
TEMPLATE_DATABASE = "template"
POOL = "tenants"
RESERVED = frozenset({"master", "model", "tempdb", "msdb"})
NAME = re.compile(r"[^<>*%&:\\/?]{0,127}[^<>*%&:\\/?. ]")
SERVER_ID = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.Sql/servers/{SERVER}"
DATABASE_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Sql/servers/([^/]+)/databases/([^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Wish:
    """What a PUT asks for; None means: not said."""

    location: str | None = None
    create_mode: str = "Default"
    source_id: str | None = None
    sku: Sku | None = None
    pool_id: str | None = None
    tags: Mapping[str, str] | None = None
    collation: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class AzureSqlState:
    """The server's databases by name, without regard to case."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._databases = world.table("azure_sql.databases", Database)
        self._operations = world.table("azure_sql.operations", Operation)
        self._going_on = {op.database.lower(): op.id for op in self._operations.values()}

    def seed(self) -> None:
        """The server with its system database and the template."""
        now = self._world.now()
        system = Database(
            "master", self._world.new_id(), LOCATION, Sku("System0", "System", "System", 0), now, system=True
        )
        model = Database(
            TEMPLATE_DATABASE,
            self._world.new_id(),
            LOCATION,
            sku_of("S0"),
            now,
            users=("template_reader", "template_loader"),
            tables=template.tables(),
            schemas={"staging": "template_loader"},
        )
        for database in (system, model):
            self._keep(database)

    def snapshot(self) -> dict[str, Any]:
        """Every database a customer made or copied, and what goes on."""
        return {
            "databases": [
                {
                    "name": database.name,
                    "server": SERVER_HOST,
                    "status": database.status,
                    "tags": dict(database.tags),
                    "users": list(database.users),
                    "tables": {name: len(table.rows) for name, table in database.tables.items()},
                }
                for database in self.list_databases()
                if not database.system
            ]
        }

    def list_databases(self) -> list[Database]:
        """All databases, the system one included."""
        found = (self.find_database(name) for name in self._databases.ids())
        return [database for database in found if database is not None]

    def find_database(self, name: str) -> Database | None:
        """The database as it is now, or None."""
        self._going(name)
        return self._databases.get(name.lower())

    def get_database(self, name: str) -> Database:
        """The database; 404 when there is none."""
        found = self.find_database(name)
        if found is None:
            raise database_not_found(SERVER, RESOURCE_GROUP, name)
        return found

    def fill(
        self, name: str, tables: Mapping[str, TableData], users: tuple[str, ...], schemas: Mapping[str, str]
    ) -> None:
        """The database with this content, as somebody's SQL left it."""
        self._keep(replace(self.get_database(name), tables=tables, users=users, schemas=schemas))

    def store_at(self, server: str, database: str) -> Store | None:
        """The database that answers SQL at this address, as a reader of data stores sees it; None where none does."""
        found = self.find_database(database) if server.casefold() == SERVER_HOST else None
        if found is None or found.status != "Online" or found.system:
            return None
        at = found.created_at
        return Store(found.id, "", "AzureSql", server, at, at, written=found.tables, visible=found.tables)

    def put_database(self, name: str, wish: Wish) -> tuple[Database, Operation | None]:
        """The database as it is, and the operation that makes or changes it; None when it already is as wished."""
        if name.lower() in RESERVED:
            raise refusal(
                400, "CannotUseReservedDatabaseName", f"Cannot use reserved database name '{name}' in this operation."
            )
        if not NAME.fullmatch(name):
            raise refusal(
                400,
                "UnsupportedServiceName",
                f"'{name}' is an invalid name because it contains unsupported characters.",
            )
        if self._going(name):
            raise conflicting_operation(SERVER, name)
        known = self._databases.get(name.lower())
        return self._create(name, wish) if known is None else self._update(known, wish)

    def delete_database(self, name: str) -> Operation | None:
        """The operation that drops the database; None when there is none to drop."""
        if name.lower() in RESERVED:
            raise refusal(
                400, "CannotUseReservedDatabaseName", f"Cannot use reserved database name '{name}' in this operation."
            )
        going_on = self._going(name)
        if going_on is not None and going_on.kind != "delete":
            raise conflicting_operation(SERVER, name)
        known = self._databases.get(name.lower())
        if going_on is not None or known is None:
            return going_on
        return self._begin("delete", known, None)

    def patch_database(self, name: str, wish: Wish) -> tuple[Database, Operation | None]:
        """As `put_database`, for a database that is there; 404 when it is not."""
        self.get_database(name)
        return self.put_database(name, wish)

    def get_operation(self, operation_id: str) -> Operation:
        """The operation; 404 when there is none."""
        operation = self._operations.get(operation_id)
        if operation is None:
            raise operation_not_found(operation_id)
        self._going(operation.database)
        return operation

    def is_done(self, operation: Operation) -> bool:
        """True when the operation has ended, well or not."""
        return operation.done_at <= self._world.now()

    def _create(self, name: str, wish: Wish) -> tuple[Database, Operation]:
        if _plain(wish.location) != LOCATION:
            raise refusal(400, "InvalidLocation", f"The database must be in its server's location '{LOCATION}'.")
        source = self._source(wish)
        sku = self._sku(wish) or (source.sku if source else sku_of("GP_Gen5_2"))
        database = Database(
            name=name,
            id=self._world.new_id(),
            location=LOCATION,
            sku=sku,
            created_at=self._world.now(),
            status="Copying" if source else "Creating",
            tags=dict(wish.tags or {}),
            pool_id=wish.pool_id,
            collation=source.collation if source else wish.collation or USUAL_COLLATION,
            settings=wish.settings,
            users=source.users if source else (),
            tables=source.tables if source else {},
            schemas=source.schemas if source else {},
        )
        return self._keep(database), self._begin("create", database, replace(database, status="Online"))

    def _update(self, known: Database, wish: Wish) -> tuple[Database, Operation | None]:
        if _plain(wish.location) not in {None, known.location}:
            message = f"The resource '{known.name}' already exists in location '{known.location}'."
            raise refusal(409, "InvalidResourceLocation", message)
        wished = replace(
            known,
            sku=self._sku(wish) or known.sku,
            pool_id=wish.pool_id or known.pool_id,
            tags=known.tags if wish.tags is None else dict(wish.tags),
            settings={**known.settings, **wish.settings},
        )
        if wished == known:
            return known, None
        return known, self._begin("update", known, wished)

    def _sku(self, wish: Wish) -> Sku | None:
        if wish.pool_id is None:
            return wish.sku
        if wish.pool_id.lower() != f"{SERVER_ID}/elasticPools/{POOL}".lower():
            raise refusal(400, "TargetElasticPoolDoesNotExist", "The elastic pool does not exist on the server.")
        if wish.sku is not None:
            message = "Elastic pool and sku can be specified together only if sku is specified as 'ElasticPool'."
            raise refusal(400, "ElasticPoolSkuCombinationInvalid", message)
        return pooled("Standard")

    def _source(self, wish: Wish) -> Database | None:
        if wish.create_mode == "Default":
            return None
        if wish.create_mode != "Copy":
            raise refusal(
                400, "InvalidDatabaseCreateMode", f"The simulator does not know create mode '{wish.create_mode}'."
            )
        if not wish.source_id:
            raise refusal(400, "MissingSourceDatabaseId", "Missing source database identifier.")
        parts = DATABASE_ID.fullmatch(wish.source_id)
        if parts is None:
            raise refusal(400, "InvalidSourceDatabaseId", "Invalid source database identifier.")
        if parts[3].lower() != SERVER:
            raise refusal(
                400, "SourceServerNotFound", "The source database's server does not map to an existing server."
            )
        source = self.find_database(parts[4])
        if source is None or source.status != "Online":
            raise refusal(400, "SourceDatabaseNotFound", f"The source database '{parts[4]}' does not exist.")
        return source

    def _begin(
        self, kind: Literal["create", "update", "delete"], database: Database, after: Database | None
    ) -> Operation:
        copying = kind == "create" and database.status == "Copying"
        now, lasts = self._world.now(), self._world.latency.lasts(f"azure_sql.{'copy' if copying else kind}")
        fault = self._world.faults.claim("operation_failed", "azure_sql", f"{kind}_database", database.name)
        failure = None
        if fault is not None:
            plan = fault.plan
            failure = plan.code or "InternalServerError", plan.message or "An unexpected error occurred."
        operation = Operation(self._world.new_id(), kind, database.name, now, now + lasts, after, failure)
        self._going_on[database.name.lower()] = operation.id
        return self._operations.put(operation.id, operation)

    def _going(self, name: str) -> Operation | None:
        """What still goes on with that database; work that is done takes effect here."""
        operation_id = self._going_on.get(name.lower())
        operation = self._operations.get(operation_id) if operation_id else None
        if operation is None or not self.is_done(operation):
            return operation
        del self._going_on[name.lower()]
        if operation.failure is None and operation.after is not None:
            self._keep(operation.after)
        elif operation.kind == ("delete" if operation.failure is None else "create"):
            self._databases.delete(name.lower())
        return None

    def _keep(self, database: Database) -> Database:
        return self._databases.put(database.name.lower(), database)


def _check_not_reserved(name: str) -> None:
    if name.lower() in RESERVED:
        message = f"Cannot use reserved database name '{name}' in this operation."
        raise refusal(400, "CannotUseReservedDatabaseName", message)


def _plain(location: str | None) -> str | None:
    """A location as ARM compares it: "West Europe" is "westeurope"."""
    return None if location is None else location.replace(" ", "").lower()
