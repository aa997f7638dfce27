"""What the processes of a stack have used: processor seconds to the last one, those that have ended included, and peak memory.

Linux adds what an ended process used to its parent, once that has taken note of its end, so that nothing short-lived escapes. Peak
memory is the kernel's own high-water mark of each process, looked at every second.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import psutil

LOOK_EVERY = 1.0
# the first that is found in a command line says what the process is; Dagster's name the storage and the launcher in theirs
PARTS = {
    "dagster_webserver": "webserver",
    "dagster-webserver": "webserver",
    "dagster._daemon": "daemon",
    "dagster-daemon": "daemon",
    "api grpc": "code server",
    "code-server start": "code server",
    "dagster dev": "dagster dev",
    "tenant_provisioning.simulator": "simulator",
    "tenant_provisioning.portal": "portal",
    "bin/postgres": "postgres",
    "redis-server": "redis",
    "celery": "celery worker",
}
RUN_WORKER, OTHER = "run worker", "other"
STARTS_RUNS = ("code server", "celery worker")


class Family:
    """The process of this id and all that came of it."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._peaks: dict[str, int] = defaultdict(int)
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._watch_memory, daemon=True)
        self._watch.start()

    def close(self) -> None:
        """Looks no more."""
        self._over.set()
        self._watch.join()

    def cpu(self) -> Counter[str]:
        """Processor seconds of every part since its start, user and system."""
        used: Counter[str] = Counter()
        for process, part in self._members():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[part] += times.user + times.system
            used[RUN_WORKER if part in STARTS_RUNS else part] += times.children_user + times.children_system
        return used

    def peak_mb(self) -> Mapping[str, float]:
        """The most memory that any one process of a part has had resident, in MB (10^6 bytes), what it shares included."""
        return {part: round(peak / 1e6, 1) for part, peak in sorted(self._peaks.items())}

    def _members(self) -> list[tuple[psutil.Process, str]]:
        parts = {self._root.pid: "supervisor"}
        members = [(self._root, "supervisor")]
        for process in self._root.children(recursive=True):  # parents before their children
            try:
                parent = parts.get(process.ppid(), OTHER)
                part = _part(" ".join(process.cmdline()), parent)
            except psutil.Error:
                continue
            parts[process.pid] = part
            members.append((process, part))
        return members

    def _watch_memory(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            for process, part in self._members():
                self._peaks[part] = max(self._peaks[part], _high_water_mark(process.pid))


def _part(command: str, parent: str) -> str:
    if parent == RUN_WORKER or (parent in STARTS_RUNS and "api grpc" not in command):
        return RUN_WORKER
    if parent in ("postgres", "portal", "simulator"):
        return parent
    return next((part for sign, part in PARTS.items() if sign in command), parent)


def _high_water_mark(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
