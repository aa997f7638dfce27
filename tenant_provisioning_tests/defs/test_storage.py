"""What Dagster's storage keeps between one instance and the next of a process."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
import psycopg
import pytest
import sqlalchemy as db
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, StepMaterializationData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tenant_provisioning.defs.storage import KeptConnectionsStorage, kept
from tenant_provisioning.embedded.postgres import EmbeddedPostgres

SENSOR = "a sensor's id", "its selector"
KEY, OTHER = dg.AssetKey(["reports", "one"]), dg.AssetKey("two")
CHECK = dg.AssetCheckKey(KEY, "it_is_so")


@pytest.fixture(scope="module")
def new_storage(postgres_server: EmbeddedPostgres) -> Iterator[Callable[[], KeptConnectionsStorage]]:
    """Makes the storage anew, as every look of a sensor does, over one database that was empty before."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier("kept_storage")))
    url = postgres_server.url("kept_storage", driver="psycopg2")
    yield lambda: KeptConnectionsStorage(url)
    if (engine := kept(url).engine) is not None:
        engine.dispose()


@pytest.fixture
def dagsters_own(new_storage: Callable[[], KeptConnectionsStorage]) -> Iterator[PostgresEventLogStorage]:
    """Dagster's own event log over the same database."""
    ours = new_storage()
    theirs = PostgresEventLogStorage(ours.postgres_url, should_autocreate_tables=False)
    yield theirs
    theirs.dispose()
    theirs._engine.dispose()


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def use(storage: KeptConnectionsStorage) -> None:
    """A query of each part."""
    storage.run_storage.get_runs_count()
    assert isinstance(storage.run_storage, PostgresRunStorage)
    assert storage.run_storage.has_run_stats_index_cols()
    assert storage.run_storage.has_backfill_id_column()
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


def test_whether_a_table_or_a_column_is_there_is_asked_once(new_storage: Callable[[], KeptConnectionsStorage]) -> None:
    use(new_storage())
    storage = new_storage()
    engine = kept(storage.postgres_url).engine
    assert engine is not None
    with statements(engine) as asked:
        use(storage)

    assert len(asked) == 3
    assert not [statement for statement in asked if "pg_catalog" in statement or "secondary_indexes" in statement]


def test_what_a_run_plans_is_written_at_once_and_reads_as_from_dagsters_own_storage(
    new_storage: Callable[[], KeptConnectionsStorage], dagsters_own: PostgresEventLogStorage
) -> None:
    ours = new_storage().event_log_storage
    assert ours.supports_asset_checks  # which a process asks once
    told = list[object]()
    for number, storage in enumerate([dagsters_own, ours]):
        with statements(storage._engine) as asked:
            storage.store_event_batch(planned(f"run-{number}"))
        written = storage.get_records_for_run(f"run-{number}").records
        checked = storage.get_asset_check_execution_history(CHECK, limit=1)[0]
        assets = storage.get_asset_records([KEY, OTHER])
        told.append((
            [(one.event_log_entry.dagster_event_type, one.asset_key, one.partition_key) for one in written],
            (checked.status, checked.partition, checked.event and checked.event.dagster_event_type),
            checked.run_id == f"run-{number}",
            {(one.asset_entry.asset_key, one.asset_entry.last_run_id == f"run-{number}") for one in assets},
        ))  # fmt: skip

    assert told[0] == told[1]
    assert len(asked) == 3  # the events, the check, the assets


def test_a_materialization_is_written_in_two_statements_and_reads_as_from_dagsters_own_storage(
    new_storage: Callable[[], KeptConnectionsStorage], dagsters_own: PostgresEventLogStorage
) -> None:
    ours = new_storage().event_log_storage
    told = list[object]()
    for number, storage in enumerate([dagsters_own, ours]):
        run_id, key = f"made-{number}", dg.AssetKey(f"made-{number}")
        storage.store_event(made(key, "before", run_id))
        with statements(storage._engine) as asked:
            storage.store_event(made(key, "now", run_id))
        record = storage.get_asset_records([key])[0].asset_entry
        last = record.last_materialization_record
        assert last is not None
        events = storage.get_records_for_run(run_id).records
        told.append((
            [(one.event_log_entry.dagster_event_type, one.partition_key, one.asset_key == key) for one in events],
            last.storage_id == events[-1].storage_id,
            last.asset_materialization == materialization(key, "now"),
            record.last_run_id == run_id,
            storage.get_event_tags_for_asset(key),
            times_of(storage, key),
        ))  # fmt: skip

    assert told[0] == told[1]
    assert len(asked) == 2


