"""A program as something to start and to end, and what else a process needs to be ended well: its lock and its signals.

Keeping programs running is the supervisor's; finding processes that nobody keeps any more is the watchdog's.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tenant_provisioning.embedded.watchdog import MARKER

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)  # loaded here, because a forked child should not load anything


@dataclass(frozen=True)
class Account:
    """The user and group that a program runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """What to start and how to end it. `environment` is complete: nothing is inherited."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    directory: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


def spawn(program: Program, output: IO[bytes], *, marker: str | None = None) -> subprocess.Popen[bytes]:
    """Starts the program in a session of its own, so that Ctrl-C reaches its starter only.

    On Linux it gets its stop signal when the *thread* that called this ends: call from one that lives as long as the
    program should.
    """

    def prepare() -> None:
        # a shell's `&` lets its children ignore SIGINT, and Dagster then ignores SIGTERM as well
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.platform == "linux":
            # by now subprocess has changed the user; a later change would clear the death signal
            LIBC.prctl(PR_SET_PDEATHSIG, int(program.stop_signal))

    account = program.account
    return subprocess.Popen(
        [os.fspath(word) for word in program.command],
        env={**program.environment, **({MARKER: marker} if marker else {})},
        cwd=program.directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 - does nothing but system calls
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def end(process: subprocess.Popen[bytes], program: Program) -> None:
    """The process is gone: asked with its stop signal first, killed when it takes longer than it may."""
    process.send_signal(program.stop_signal)
    try:
        process.wait(program.stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def hold_lock(path: Path) -> IO[str]:
    """The file, locked until it is closed or this process ends, however it ends. BlockingIOError when it is taken."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, also in a job started with `&`. Main thread only."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
