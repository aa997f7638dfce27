"""Semantic models: where their data comes from, how they are signed in there, and what their last refresh loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric.connections import Connections
from tenant_provisioning.simulator.fabric.definitions import Place, Shape
from tenant_provisioning.simulator.fabric.records import (
    Connection,
    Credentials,
    Model,
    ModelTable,
    Source,
    Store,
    TableData,
)
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.stores import Stores
from tenant_provisioning.simulator.fabric.workspaces import Workspaces
from tenant_provisioning.simulator.world import CLIENT_ID, World


class Models:
    """What every semantic model means, by item id."""

    def __init__(self, world: World, workspaces: Workspaces, stores: Stores, connections: Connections) -> None:
        self._world = world
        self._workspaces = workspaces
        self._stores = stores
        self._connections = connections
        self._table = world.table("fabric.models", Model)

    def get(self, item_id: str) -> Model:
        """The model of this item."""
        model = self._table.get(item_id)
        if model is None:
            raise Refusal("ItemNotFound", "The requested item was not found.", resource=(item_id, "SemanticModel"))
        return model

    def find(self, item_id: str) -> Model | None:
        """The model of this item, or None."""
        return self._table.get(item_id)

    def create(self, item_id: str, owner_id: str, shape: Shape) -> Model:
        """A model of this shape; its data sources are told only after a while."""
        ready = self._world.now() + self._world.latency.lasts("powerbi.datasources")
        sources = tuple(self._source(place) for place in shape.sources)
        return self._keep(Model(item_id, owner_id, sources, shape.tables, shape.parameters, ready, shape.has_roles))

    def push(self, item_id: str, owner_id: str, tables: Iterable[ModelTable]) -> Model:
        """A push dataset: it has no data source and never will."""
        kept = tuple(tables)
        empty = {table.name: TableData(table.columns) for table in kept}
        return self._keep(Model(item_id, owner_id, (), kept, (), 0.0, pushed=True, loaded=empty))

    def reshape(self, model: Model, shape: Shape) -> Model:
        """The model with a new definition; a data source that stays keeps its credentials and its connection."""
        known = {source.path: source for source in model.sources}
        fresh = (self._source(place) for place in shape.sources)
        sources = tuple(known.get(source.path, source) for source in fresh)
        return self._keep(
            replace(model, sources=sources, tables=shape.tables, parameters=shape.parameters, has_roles=shape.has_roles)
        )

    def sources(self, model: Model) -> tuple[Source, ...]:
        """The model's data sources, none while the service has not found them yet."""
        return model.sources if model.sources_ready_at <= self._world.now() else ()

    def source(self, model: Model, path: str) -> Source:
        """The model's data source with this path."""
        for source in model.sources:
            if source.path.casefold() == path.casefold():
                return source
        raise Refusal("ConnectionMismatch", f"The semantic model has no data source with the path '{path}'.")

    def bind(self, model: Model, source: Source, connection: Connection) -> Model:
        """Read this data source through the connection from now on; the connection's path has to be the source's."""
        if connection.path.casefold() != source.path.casefold():
            raise Refusal(
                "ConnectionMismatch", "The connection details do not match the data source of the semantic model."
            )
        self._connections.bound(connection)
        return self._with_source(model, source, replace(source, connection_id=connection.id))

    def unbind(self, model: Model, source: Source) -> Model:
        """Read this data source through no connection."""
        return self._with_source(model, source, replace(source, connection_id=None))

    def sign_in(self, model: Model, source: Source, credentials: Credentials) -> Model:
        """Read this data source with these credentials of its own."""
        return self._with_source(model, source, replace(source, credentials=credentials))

    def redirect(self, model: Model, source: Source, server: str, database: str) -> Model:
        """Point a data source elsewhere; credentials do not follow."""
        return self._with_source(model, source, self._source(Place(server, database)))

    def set_parameters(self, model: Model, values: Mapping[str, str]) -> Model:
        """Give parameters new values; a data source that is named by one follows it, and loses its credentials."""
        sources = []
        for source in model.sources:
            server = values.get(source.server_from or "", source.server)
            database = values.get(source.database_from or "", source.database)
            same = (server, database) == (source.server, source.database)
            place = Place(server, database, source.server_from, source.database_from)
            sources.append(source if same else self._source(place))
        parameters = tuple(replace(known, value=values.get(known.name, known.value)) for known in model.parameters)
        return self._keep(replace(model, sources=tuple(sources), parameters=parameters))

    def take_over(self, model: Model, principal_id: str) -> Model:
        """Make the principal the model's owner; credentials given by the owner before are gone."""
        if model.owner_id == principal_id:
            return model
        sources = tuple(replace(source, credentials=None, connection_id=None) for source in model.sources)
        return self._keep(replace(model, owner_id=principal_id, sources=sources))

    def load(self, model: Model) -> Model:
        """Refresh: read every table from where the definition points, as whoever the connection signs in as."""
        stores = [self._open(source) for source in model.sources]
        loaded = {table.name: self._read(table, stores) for table in model.tables}
        return self._keep(replace(model, loaded=loaded))

    def tables(self, model: Model) -> Mapping[str, TableData] | None:
        """What a query sees: what the last refresh loaded, or the source itself for tables that query it directly."""
        if not any(table.mode.casefold() in {"directquery", "directlake"} for table in model.tables):
            return model.loaded
        stores = [self._open(source) for source in model.sources]
        return {table.name: self._read(table, stores) for table in model.tables}

    def add_rows(self, model: Model, table: str, rows: Iterable[tuple[object, ...]]) -> Model:
        """Push rows into a table of a push dataset."""
        known = dict(model.loaded or {})
        if table not in known:
            raise Refusal("TableNotFound", f"Table '{table}' was not found.")
        known[table] = replace(known[table], rows=(*known[table].rows, *rows))
        return self._keep(replace(model, loaded=known))

    def forget(self, item_id: str) -> None:
        """Leave nothing of the model."""
        self._table.delete(item_id)

    def all(self) -> list[Model]:
        """Every model."""
        return self._table.values()

    def connection_of(self, source: Source) -> Connection | None:
        """The connection that the source is bound to, None when it is bound to none or that one is gone."""
        return self._connections.find(source.connection_id) if source.connection_id else None

    def _open(self, source: Source) -> Store:
        credentials = source.credentials
        if source.connection_id:
            connection = self.connection_of(source)
            if connection is None:
                raise Refusal(
                    "ConnectionNotFound", f"The connection of the data source {source.path} does not exist any more."
                )
            credentials = connection.credentials
        if credentials is None:
            raise Refusal(
                "CredentialsNotSpecified", f"The credentials for the data source {source.path} are not specified."
            )
        expired = credentials.expires_at is not None and credentials.expires_at <= self._world.now()
        if expired or not credentials.accepted:
            raise Refusal(
                "CredentialsRejected",
                f"The credentials provided for the SQL source are invalid. (Source at {source.path}.)",
            )
        store = self._stores.at(source.server, source.database)
        if store is None:
            raise Refusal(
                "SourceUnreachable",
                f"Microsoft SQL: A network-related error occurred while connecting to {source.path}.",
            )
        of_azure = not store.workspace_id  # whose server knows one administrator
        knows = (
            credentials.principal_id == object_id_of(CLIENT_ID)
            if of_azure
            else self._workspaces.role_in(store.workspace_id, credentials.principal_id or "")
        )
        if credentials.principal_id and not knows:
            raise Refusal(
                "CredentialsRejected",
                f"Microsoft SQL: Login failed for user '<token-identified principal>'. (Source at {source.path}.)",
            )
        return store

    def _read(self, table: ModelTable, stores: list[Store]) -> TableData:
        if table.item is None:
            return TableData(table.columns)
        found = next(
            (store.visible[table.item] for store in stores if store.visible and table.item in store.visible), None
        )
        if found is None:
            raise Refusal("TableMissing", f"The key didn't match any rows in the table. Table: {table.name}.")
        absent = next((column for column in table.columns if column not in found.columns), None)
        if absent:
            raise Refusal("TableMissing", f"The '{absent}' column does not exist in the rowset. Table: {table.name}.")
        return found

    def _source(self, place: Place) -> Source:
        return Source(
            "Sql",
            place.server,
            place.database,
            self._world.new_id(),
            self._world.new_id(),
            server_from=place.server_from,
            database_from=place.database_from,
        )

    def _with_source(self, model: Model, old: Source, new: Source) -> Model:
        return self._keep(replace(model, sources=tuple(new if source is old else source for source in model.sources)))

    def _keep(self, model: Model) -> Model:
        return self._table.put(model.id, model)
