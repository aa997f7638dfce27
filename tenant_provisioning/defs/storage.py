"""Dagster's own PostgreSQL storage, with connections that are kept. `dagster.yaml` names it.

dagster-postgres opens a connection for every query, several an event, in every process but the webserver, for which it has a
setting. Daemon, code server and runs profit as much: opening connections took most of a run's time, and seconds before its first
step.
"""

from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

NO_TIMEOUT = 0
RECYCLE_SECONDS = 3600
MORE_AT_ONCE = 10  # connections beside the one that is kept, for the moment they are needed


class KeptConnectionsStorage(DagsterPostgresStorage):
    """Made from the same configuration as DagsterPostgresStorage, and is one in everything else."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The storage, its three parts each with a pool."""
        storage = DagsterPostgresStorage.from_config_value(inst_data, config_value)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            part.optimize_for_webserver(NO_TIMEOUT, RECYCLE_SECONDS, MORE_AT_ONCE)
        return storage
