"""What Dagster's log forgets of runs that are old, and what it never does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus

from tenant_provisioning.defs.partitions import tenant
from tenant_provisioning.defs.retention import forget_details
from tenant_provisioning.embedded.postgres import EmbeddedPostgres

NOW = datetime.now(UTC)
TOMORROW, YESTERDAY = NOW + timedelta(days=1), NOW - timedelta(days=1)


@dg.asset(partitions_def=tenant)
def thing(context: dg.AssetExecutionContext) -> None:
    context.log.info("a word of ours")


@dg.asset_check(asset=thing, partitions_def=tenant)
def thing_is_sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture(scope="module")
def instance(postgres_server: EmbeddedPostgres) -> Iterator[dg.DagsterInstance]:
    """A Dagster on PostgreSQL, with the storage that `dagster.yaml` names."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database dagster_retention")
    storage = {
        "module": "tenant_provisioning.defs.storage", "class": "KeptConnectionsStorage",
        "config": {"postgres_url": postgres_server.url("dagster_retention", driver="psycopg2")},
    }  # fmt: skip
    with dg.instance_for_test(overrides={"storage": {"custom": storage}}) as instance:
        yield instance
        for part in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            part._engine.dispose()  # type: ignore[union-attr]


def run(instance: dg.DagsterInstance, key: str) -> str:
    """The id of a run that has made and checked one tenant's thing."""
    instance.add_dynamic_partitions("tenant", [key])
    return dg.materialize([thing, thing_is_sound], instance=instance, partition_key=key).run_id  # type: ignore[list-item]


def kinds(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    return {log.dagster_event_type.value if log.dagster_event_type else "a word" for log in instance.all_logs(run_id)}


def test_an_old_run_loses_its_steps_and_keeps_what_it_made_what_was_checked_and_how_it_ended(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run(instance, "acme")
    assert {"STEP_START", "a word"} <= kinds(instance, run_id)

    runs, events, reached = forget_details(instance, after=None, before=TOMORROW)

    assert (runs, events > 5, reached is not None) == (1, True, True)
    left = kinds(instance, run_id)
    assert {kind.partition("_")[0] for kind in left} == {"ASSET", "PIPELINE"}
    assert {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "PIPELINE_SUCCESS"} <= left
    assert instance.get_materialized_partitions(thing.key) == {"acme"}
    kept = instance.get_run_by_id(run_id)
    assert kept is not None
    assert kept.status is DagsterRunStatus.SUCCESS


def test_a_young_run_keeps_everything(instance: dg.DagsterInstance) -> None:
    run_id = run(instance, "beta")
    before = kinds(instance, run_id)

    assert forget_details(instance, after=None, before=YESTERDAY) == (0, 0, None)
    assert kinds(instance, run_id) == before


def test_it_goes_on_where_it_stopped(instance: dg.DagsterInstance) -> None:
    run(instance, "gamma")
    _, _, reached = forget_details(instance, after=None, before=TOMORROW)
    run(instance, "delta")

    runs, events, _ = forget_details(instance, after=reached, before=TOMORROW)

    assert (runs, events > 5) == (1, True)
