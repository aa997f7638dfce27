"""Starts programs, keeps them running and leaves none behind.

Three nets, each for what the one before misses: an orderly stop in reverse order; the kernel's death signal and a
watchdog for when the supervisor is killed; and the next start, which first ends whatever still carries this data
directory's marker. Nothing here knows PostgreSQL or Dagster: they describe themselves as a `Program`.
"""

import hashlib
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, TypeVar

from tenant_provisioning.embedded.processes import Program, end, hold_lock, spawn
from tenant_provisioning.embedded.watchdog import end_marked
from tenant_provisioning.model.errors import SetupError

LOOK_AGAIN = 0.05
FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 30.0
STEADY = 60.0
LOOK_WHOLE, MAIMED_SECONDS = 1.0, 5.0  # how often a program is asked whether it is whole, and how long it may not be

T = TypeVar("T")
State = Literal["starting", "ready", "died", "restarted", "stopped", "note"]


@dataclass(frozen=True)
class Event:
    """Something that whoever started the parts may want to read; `seconds` is how long it took."""

    part: str
    state: State
    detail: str = ""
    seconds: float | None = None


@dataclass
class Child:
    """A program under supervision, through all its restarts."""

    program: Program
    log: Path
    marker: str
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    failures: int = 0
    restart_at: float | None = None
    is_whole: Callable[[int], bool] = lambda _: True
    asked_at: float = 0.0
    whole_at: float | None = None  # since it was started

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, and where to read the rest."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            tail = file.read().decode(errors="replace").splitlines()[-lines:]
        return "\n".join((f"The end of {self.log}:", *tail))


