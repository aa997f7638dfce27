"""That the bench says what it is asked, and counts what has ended."""

import inspect
import json
import subprocess
import sys
from importlib import import_module

import pytest

from tenant_provisioning_tests.bench.__main__ import MODULES
from tenant_provisioning_tests.bench.family import Family, _part
from tenant_provisioning_tests.bench.measure import Measure

BURN = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
PARENT = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); print('ended', flush=True); input()"
)


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_every_measure_has_a_quick_form(module: str) -> None:
    measure = import_module(f"tenant_provisioning_tests.bench.{module}").measure
    assert list(inspect.signature(measure).parameters) == ["quick"]


def test_a_figure_is_one_line_with_its_facts_beside_it() -> None:
    told = Measure("P1", "wall", 1.08, "times", "≤ 1.10", True, {"runs": 3}).as_json()

    assert "\n" not in told
    assert json.loads(told) == {
        "measure": "P1", "title": "wall", "value": 1.08, "unit": "times", "goal": "≤ 1.10", "meets": True, "runs": 3,
    }  # fmt: skip


def test_the_processor_seconds_of_a_process_that_has_ended_are_not_lost() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        family = Family(parent.pid)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ended\n"
        used = family.cpu()
        family.close()
        parent.communicate(b"\n")

    assert used.total() >= 0.4


@pytest.mark.parametrize(
    ("command", "parent", "part"),
    [
        ("python -m dagster dev -h 127.0.0.1", "supervisor", "dagster dev"),
        ("python -m dagster code-server start --socket x", "dagster dev", "code server"),
        ("python -m dagster api grpc --socket x", "code server", "code server"),
        ("python -c from multiprocessing.spawn import spawn_main", "code server", "run worker"),
        ("python -m dagster._daemon run --instance-ref {postgres, celery}", "dagster dev", "daemon"),
        ("/opt/pginstall/bin/postgres -D data", "supervisor", "postgres"),
        ("postgres: checkpointer", "postgres", "postgres"),
        ("python -m tenant_provisioning.embedded.watchdog", "supervisor", "supervisor"),
    ],
)
def test_a_process_is_known_by_its_command_and_its_parent(command: str, parent: str, part: str) -> None:
    assert _part(command, parent) == part
