"""How a run is started: a process for each, as on a single machine, against warm Celery workers. Instant vendors, everything here.

First tenants one after another, then a crowd at once. So P2, P3 and P5 are told of warm workers as next door of the single machine,
each with the default launcher's figure beside it, taken in the same call and in the same way.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from tenant_provisioning.embedded.processes import signals_interrupt
from tenant_provisioning_tests.bench.family import Family
from tenant_provisioning_tests.bench.measure import Measure, percentile_95
from tenant_provisioning_tests.bench.several import LOOPBACK, SINGLE, Parts, parts
from tenant_provisioning_tests.deploy.celery import PROFILE, REDIS, start_worker

AT_A_TIME = 4
ONE_BY_ONE, QUICK_ONE_BY_ONE = 20, 2
AT_ONCE, QUICK_AT_ONCE = 60, 4
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 5.0  # from a run's end until what follows in its wake is over
PATIENCE = 1800
NOT_OURS = ("simulator", "supervisor")  # the vendors, and who measures


@dataclass(frozen=True)
class Started:
    """What one launcher needs: seconds from the row to the first call, processor seconds by part, and tenants a minute."""

    to_run: float
    to_call: list[float]
    cpu: dict[str, float]  # of a tenant, one after another
    idle: dict[str, float]
    rate: float
    crowded: dict[str, float]  # processor seconds of a tenant in the crowd


def measure(quick: bool) -> Iterator[Measure]:
    """Warm workers' processor time, wait and rate, with those of the default launcher beside them."""
    if REDIS is None:
        yield Measure("start", "not measured: redis-server is not installed", float("nan"), "")
        return
    with signals_interrupt():
        default, workers = _started(quick, workers=False), _started(quick, workers=True)
    ours, theirs = sum(workers.cpu.values()), sum(default.cpu.values())
    facts = {
        **_beside(ours, theirs),
        "rows": len(workers.to_call),
        "by_part": workers.cpu,
        "default_by_part": default.cpu,
    }
    yield Measure("P2.workers", "CPU a tenant, warm workers", round(ours, 2), "s", "≤ 1.0", ours <= 1.0, facts)
    ours, theirs = percentile_95(workers.to_call), percentile_95(default.to_call)
    facts = {
        **_beside(ours, theirs), "median": round(median(workers.to_call), 2), "default_median": round(median(default.to_call), 2),
        "row_to_run_start_median": round(workers.to_run, 2), "default_row_to_run_start_median": round(default.to_run, 2),
    }  # fmt: skip
    yield Measure(
        "P3.workers", "row → first call, warm workers, 95th percentile", round(ours, 2), "s", "≤ 5", ours <= 5, facts
    )
    ours, theirs = workers.rate, default.rate
    facts = {
        **_beside(ours, theirs), "tenants": QUICK_AT_ONCE if quick else AT_ONCE, "runs_at_a_time": AT_A_TIME,
        "cores": os.cpu_count(), "by_part": workers.crowded, "default_by_part": default.crowded,
    }  # fmt: skip
    yield Measure("P5.workers", "tenants a minute, warm workers", round(ours, 1), "/min", "≥ 60", ours >= 60, facts)
    ours, theirs = (sum(each.idle.values()) for each in (workers, default))
    yield Measure(
        "start", "CPU of warm workers while nothing happens", round(ours, 3), "cores", facts=_beside(ours, theirs)
    )


def _beside(ours: float, theirs: float) -> dict[str, float]:
    return {"default": round(theirs, 3), "ratio": round(ours / theirs, 2)}


def _started(quick: bool, *, workers: bool) -> Started:
    profile = PROFILE if workers else SINGLE
    with (
        ExitStack() as cleanup,
        parts(profile=profile, redis_at=LOOPBACK, runs=AT_A_TIME, latency="instant",
              changes={"max_concurrent_runs: 10": f"max_concurrent_runs: {AT_A_TIME}"}) as all_parts,
    ):  # fmt: skip
        family = Family(os.getpid())
        cleanup.callback(family.close)
        if workers:
            worker = start_worker("one@here", all_parts.folder, all_parts.environment, concurrency=AT_A_TIME)
            cleanup.callback(worker.kill)
            worker.wait_until_ready()
        all_parts.wait_until_ready()
        _provision(all_parts, *[f"warm-{number}" for number in range(AT_A_TIME)])
        time.sleep(SETTLE_SECONDS)
        idle = _used(family, lambda: time.sleep(IDLE_SECONDS))
        waits = list[float]()

        def one_by_one() -> None:
            for number in range(QUICK_ONE_BY_ONE if quick else ONE_BY_ONE):
                time.sleep(random.uniform(0, 6))  # noqa: S311 - any moment of the sensors' rhythm
                waits.append(_first_call(all_parts, f"single-{number}"))
            time.sleep(SETTLE_SECONDS)

        single = _used(family, one_by_one)
        crowd = [f"burst-{number}" for number in range(QUICK_AT_ONCE if quick else AT_ONCE)]
        rates = list[float]()
        crowded = _used(family, lambda: rates.append(60 * len(crowd) / _provision(all_parts, *crowd)))
        created = all_parts.dagster_rows(
            "select start_time - extract(epoch from create_timestamp) as wait from runs where partition like 'single-%%'"
        )
        return Started(
            median(float(row["wait"]) for row in created),
            waits,
            _a_tenant(single, idle, len(waits)),
            {part: round(used / span, 4) for part, (used, span) in idle.items()},
            rates[0],
            {part: round(used / len(crowd), 3) for part, (used, _) in crowded.items()},
        )


def _used(family: Family, work: Callable[[], object]) -> dict[str, tuple[float, float]]:
    """Processor seconds of every part of ours while the work was done, and how long that took."""
    began, before = time.monotonic(), family.cpu()
    work()
    span, used = time.monotonic() - began, family.cpu() - before
    return {part: (seconds, span) for part, seconds in sorted(used.items()) if part not in NOT_OURS}


def _a_tenant(
    used: dict[str, tuple[float, float]], idle: dict[str, tuple[float, float]], tenants: int
) -> dict[str, float]:
    """What each part has used for one tenant, less what it uses anyway."""
    rates = {part: seconds / span for part, (seconds, span) in idle.items()}
    return {part: round((seconds - rates.get(part, 0) * span) / tenants, 3) for part, (seconds, span) in used.items()}


def _provision(all_parts: Parts, *names: str) -> float:
    began = all_parts.submit(*names)
    return all_parts.finished(*names, within=PATIENCE) - began


def _first_call(all_parts: Parts, name: str) -> float:
    all_parts.control("DELETE", "requests")
    began = all_parts.submit(name)
    all_parts.finished(name, within=PATIENCE)
    return float(min(seen["started"] for seen in all_parts.control("GET", "requests")["requests"])) - began
