"""The last of the journeys: the stack is killed."""

from typing import Any

import psutil
import pytest

Journey = Any
pytestmark = pytest.mark.journey


def test_a_killed_stack_leaves_neither_dagster_nor_its_database_running(journey: Journey) -> None:
    running = psutil.Process(journey.process.pid).children(recursive=True)
    commands = " ".join(command(one) for one in running)
    for part in (
        "dagster_webserver",
        "dagster._daemon",
        "code-server start",
        "dagster api grpc",
        "postgres",
        "simulator",
    ):
        assert part in commands

    journey.process.kill()

    _, left = psutil.wait_procs(running, timeout=30)
    assert left == []


def command(process: psutil.Process) -> str:
    """What the process was started with; nothing when it has just ended, as PostgreSQL's do with their connection."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
