"""Dagster's own PostgreSQL storage, with connections that are kept and answers that cannot change. `dagster.yaml` names it.

dagster-postgres opens a connection for every query, several an event, in every process but the webserver, for which it has a
setting. Daemon, code server and runs profit as much: opening connections took most of a run's time, and seconds before its first
step. A code server makes an instance anew for every look of every sensor, so what is kept is kept by the process, not by the
instance. What is asked again at every event or look although the answer stays the same is asked once, what a step depends on is
asked for together, and what a new run plans and what a step has made are written in as few statements as can be.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.schema import AssetEventTagsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Engine

RECYCLE_SECONDS = 3600
# what Dagster reads of runs that have ended: assets, checks, and how the run began and ended
LASTING = ("ASSET_%", "PIPELINE_%")
KEPT, MORE_AT_ONCE = 5, 20  # connections of a process that are kept once they were needed, and beside them for a moment
INSTIGATORS = "table of instigators"
PLANNED = {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
STORE_EVENT = db.insert(SqlEventLogStorageTable).returning(SqlEventLogStorageTable.c.id)
STORE_MATERIALIZATION = db.text(
    """with tags as (
         insert into asset_event_tags (event_id, asset_key, key, value, event_timestamp)
         select :event_id, :asset_key, name, value, :timestamp
         from unnest(cast(:names as text[]), cast(:values as text[])) as tag(name, value)
       )
       insert into asset_keys (asset_key, last_materialization, last_run_id, last_materialization_timestamp)
       values (:asset_key, :last_materialization, :last_run_id, :last_materialization_timestamp)
       on conflict (asset_key) do update set
         last_materialization = excluded.last_materialization, last_run_id = excluded.last_run_id,
         last_materialization_timestamp = excluded.last_materialization_timestamp"""
)
TagsQuestion = tuple[dg.AssetKey, dg.DagsterEventType, tuple[str, ...], tuple[str, ...]]
# whoever makes a run hands over all that it plans, an event for each asset and check, at once; 0, or nothing, is one by one
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
# a step looks at all that it depends on at once, and not at a hundred at a time
os.environ.setdefault("GET_ASSET_RECORDS_FOR_DATA_VERSION_BATCH_SIZE", "1000")


@dataclass
class Kept:
    """What a process keeps of one database: the connections, and what it has once seen there and no migration takes away."""

    engine: Engine | None = None
    seen: set[str] = field(default_factory=set)


def kept(postgres_url: str) -> Kept:
    """The same for every instance of this process."""
    return _kept(postgres_url, os.getpid())


@functools.cache
def _kept(_postgres_url: str, _process: int) -> Kept:
    return Kept()  # a process that was forked finds another's, and must not use its connections


def once_there(postgres_url: str, thing: str, ask: Callable[[], bool]) -> bool:
    """Whether this table, column or index is there: asked until it is, since Dagster's migrations take none away."""
    seen = kept(postgres_url).seen
    if thing not in seen and ask():
        seen.add(thing)
    return thing in seen


class RememberingRuns(PostgresRunStorage):
    """The runs without the questions, several a run and each at the price of twenty, whether their table has its columns."""

    def has_run_stats_index_cols(self) -> bool:
        """The columns of begin and end."""
        return once_there(self.postgres_url, "columns of a run's times", super().has_run_stats_index_cols)

    def has_backfill_id_column(self) -> bool:
        """The column of the backfill."""
        return once_there(self.postgres_url, "column of a run's backfill", super().has_backfill_id_column)


