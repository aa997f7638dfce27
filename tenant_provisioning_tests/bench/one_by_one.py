"""Provisionings with instant vendors, one after another in a fresh stack that has nothing else to do: what P2 and P3 are read from.

A row is inserted at any moment of the sensor's rhythm, as people's forms arrive; the next follows when the one before is done.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache

from tenant_provisioning_tests.bench.stack import Bench, running

ROWS, QUICK_ROWS = 21, 2
IDLE_SECONDS, QUICK_IDLE_SECONDS = 30.0, 4.0
SETTLE_SECONDS = 5.0  # from the end of a start, or of a run, until what follows in its wake is over
LONGEST_PAUSE = 6.0  # a little more than the daemon's rhythm


@dataclass(frozen=True)
class Row:
    """One provisioning: seconds until its first call, and until its run had ended; what it used, and within how many seconds."""

    first_call: float
    run_started: float
    whole: float
    cpu: Counter[str]
    span: float


@dataclass(frozen=True)
class Series:
    """All of them, what the idle stack uses a second, and the peaks of memory."""

    rows: list[Row]  # the first is the first of a fresh stack
    idle: dict[str, float]
    peak_mb: dict[str, float]


@cache
def series(quick: bool) -> Series:
    """Measured once, however many measures are read from it."""
    with running(latency="instant") as bench:
        time.sleep(SETTLE_SECONDS)
        rows = [_row(bench, 0)]
        # not before the first: until then some things have never been done
        span, idle = used_while_idle(bench, QUICK_IDLE_SECONDS if quick else IDLE_SECONDS)
        for number in range(1, QUICK_ROWS if quick else ROWS):
            time.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret
            rows.append(_row(bench, number))
        rates = {part: seconds / span for part, seconds in idle.items()}
        return Series(rows, rates, dict(bench.family.peak_mb()))


def _row(bench: Bench, number: int) -> Row:
    bench.control("DELETE", "requests")
    began, before = time.monotonic(), bench.family.cpu()
    done = bench.provision(f"row-{number}")
    time.sleep(SETTLE_SECONDS)  # a run's process ends after its run
    used, span = bench.family.cpu() - before, time.monotonic() - began
    first = min(seen["started"] for seen in bench.control("GET", "requests")["requests"])
    return Row(first - done.submitted, done.started - done.submitted, done.ended - done.submitted, used, span)


def used_while_idle(bench: Bench, seconds: float) -> tuple[float, Counter[str]]:
    """How long it was left alone, and what each part used meanwhile."""
    began, before = time.monotonic(), bench.family.cpu()
    time.sleep(seconds)
    used = bench.family.cpu() - before
    return time.monotonic() - began, used