class Supervisor:
    """Keeps programs for one data directory, as a context manager; only one can be at work on a directory.

    `on_event` is called from several threads. `remove_at_death` is a file that must not outlive the supervisor.
    """

    def __init__(
        self, data_dir: Path, *, on_event: Callable[[Event], None] = lambda _: None, remove_at_death: Path | None = None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._on_event = on_event
        self._remove_at_death = remove_at_death
        self._directory_marker = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16] + ":"
        # and a part of our own, because the watchdog of a dead supervisor must spare its successor's programs
        self._marker = f"{self._directory_marker}{secrets.token_hex(4)}:"
        self._stopping = threading.Event()
        self._children: list[Child] = []
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._errands: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        # every program is started by this one thread, which lives as long as they should: a death signal is a thread's
        self._keeper = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._lock = self._only_one()
        try:
            if count := end_marked(self._directory_marker):
                self.tell("supervisor", "note", f"ended {count} processes that an earlier start had left behind")
            if self._remove_at_death:
                self._remove_at_death.unlink(missing_ok=True)
            self._keeper.start()
            self._watchdog = self._in_keeper(self._start_watchdog)
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        while self._children:
            self._in_keeper(self._stop_last)
        self._errands.put(None)
        self._keeper.join()
        if self._watchdog:
            self._watchdog.communicate()  # closes its pipe: it removes the file, finds nothing to end and goes
        self._lock.close()

    def tell(self, part: str, state: State, detail: str = "", seconds: float | None = None) -> None:
        """Passes an event on to whoever started the parts."""
        self._on_event(Event(part, state, detail, seconds))

    def start(
        self,
        program: Program,
        ready: Callable[[], bool],
        *,
        within: float = 60.0,
        is_whole: Callable[[int], bool] = lambda _: True,
    ) -> Child:
        """The program, ready, and restarted from then on when it dies; SetupError with its last words when it fails to.

        `ready` is asked again and again and should answer quickly; `within` is in seconds. `is_whole` says of the process with
        this id, from time to time, whether all it consists of is there; one that has lost a part is started again as well.
        """
        self.tell(program.name, "starting")
        child = self._in_keeper(lambda: self._launch(program))
        child.is_whole = is_whole
        while not ready():
            if child.exit_code is not None:
                raise SetupError(f"{program.name} ended with code {child.exit_code}. {child.last_words()}")
            if time.monotonic() - child.started > within:
                raise SetupError(f"{program.name} was not ready within {within:.0f} seconds. {child.last_words()}")
            self.pause()
        child.ready = True
        self.tell(program.name, "ready", seconds=time.monotonic() - child.started)
        return child

    def run(self, program: Program, *, within: float = 120.0) -> None:
        """Runs the program to its end; SetupError with its last words when that is bad, or not `within` seconds."""
        child = self._in_keeper(lambda: self._launch(program))
        while child.exit_code is None and time.monotonic() - child.started < within:
            self.pause()
        code = child.exit_code
        self._in_keeper(lambda: self._stop(child))
        if code != 0:
            told = f"ended with code {code}" if code is not None else f"was not done within {within:.0f} seconds"
            raise SetupError(f"{program.name} {told}. {child.last_words()}")

    def pause(self, seconds: float = LOOK_AGAIN) -> None:
        """Waits before another look; KeyboardInterrupt once the supervisor is being stopped."""
        if self._stopping.wait(seconds):
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Ends every wait in this supervisor, for someone who gives up while parts are still starting."""
        self._stopping.set()

    def _only_one(self) -> IO[str]:
        lock = self.data_dir / "supervisor.lock"
        elsewhere = "set DATA_DIR to a directory of its own for this one"
        try:
            (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
            return hold_lock(lock)
        except BlockingIOError:
            holder = lock.read_text() or "unknown"
            raise SetupError(f"{self.data_dir} is in use by process {holder}: stop that one, or {elsewhere}.") from None
        except OSError as error:
            raise SetupError(f"{self.data_dir} cannot be written ({error.strerror}): {elsewhere}.") from None

    def _in_keeper(self, errand: Callable[[], T]) -> T:
        future: Future[T] = Future()
        self._errands.put((errand, future))
        return future.result()

    def _keep(self) -> None:
        while True:
            try:
                waiting = self._errands.get(timeout=LOOK_AGAIN)
            except queue.Empty:
                self._look_after_all()
                continue
            if waiting is None:
                return
            errand, future = waiting
            try:
                future.set_result(errand())
            except BaseException as error:  # noqa: BLE001 - belongs to the thread that sent the errand
                future.set_exception(error)

    def _look_after_all(self) -> None:
        if self._stopping.is_set():
            return
        if self._watchdog and self._watchdog.poll() is not None:
            self._watchdog = self._start_watchdog()
        for child in self._children:
            if child.ready:
                self._look_after(child)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.exit_code is None:
            if now - child.started > STEADY:
                child.failures = 0
            self._look_whether_whole(child, now)
        elif child.restart_at is None:
            wait = min(FIRST_BACKOFF * 2**child.failures, LONGEST_BACKOFF)
            child.failures, child.restart_at = child.failures + 1, now + wait
            self.tell(child.program.name, "died", f"with code {child.exit_code}; starts again in {wait:g} s")
        elif now >= child.restart_at:
            end_marked(child.marker)  # what it left behind still holds its port
            child.process, child.started, child.restart_at = (
                _spawn_logged(child.program, child.log, child.marker),
                now,
                None,
            )
            child.whole_at = None
            self.tell(child.program.name, "restarted")

    def _look_whether_whole(self, child: Child, now: float) -> None:
        """Ends what has lost a part of itself; having died, it is started again like anything else."""
        if now - child.asked_at < LOOK_WHOLE:
            return
        child.asked_at = now
        if child.is_whole(child.process.pid):
            child.whole_at = now
        elif child.whole_at is not None and now - child.whole_at > MAIMED_SECONDS:
            self.tell(child.program.name, "note", "has lost a part of itself and is ended")
            child.process.kill()

    def _launch(self, program: Program) -> Child:
        log = self.data_dir / "logs" / f"{program.name}.log"
        marker = f"{self._marker}{program.name}:"
        child = Child(program, log, marker, _spawn_logged(program, log, marker))
        self._children.append(child)
        return child

    def _stop_last(self) -> None:
        self._stop(self._children[-1])

    def _stop(self, child: Child) -> None:
        end(child.process, child.program)
        end_marked(child.marker)  # its own children, who may outlive it
        self._children.remove(child)
        self.tell(child.program.name, "stopped")

    def _start_watchdog(self) -> subprocess.Popen[bytes]:
        remove = str(self._remove_at_death or "")
        with (self.data_dir / "logs" / "watchdog.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tenant_provisioning.embedded.watchdog", self._marker, remove],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=dict(os.environ),
                start_new_session=True,  # neither Ctrl-C nor a closing terminal reaches it
            )


def _spawn_logged(program: Program, log: Path, marker: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return spawn(program, output, marker=marker)
