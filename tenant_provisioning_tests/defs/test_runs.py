"""What becomes of a run that crashed, as our decisions see it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from tenant_provisioning.defs.decisions import RunState
from tenant_provisioning.defs.runs import RETRIED_AS, WILL_RETRY, run_state


@dg.job
def any_job() -> None: ...


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def state_of(instance: dg.DagsterInstance, run_id: str) -> RunState:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run_state(instance, run)


def crashed(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run whose process has just died, and that Dagster means to start again."""
    run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED, tags={WILL_RETRY: "true"})
    instance.report_run_failed(run)
    return run


def test_a_run_that_has_just_crashed_lives_until_the_daemon_has_had_time_to_start_it_again(
    instance: dg.DagsterInstance,
) -> None:
    assert state_of(instance, crashed(instance).run_id) is RunState.ALIVE


def test_a_run_that_the_daemon_has_forgotten_to_start_again_is_dead(instance: dg.DagsterInstance) -> None:
    long_ago = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.FAILURE, tags={WILL_RETRY: "true"})

    assert state_of(instance, long_ago.run_id) is RunState.FAILED


def test_a_crashed_run_is_as_its_successor_is(instance: dg.DagsterInstance) -> None:
    run = crashed(instance)
    successor = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED)
    instance.add_run_tags(run.run_id, {RETRIED_AS: successor.run_id})
    assert state_of(instance, run.run_id) is RunState.ALIVE

    instance.report_run_failed(successor)

    assert state_of(instance, run.run_id) is RunState.FAILED


def test_a_run_that_failed_and_is_not_started_again_is_dead(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED, tags={WILL_RETRY: "false"})
    instance.report_run_failed(run)

    assert state_of(instance, run.run_id) is RunState.FAILED