class RememberingEventLog(PostgresEventLogStorage):
    """The event log without the questions whose answers are known. A run of 42 reports asks 900 of them."""

    # Dagster would ask for the latest observation of every asset that a step depends on and that was never materialized,
    # one query each; the roll-up depends on every template report. Nothing in this project records an observation.
    asset_records_have_last_observation = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._partitions_seen = set[tuple[str, str]]()
        self._looked_at = frozenset[dg.AssetKey]()
        self._tags_ahead = dict[TagsQuestion, dict[str, dict[str, str]]]()

    def has_table(self, table_name: str) -> bool:
        """Asked for every event of an asset."""
        ask = super().has_table
        return once_there(self.postgres_url, f"table {table_name}", lambda: ask(table_name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Asked at every look at assets."""
        ask = super().has_asset_key_col
        return once_there(self.postgres_url, f"assets' column {column_name}", lambda: ask(column_name))

    def store_event(self, event: dg.EventLogEntry) -> None:
        """In one statement, what an asset's materialization changes beside in a second, where Dagster's own storage takes five.

        dagster-postgres notifies after each event, and nothing has listened for years.
        """
        kind = event.dagster_event_type
        if kind in ASSET_EVENTS and kind is not dg.DagsterEventType.ASSET_MATERIALIZATION:
            super(PostgresEventLogStorage, self).store_event(event)
            return
        row = self._event_to_row(event)
        with self.index_connection() as connection:
            event_id = connection.execute(STORE_EVENT, row).scalar_one()
            if kind is dg.DagsterEventType.ASSET_MATERIALIZATION:
                tags = self._tags_for_asset_event(event)
                told = row | {"event_id": event_id, "names": list(tags), "values": list(tags.values())}
                entry = self._get_asset_entry_values(event, event_id, has_asset_key_index_cols=True)
                connection.execute(STORE_MATERIALIZATION, told | entry)
        if kind in ASSET_CHECK_EVENTS:
            self.store_asset_check_event(event, event_id)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """What a new run plans, in two statements and one for each check; Dagster's own storage takes up to four an event."""
        if not {event.get_dagster_event().event_type for event in events} <= PLANNED:
            super().store_event_batch(events)
            return
        table = SqlEventLogStorageTable
        insert = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        with self.index_connection() as connection:
            ids = connection.execute(insert, [self._event_to_row(event) for event in events]).scalars().all()
        of_assets = list[dict[str, Any]]()
        for event, event_id in zip(events, ids, strict=True):
            if key := event.get_dagster_event().asset_key:
                values = self._get_asset_entry_values(event, event_id, has_asset_key_index_cols=True)
                of_assets.append({"asset_key": key.to_string(), **values})
            else:
                self.store_asset_check_event(event, event_id)
        if of_assets:
            upsert = postgresql.insert(AssetKeyTable)
            changed = {name: upsert.excluded[name] for name in of_assets[0] if name != "asset_key"}
            upsert = upsert.on_conflict_do_update(index_elements=["asset_key"], set_=changed)
            with self.index_connection() as connection:
                # without an answer to give, the driver would send a statement for each
                connection.execute(upsert.returning(AssetKeyTable.c.id), of_assets)

    def get_asset_records(self, asset_keys: Sequence[dg.AssetKey] | None = None) -> Sequence[AssetRecord]:
        """As Dagster's own storage has them. Every answer that was read ahead is forgotten."""
        records = super().get_asset_records(asset_keys)
        self._looked_at = frozenset(record.asset_entry.asset_key for record in records)
        self._tags_ahead = {}
        return records

    def get_latest_tags_by_partition(  # noqa: PLR0917 - Dagster's
        self,
        asset_key: dg.AssetKey,
        event_type: dg.DagsterEventType,
        tag_keys: Sequence[str],
        asset_partitions: Sequence[str] | None = None,
        before_cursor: int | None = None,
        after_cursor: int | None = None,
    ) -> Mapping[str, Mapping[str, str]]:
        """For all assets of the last look at once; Dagster asks for each after it has looked at all, the roll-up for 400, and the
        answers are given once. Otherwise as Dagster's own storage has it.
        """
        looked_at, ahead = self._looked_at, self._tags_ahead  # another thread may look meanwhile
        within = before_cursor is not None or after_cursor is not None
        if asset_partitions is None or within or asset_key not in looked_at:
            return super().get_latest_tags_by_partition(
                asset_key, event_type, tag_keys, asset_partitions, before_cursor, after_cursor
            )
        about = event_type, tuple(tag_keys), tuple(asset_partitions)
        if (asset_key, *about) not in ahead:
            found = self._latest_tags(list(looked_at), *about)
            ahead = self._tags_ahead = {(key, *about): tags for key, tags in found.items()}
        return ahead.pop((asset_key, *about))

    def _latest_tags(
        self,
        keys: Sequence[dg.AssetKey],
        event_type: dg.DagsterEventType,
        names: Sequence[str],
        partitions: Sequence[str],
    ) -> dict[dg.AssetKey, dict[str, dict[str, str]]]:
        events, tags = SqlEventLogStorageTable.c, AssetEventTagsTable.c
        latest = (
            db.select(events.asset_key, events.partition, db.func.max(events.id).label("id"))
            .where(
                events.asset_key.in_([key.to_string() for key in keys]),
                events.dagster_event_type == event_type.value,
                events.partition.in_(partitions),
            )
            .group_by(events.asset_key, events.partition)
        )
        latest = self._add_assets_wipe_filter_to_query(latest, self._get_assets_details(keys), keys).subquery()
        tags_of = (
            db.select(latest.c.asset_key, latest.c.partition, tags.key, tags.value)
            .join(AssetEventTagsTable, tags.event_id == latest.c.id)
            .where(tags.key.in_(names))
        )
        found: dict[str, dict[str, dict[str, str]]] = {key.to_string(): {} for key in keys}
        with self.index_connection() as connection:
            for asset, partition, name, value in connection.execute(tags_of):
                found[asset].setdefault(partition, {})[name] = value
        return {key: found[key.to_string()] for key in keys}

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """A tenant's key that was there once stays: this project never takes one away, a rolled back tenant's included."""
        key = (partitions_def_name, partition_key)
        if key not in self._partitions_seen and super().has_dynamic_partition(*key):
            self._partitions_seen.add(key)
        return key in self._partitions_seen

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Forgets it here too, for the person who takes a key away by hand."""
        super().delete_dynamic_partition(partitions_def_name, partition_key)
        self._partitions_seen.discard((partitions_def_name, partition_key))

    def forget_details(self, run_ids: Sequence[str]) -> int:
        """How many events of these runs are gone: all but those of `LASTING` types."""
        events = SqlEventLogStorageTable
        lasting = db.or_(*(events.c.dagster_event_type.like(kind) for kind in LASTING))
        details = db.and_(events.c.run_id.in_(run_ids), db.func.coalesce(lasting, db.false()).is_(db.false()))
        with self.index_connection() as connection:
            return int(connection.execute(events.delete().where(details)).rowcount)


class RememberingSchedules(PostgresScheduleStorage):
    """The sensors' ticks without the question, several a tick, whether tables and indexes are there."""

    def has_instigators_table(self) -> bool:
        """The table of the sensors' states."""
        return once_there(self.postgres_url, INSTIGATORS, super().has_instigators_table)

    def _has_instigators_table(self, conn: Connection) -> bool:
        ask = super()._has_instigators_table
        return once_there(self.postgres_url, INSTIGATORS, lambda: ask(conn))

    def has_built_index(self, migration_name: str) -> bool:
        """An index that a migration of the data has built."""
        ask = super().has_built_index
        return once_there(self.postgres_url, f"index {migration_name}", lambda: ask(migration_name))


class KeptConnectionsStorage(DagsterPostgresStorage):
    """Made from the same configuration as DagsterPostgresStorage, and is one in everything else."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, **kwargs: Any) -> None:
        common, provider = kept(postgres_url), kwargs.get("token_provider")
        # the first one sees to it that the tables are there
        super().__init__(postgres_url, should_autocreate_tables and common.engine is None, **kwargs)
        if common.engine is None:
            common.engine = create_pg_engine(
                postgres_url,
                provider,
                isolation_level="AUTOCOMMIT",
                pool_size=KEPT,
                max_overflow=MORE_AT_ONCE,
                pool_recycle=RECYCLE_SECONDS,
            )
        self._run_storage = RememberingRuns(postgres_url, should_autocreate_tables=False, token_provider=provider)
        self._event_log_storage = RememberingEventLog(
            postgres_url, should_autocreate_tables=False, token_provider=provider
        )
        self._schedule_storage = RememberingSchedules(
            postgres_url, should_autocreate_tables=False, token_provider=provider
        )
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = common.engine

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "KeptConnectionsStorage":
        """The storage that `dagster.yaml` describes."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )
