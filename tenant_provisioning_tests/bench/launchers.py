"""How a run is started: a process for each, as on a single machine, against warm Celery workers. Instant vendors, everything here.

First tenants one after another, then several at once. Processor time is that of daemon, code server, runs and workers, less what
they use while nothing happens.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import psutil

from tenant_provisioning.embedded.processes import signals_interrupt
from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.several import LOOPBACK, SINGLE, Parts, parts
from tenant_provisioning_tests.deploy.celery import PROFILE, REDIS, start_worker

AT_A_TIME = 4
ONE_BY_ONE, QUICK_ONE_BY_ONE = 10, 2
AT_ONCE, QUICK_AT_ONCE = 16, 4
IDLE_SECONDS = 20.0
PATIENCE = 1800
NOT_COUNTED = ("postgres", "redis", "simulator")  # the same whoever starts the runs


@dataclass(frozen=True)
class Started:
    """What one launcher needs, in seconds a tenant; `rate` is tenants a minute."""

    to_run: float
    to_call: float
    cpu: float
    idle: float
    rate: float


def measure(quick: bool) -> Iterator[Measure]:
    """Processor time, wait and rate of warm workers, with those of the default launcher beside them."""
    if REDIS is None:
        yield Measure("start", "not measured: redis-server is not installed", float("nan"), "")
        return
    with signals_interrupt():
        default, celery = _started(quick, workers=False), _started(quick, workers=True)
    for name, unit, title in (
        ("cpu", "s", "processor time a tenant"),
        ("to_call", "s", "row → first vendor call, median"),
        ("to_run", "s", "run created → begun, median"),
        ("rate", "a minute", f"tenants, {AT_A_TIME} runs at a time"),
        ("idle", "s a s", "processor time while nothing happens"),
    ):
        ours, theirs = getattr(celery, name), getattr(default, name)
        yield Measure(
            "start", f"{title}, warm workers", ours, unit, facts={"default": theirs, "ratio": round(ours / theirs, 2)}
        )


def _started(quick: bool, *, workers: bool) -> Started:
    profile = PROFILE if workers else SINGLE
    with (
        ExitStack() as cleanup,
        parts(profile=profile, redis_at=LOOPBACK, runs=AT_A_TIME, latency="instant",
              changes={"max_concurrent_runs: 10": f"max_concurrent_runs: {AT_A_TIME}"}) as all_parts,
    ):  # fmt: skip
        if workers:
            worker = start_worker("one@here", all_parts.folder, all_parts.environment, concurrency=AT_A_TIME)
            cleanup.callback(worker.kill)
            worker.wait_until_ready()
        all_parts.wait_until_ready()
        _provision(all_parts, *[f"warm-{number}" for number in range(AT_A_TIME)])
        began, before = time.monotonic(), _cpu()
        time.sleep(IDLE_SECONDS)
        idle = (_cpu() - before) / (time.monotonic() - began)
        waits = list[float]()
        began, before = time.monotonic(), _cpu()
        for number in range(QUICK_ONE_BY_ONE if quick else ONE_BY_ONE):
            time.sleep(random.uniform(0, 6))  # noqa: S311 - any moment of the sensors' rhythm
            waits.append(_first_call(all_parts, f"single-{number}"))
        cpu = (_cpu() - before - idle * (time.monotonic() - began)) / len(waits)
        count = QUICK_AT_ONCE if quick else AT_ONCE
        rate = 60 * count / _provision(all_parts, *[f"burst-{number}" for number in range(count)])
        created = all_parts.dagster_rows(
            "select start_time - extract(epoch from create_timestamp) as wait from runs where partition like 'single-%%'"
        )
        return Started(median(float(row["wait"]) for row in created), median(waits), cpu, idle, rate)


def _provision(all_parts: Parts, *names: str) -> float:
    began = all_parts.submit(*names)
    return all_parts.finished(*names, within=PATIENCE) - began


def _first_call(all_parts: Parts, name: str) -> float:
    all_parts.control("DELETE", "requests")
    began = all_parts.submit(name)
    all_parts.finished(name, within=PATIENCE)
    return float(min(seen["started"] for seen in all_parts.control("GET", "requests")["requests"])) - began


def _cpu() -> float:
    """Processor seconds that the processes we started have used so far, those that have ended included."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            words, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        if not any(name in words for name in NOT_COUNTED):
            used += times.user + times.system + times.children_user + times.children_system
    return used
