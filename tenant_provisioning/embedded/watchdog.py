"""Ends every process that carries a marker in its environment: the last word when a supervisor is gone.

As a program it is the supervisor's shadow: it reads a pipe whose other end only the supervisor holds, so the pipe ends
when the supervisor does, kill -9 included. Then it removes the file it was given and ends what carries the supervisor's
marker, grandchildren and orphans too, because an environment is inherited where a parent is not.
"""

import os
import signal
import sys
import time
from pathlib import Path

import psutil

MARKER = "TENANT_PROVISIONING_STACK"
GRACE = 5.0
UNKILLABLE = 10.0
LOOK_AGAIN = 0.05


def marked(prefix: str) -> list[psutil.Process]:
    """Every process whose marker begins with this, except ourselves and the processes that we descend from."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(prefix) and process.pid not in spared:
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's, which is never one of ours
            continue
    return found


def end_marked(prefix: str, *, grace: float = GRACE) -> int:
    """Ends all processes whose marker begins with this; returns how many. Asks first, kills after `grace` seconds.

    Looks again until there is none, because a process that is being ended may just have started another.
    """
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + grace
    while (found := marked(prefix)) and time.monotonic() < deadline + UNKILLABLE:
        for process in found:
            _end(process, kill=time.monotonic() >= deadline, ask=process not in asked)
        asked.update(found)
        time.sleep(LOOK_AGAIN)  # psutil's own wait would take the exit code away from whoever started it
    return len(asked)


def _end(process: psutil.Process, *, kill: bool, ask: bool) -> None:
    try:
        if kill:
            process.kill()
        elif ask:
            process.terminate()
            process.resume()  # a stopped process would keep the request to itself
    except psutil.NoSuchProcess:
        pass


def main(prefix: str, remove: str) -> None:
    """Waits for the end of standard input, then clears up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends when its work is done
    sys.stdin.buffer.read()
    if remove:
        Path(remove).unlink(missing_ok=True)
    end_marked(prefix)


if __name__ == "__main__":
    main(*sys.argv[1:])
