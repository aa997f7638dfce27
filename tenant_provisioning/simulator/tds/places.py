"""Which data store a sign-in means: one of a Fabric workspace, or a database of the Azure SQL server."""

from collections.abc import Callable
from dataclasses import dataclass

from tenant_provisioning.simulator.azure_sql.state import SERVER_HOST
from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric.stores import LAKEHOUSE, WAREHOUSE
from tenant_provisioning.simulator.tds.statements import Content, SqlError
from tenant_provisioning.simulator.world import CLIENT_ID, World


@dataclass(frozen=True)
class Place:
    """A data store as SQL sees it: what it holds, how that is changed, and who may in."""

    server: str
    database: str
    content: Callable[[], Content]
    keep: Callable[[Content], None]
    admits: Callable[[str], bool]


def find_place(world: World, server: str, database: str) -> Place | None:
    """The store at this address, or None."""
    if server.casefold() == SERVER_HOST:
        return _azure(world, database)
    return _fabric(world, server, database)


def _azure(world: World, name: str) -> Place | None:
    known = world.azure_sql.find_database(name)
    if known is None or known.status != "Online" or known.system:
        return None

    def content() -> Content:
        now = world.azure_sql.get_database(name)
        return Content(now.tables, now.users, now.schemas)

    def keep(after: Content) -> None:
        world.azure_sql.fill(name, after.tables, after.users, after.schemas)

    # the service principal is the server's administrator; nobody else is known there
    return Place(SERVER_HOST, name, content, keep, lambda caller: caller == object_id_of(CLIENT_ID))


def _fabric(world: World, server: str, database: str) -> Place | None:
    fabric = world.fabric
    store = fabric.stores.at(server, database)
    if store is None:
        return None

    def content() -> Content:
        now = fabric.stores.get(store.id)
        return Content(now.visible or {}, is_warehouse=now.kind == WAREHOUSE)

    def keep(after: Content) -> None:
        changed = {name: table for name, table in after.tables.items() if table != content().tables.get(name)}
        if changed and store.kind == LAKEHOUSE:
            raise SqlError(24559, "Data Manipulation Language (DML) statements are not supported for this table type.")
        if changed:
            fabric.stores.write(store.id, changed)

    def admits(caller: str) -> bool:
        return fabric.workspaces.role_in(store.workspace_id, caller) is not None

    return Place(server, database, content, keep, admits)
