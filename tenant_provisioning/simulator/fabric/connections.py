"""Connections: an address, how to sign in there, who may use it. They outlive the workspaces they serve."""

from collections.abc import Callable
from dataclasses import replace

from tenant_provisioning.simulator.fabric.records import Connection, Credentials, Grant
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

LONGEST_NAME = 200
SQL_TYPES = frozenset({"SQL"})
CONNECTIVITIES = frozenset({"ShareableCloud", "PersonalCloud"})


class Connections:
    """All connections; each is seen by its owner and those it is shared with, and its name is taken for everyone."""

    def __init__(self, world: World, reachable: Callable[[str, str], bool]) -> None:
        self._world = world
        self._reachable = reachable
        self._table = world.table("fabric.connections", Connection)
        self._by_name: dict[str, str] = {
            connection.name.casefold(): connection.id for connection in self._table.values()
        }

    def create(self, connection: Connection) -> Connection:
        """Keep a new connection after trying it, unless it asks not to be tried."""
        if not connection.name.strip() or len(connection.name) > LONGEST_NAME:
            raise Refusal("InvalidInput", f"The display name must have 1 to {LONGEST_NAME} characters.")
        if connection.name.casefold() in self._by_name:
            raise Refusal("DuplicateConnectionName", "The connection name is already in use. Choose another name.")
        if connection.type not in SQL_TYPES:
            raise Refusal("InvalidConnectionDetails", f"The connection type '{connection.type}' is not supported.")
        if connection.connectivity not in CONNECTIVITIES:
            raise Refusal(
                "UnsupportedConnectivityType", f"The connectivity type '{connection.connectivity}' is not supported."
            )
        if not connection.skip_test:
            self._try(connection.path, connection.credentials)
        self._by_name[connection.name.casefold()] = connection.id
        return self._table.put(connection.id, connection)

    def get(self, connection_id: str, principal_id: str) -> Connection:
        """The connection, if the principal may use it."""
        connection = self._table.get(connection_id)
        if connection is None or not _may_use(connection, principal_id):
            raise Refusal(
                "ConnectionNotFound", "The requested connection was not found.", resource=(connection_id, "Connection")
            )
        return connection

    def find(self, connection_id: str) -> Connection | None:
        """The connection, whoever may use it; None when it is gone."""
        return self._table.get(connection_id)

    def used_by(self, principal_id: str) -> list[Connection]:
        """The connections that the principal may use, oldest first."""
        return [connection for connection in self._table.values() if _may_use(connection, principal_id)]

    def change(
        self, connection: Connection, *, name: str | None, privacy: str | None, credentials: Credentials | None
    ) -> Connection:
        """The connection with what is given replaced."""
        if name is not None and name.casefold() != connection.name.casefold():
            if name.casefold() in self._by_name:
                raise Refusal("DuplicateConnectionName", "The connection name is already in use. Choose another name.")
            self._by_name.pop(connection.name.casefold(), None)
            self._by_name[name.casefold()] = connection.id
        if credentials is not None and not connection.skip_test:
            self._try(connection.path, credentials)
        return self._table.put(
            connection.id,
            replace(
                connection,
                name=name or connection.name,
                privacy=privacy or connection.privacy,
                credentials=credentials or connection.credentials,
            ),
        )

    def bound(self, connection: Connection) -> None:
        """Remember that a model has just been bound to the connection."""
        self._table.put(connection.id, replace(connection, bound_at=self._world.now()))

    def share(self, connection: Connection, grant: Grant) -> None:
        """Let another principal use the connection."""
        if grant.principal_id == connection.owner_id or any(
            g.principal_id == grant.principal_id for g in connection.grants
        ):
            raise Refusal(
                "PrincipalAlreadyHasConnectionPermissions", "The principal already has a role on the connection."
            )
        self._table.put(connection.id, replace(connection, grants=(*connection.grants, grant)))

    def unshare(self, connection: Connection, principal_id: str) -> None:
        """Take the connection away from a principal it was shared with."""
        left = tuple(grant for grant in connection.grants if grant.principal_id != principal_id)
        if left == connection.grants:
            raise Refusal("ConnectionRoleAssignmentNotFound", "The requested role assignment could not be found.")
        self._table.put(connection.id, replace(connection, grants=left))

    def delete(self, connection: Connection) -> None:
        """Remove the connection; models bound to it lose their way to the data."""
        self._by_name.pop(connection.name.casefold(), None)
        self._table.delete(connection.id)

    def all(self) -> list[Connection]:
        """Every connection."""
        return self._table.values()

    def is_online(self, connection: Connection) -> bool:
        """Whether the address answers and takes the credentials."""
        try:
            self._try(connection.path, connection.credentials)
        except Refusal:
            return False
        return True

    def _try(self, path: str, credentials: Credentials) -> None:
        server, _, database = path.partition(";")
        if not self._reachable(server, database):
            raise Refusal(
                "InvalidConnectionDetails", "The data source could not be reached. Check the server and the database."
            )
        if not credentials.accepted:
            raise Refusal("IncorrectCredentials", "The credentials provided for the data source are incorrect.")


def _may_use(connection: Connection, principal_id: str) -> bool:
    return principal_id == connection.owner_id or any(grant.principal_id == principal_id for grant in connection.grants)
