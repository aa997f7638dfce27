"""Dagster's own PostgreSQL storage, with connections that are kept and answers that cannot change. `dagster.yaml` names it.

dagster-postgres opens a connection for every query, several an event, in every process but the webserver, for which it has a
setting. Daemon, code server and runs profit as much: opening connections took most of a run's time, and seconds before its first
step. What is asked again at every event although the answer stays the same is asked once a process.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as db
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

NO_TIMEOUT = 0
RECYCLE_SECONDS = 3600
# what Dagster reads of runs that have ended: assets, checks, and how the run began and ended
LASTING = ("ASSET_%", "PIPELINE_%")
MORE_AT_ONCE = 10  # connections beside the one that is kept, for the moment they are needed


class RememberingEventLog(PostgresEventLogStorage):
    """The event log without the questions whose answers are known. A run of 42 reports asks 900 of them."""

    # Dagster would ask for the latest observation of every asset that a step depends on and that was never materialized,
    # one query each; the roll-up depends on every template report. Nothing in this project records an observation.
    asset_records_have_last_observation = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tables_seen = set[str]()
        self._partitions_seen = set[tuple[str, str]]()

    def has_table(self, table_name: str) -> bool:
        """A table that was there once stays: Dagster's migrations drop none."""
        if table_name not in self._tables_seen and super().has_table(table_name):
            self._tables_seen.add(table_name)
        return table_name in self._tables_seen

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


class KeptConnectionsStorage(DagsterPostgresStorage):
    """Made from the same configuration as DagsterPostgresStorage, and is one in everything else."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, **kwargs: Any) -> None:
        super().__init__(postgres_url, should_autocreate_tables, **kwargs)
        self._event_log_storage = RememberingEventLog(
            postgres_url,
            should_autocreate_tables=False,  # the one it replaces has seen to that
            token_provider=kwargs.get("token_provider"),
        )
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part.optimize_for_webserver(NO_TIMEOUT, RECYCLE_SECONDS, MORE_AT_ONCE)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "KeptConnectionsStorage":
        """The storage that `dagster.yaml` describes."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )
