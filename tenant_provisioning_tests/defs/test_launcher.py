"""Whether a run's process is still there, as Dagster's monitoring asks."""

import json
import os
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    launcher = {"module": "tenant_provisioning.defs.launcher", "class": "WatchedRunLauncher"}
    with dg.instance_for_test(overrides={"run_launcher": launcher}) as instance:
        yield instance


def started_run(instance: dg.DagsterInstance, pid: int) -> dg.DagsterRun:
    """A run that a code server started which is gone by now."""
    gone = json.dumps({"host": "localhost", "socket": "/tmp/no-such-socket"})  # noqa: S108 - nobody listens there
    run = dg.DagsterRun("provision_tenant", status=dg.DagsterRunStatus.STARTED, tags={".dagster/grpc_info": gone})
    instance.add_run(run)
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run)
    return run


def test_a_run_whose_process_went_with_its_code_server_is_noticed(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, pid=2**22 + 1)  # beyond the largest that a kernel gives

    assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_a_run_whose_process_outlives_its_code_server_is_left_alone(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, pid=os.getpid())

    assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
