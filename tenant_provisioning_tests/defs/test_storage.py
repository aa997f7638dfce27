"""What Dagster's storage keeps between one instance and the next of a process."""

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event

from tenant_provisioning.defs.storage import KeptConnectionsStorage, kept
from tenant_provisioning.embedded.postgres import EmbeddedPostgres

SENSOR = "a sensor's id", "its selector"


@pytest.fixture(scope="module")
def new_storage(postgres_server: EmbeddedPostgres) -> Iterator[Callable[[], KeptConnectionsStorage]]:
    """Makes the storage anew, as every look of a sensor does, over one database that was empty before."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier("kept_storage")))
    url = postgres_server.url("kept_storage", driver="psycopg2")
    yield lambda: KeptConnectionsStorage(url)
    if (engine := kept(url).engine) is not None:
        engine.dispose()


def use(storage: KeptConnectionsStorage) -> None:
    """A query of each part."""
    storage.run_storage.get_runs_count()
    storage.event_log_storage.get_dynamic_partitions("tenant")
    storage.schedule_storage.get_instigator_state(*SENSOR)


def test_every_instance_of_a_process_shares_a_connection(
    new_storage: Callable[[], KeptConnectionsStorage], postgres_server: EmbeddedPostgres
) -> None:
    for _ in range(3):
        use(new_storage())

    with psycopg.connect(postgres_server.url("postgres")) as connection:
        found = connection.execute("select count(*) from pg_stat_activity where datname = 'kept_storage'").fetchone()
    assert found == (1,)


def test_whether_a_table_is_there_is_asked_once(new_storage: Callable[[], KeptConnectionsStorage]) -> None:
    use(new_storage())
    storage = new_storage()
    engine = kept(storage.postgres_url).engine
    assert engine is not None
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    use(storage)
    event.remove(engine, "before_cursor_execute", note)

    assert len(asked) == 3
    assert not [statement for statement in asked if "pg_catalog" in statement or "secondary_indexes" in statement]


def test_a_forked_process_has_connections_of_its_own(new_storage: Callable[[], KeptConnectionsStorage]) -> None:
    storage = new_storage()
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        os.write(theirs, b"none" if kept(storage.postgres_url).engine is None else b"ours")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(ours, 10) == b"none"
    os.close(ours)
    os.close(theirs)