def test_the_versions_of_all_that_a_step_looks_at_are_asked_for_at_once(
    new_storage: Callable[[], KeptConnectionsStorage], dagsters_own: PostgresEventLogStorage
) -> None:
    ours = new_storage().event_log_storage
    keys = [dg.AssetKey(["upstream", str(number)]) for number in range(5)]
    for number, key in enumerate(keys[:4]):
        for version in ("old", f"version {number}"):
            ours.store_event(made(key, version, "run-up"))
        ours.store_event(made(key, "another customer's", "run-other", partition="other"))
    ours.get_asset_records(keys)
    with statements(ours._engine) as asked:
        versions = [version_of(ours, key) for key in keys[:4]]

    assert versions == [{"acme": {DATA_VERSION_TAG: f"version {number}"}} for number in range(4)]
    assert len(asked) == 2  # whether they were wiped, and their versions
    assert versions == [version_of(dagsters_own, key) for key in keys[:4]]
    assert version_of(ours, keys[4]) == version_of(dagsters_own, keys[4]) == {}


def test_what_has_changed_since_is_seen_at_the_next_look(new_storage: Callable[[], KeptConnectionsStorage]) -> None:
    ours = new_storage().event_log_storage
    asked, changed, wiped = keys = [dg.AssetKey(name) for name in ("asked", "changed", "wiped")]
    for key in keys:
        ours.store_event(made(key, "old", "run-old"))
    ours.get_asset_records(keys)
    assert version_of(ours, asked) == {"acme": {DATA_VERSION_TAG: "old"}}  # and the others' are known from here
    new_storage().event_log_storage.store_event(made(changed, "new", "run-new"))
    new_storage().event_log_storage.wipe_asset(wiped)
    ours.get_asset_records(keys)

    assert version_of(ours, changed) == {"acme": {DATA_VERSION_TAG: "new"}}
    assert version_of(ours, wiped) == {}


def materialization(key: dg.AssetKey, version: str, partition: str = "acme") -> dg.AssetMaterialization:
    """Of one customer's asset, with a tag that is kept for searching and one that is not."""
    return dg.AssetMaterialization(key, partition=partition, tags={DATA_VERSION_TAG: version, "color": "red"})


def made(key: dg.AssetKey, version: str, run_id: str, partition: str = "acme") -> dg.EventLogEntry:
    """What a run says when a step has made the asset."""
    data = StepMaterializationData(materialization(key, version, partition))
    event = DagsterEvent(dg.DagsterEventType.ASSET_MATERIALIZATION.value, "job", event_specific_data=data)
    return dg.EventLogEntry(None, "debug", "", run_id, 1.0, dagster_event=event)


def times_of(storage: PostgresEventLogStorage, key: dg.AssetKey) -> Sequence[object]:
    """By which Dagster tells what was wiped, in the tables that hold what an event says of an asset."""
    asked = db.text(
        """select last_materialization_timestamp as at from asset_keys where asset_key = :key
           union all select event_timestamp from asset_event_tags where asset_key = :key"""
    )
    with storage._engine.connect() as connection:
        return connection.execute(asked, {"key": key.to_string()}).scalars().all()


def version_of(storage: PostgresEventLogStorage, key: dg.AssetKey) -> object:
    """As a step that depends on it asks."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    return storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG], asset_partitions=["acme"])


def test_an_event_is_written_without_telling_anybody(new_storage: Callable[[], KeptConnectionsStorage]) -> None:
    storage = new_storage().event_log_storage
    with statements(storage._engine) as asked:
        storage.store_event(dg.EventLogEntry(None, "debug", "hello", "run-x", 1.0))

    assert [statement.split()[0] for statement in asked] == ["INSERT"]
    assert [entry.user_message for entry in storage.get_logs_for_run("run-x")] == ["hello"]


def planned(run_id: str) -> list[dg.EventLogEntry]:
    """What a run of two assets and a check plans."""
    of_assets = [
        DagsterEvent(
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value, "job",
            event_specific_data=AssetMaterializationPlannedData(key, partition="acme"),
        )
        for key in (KEY, OTHER)
    ]  # fmt: skip
    of_check = DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value, "job",
        event_specific_data=AssetCheckEvaluationPlanned(asset_key=KEY, check_name=CHECK.name),
    )  # fmt: skip
    return [
        dg.EventLogEntry(None, "debug", "", run_id, 1.0, dagster_event=told)
        for told in (*of_assets[:1], of_check, of_assets[1])
    ]


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
