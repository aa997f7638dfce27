"""Processes of their own for the tests, found again by a variable that everything they start inherits."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres

LITTER = "TENANT_PROVISIONING_TEST_LITTER"
# a program with a child, and a grandchild in a session of its own whose parent is gone
FAMILY = "sleep 600 & (setsid sleep 600 &) ; echo last words; touch ready; wait"
SUPERVISE = f"""
import os, sys
from pathlib import Path
from tenant_provisioning.embedded.processes import Program, signals_interrupt
from tenant_provisioning.embedded.supervisor import Supervisor

data_dir = Path(sys.argv[1])
family = Program("family", ["/bin/sh", "-c", {FAMILY!r}], dict(os.environ), directory=data_dir)
try:
    with signals_interrupt(), Supervisor(data_dir, remove_at_death=data_dir / "up.env") as supervisor:
        supervisor.start(family, (data_dir / "ready").exists)
        (data_dir / "up.env").touch()
        print("up", flush=True)
        supervisor.pause(600)
except KeyboardInterrupt:
    sys.exit(130)
"""


class Litter:
    """Everything that descends from what a test started, whoever its parent is by now."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(LITTER) == self.id and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def names(self) -> list[str]:
        return sorted(process.name() for process in self.processes())

    def is_gone(self, within: float = 10) -> bool:
        return eventually(lambda: not self.processes(), within)


def eventually(is_so: Callable[[], bool], within: float = 10) -> bool:
    """Whether it becomes so within that many seconds."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., bool]:
    return eventually


@pytest.fixture
def litter() -> Iterator[Litter]:
    litter = Litter()
    yield litter
    for process in litter.processes():
        process.kill()


@pytest.fixture(scope="session")
def throwaway() -> Iterator[EmbeddedPostgres]:
    """One running server for tests that leave it as it is."""
    with throwaway_postgres() as server:
        yield server


@pytest.fixture
def family_environment(litter: Litter) -> dict[str, str]:
    """What a program of a test gets, so that it can be found again."""
    return {"PATH": os.environ["PATH"], LITTER: litter.id}


@pytest.fixture
def supervise(litter: Litter, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts another process that supervises a family on `tmp_path`, and waits until it is up."""

    def start(*, like_a_background_job: bool = False) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(tmp_path)],
            env={**os.environ, LITTER: litter.id},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if like_a_background_job else None,  # noqa: PLW1509
        )
        assert process.stdout
        with process.stdout:
            assert process.stdout.readline() == "up\n"
        return process

    return start
