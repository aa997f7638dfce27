"""Redis and Celery workers as processes, for the tests and the bench of the profile for several machines."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from pydantic import SecretStr

from tenant_provisioning.embedded.ports import free_port
from tenant_provisioning.settings import Settings

PROFILE = Path(__file__).parents[2] / "deploy" / "celery" / "dagster.yaml"
REDIS = shutil.which("redis-server")
STARTING = 120  # seconds a busy machine may need


@contextlib.contextmanager
def redis_server(folder: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """The URL, without a database's number, of a Redis that listens at this address and keeps nothing on disk."""
    port = free_port()
    words = [str(REDIS), "--port", port, "--bind", address, "--protected-mode", "no", "--save", "", "--dir", folder]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log)
    try:
        url = f"redis://{address}:{port}"
        _wait(lambda: _answers(url), process, folder / "redis.log")
        yield url
    finally:
        process.kill()
        process.wait()


@dataclass
class Worker:
    """One Celery worker: a process with its children."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_until_ready(self) -> None:
        """It takes runs."""
        _wait(lambda: b" ready." in self.log.read_bytes(), self.process, self.log)

    def kill(self) -> None:
        """Worker and children are gone without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 30) -> float:
        """How long it took to end, asked as a service manager asks."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(seconds)
        return time.monotonic() - began


def start_worker(
    name: str, folder: Path, environment: Mapping[str, str], *, concurrency: int, inside: Sequence[str] = ()
) -> Worker:
    """A worker as docs/scale.md starts it, with a name@host; `inside` are the words that start a program in another place."""
    log = folder / f"{name.partition('@')[0]}.log"
    words = [
        *inside, sys.executable, "-m", "celery", "-A", "tenant_provisioning.worker", "worker", "--concurrency", str(concurrency),
        "--hostname", name, "--without-gossip", "--without-mingle", "--loglevel", "info",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env=dict(environment), cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    return Worker(name, process, log)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment that makes these settings in another process."""
    told: dict[str, str] = {}
    for name, value in settings:
        if value is not None:
            told[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return {**kept, **told}


def prepare_home(home: Path, changes: Callable[[str], str] = lambda text: text) -> None:
    """DAGSTER_HOME of the profile, the file changed where a test must."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(changes(PROFILE.read_text()))


def _answers(url: str) -> Any:
    with contextlib.suppress(redis.RedisError, socket.error), redis.Redis.from_url(url) as client:
        return client.ping()
    return False


def _wait(question: Callable[[], Any], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTING
    while not question():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)
