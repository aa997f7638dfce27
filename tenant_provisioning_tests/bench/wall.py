"""P1: how long a provisioning of 42 reports takes, against the best that the vendors allow and against one call after another.

The simulator says both, from the calls that it saw and the times that its vendors take. The wall is the run's, from its start to
its end, so Dagster's own part is in it; without that part it goes from the first call to the last one's answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.stack import Bench, profile, running, scale

RUNS = 3


@dataclass(frozen=True)
class Visit:
    """One provisioning: its run and its calls in seconds, what could have been, and the processor seconds it took."""

    run: float
    calls: float
    bound: dict[str, Any]
    cpu: dict[str, float]


def measure(quick: bool) -> Iterator[Measure]:
    """Wall over critical path, and loop over wall: medians of several provisionings, one at a time, in one stack."""
    stretch = scale(quick)
    with running(latency="realistic", scale=stretch) as bench:
        visits = [_visit(bench, f"wall-{number}") for number in range(1 if quick else RUNS)]
    last = visits[-1]
    facts = {
        "profile": profile(), "scale": stretch, "runs": len(visits), "reports": 42,
        "run_seconds": _each(visits, lambda visit: visit.run),
        "calls_seconds": _each(visits, lambda visit: visit.calls),
        "critical_path_seconds": _each(visits, lambda visit: visit.bound["seconds"]),
        "loop_seconds": _each(visits, lambda visit: visit.bound["loop"]),
        "without_dagster": round(median(visit.calls / visit.bound["seconds"] for visit in visits), 3),
        "loop_over_critical_path": round(median(visit.bound["loop"] / visit.bound["seconds"] for visit in visits), 2),
        "calls": last.bound["calls"], "polls_too_early": last.bound["looks_too_early"],
        "critical_path": last.bound["path"],
    }  # fmt: skip
    over = median(visit.run / visit.bound["seconds"] for visit in visits)
    yield Measure("P1", "wall ÷ critical path", round(over, 3), "times", "≤ 1.10", over <= 1.10, facts)
    faster = median(visit.bound["loop"] / visit.run for visit in visits)
    yield Measure("P1.loop", "naive loop ÷ wall", round(faster, 2), "times", "≥ 8", faster >= 8, {"profile": profile()})
    used = median(sum(visit.cpu.values()) - visit.cpu.get("simulator", 0) for visit in visits)
    facts = {"profile": profile(), "scale": stretch, "idle_included": True, "by_part": last.cpu}
    yield Measure("P1.cpu", "CPU of the stack during such a run", round(used, 2), "s", facts=facts)


def _visit(bench: Bench, subdomain: str) -> Visit:
    bench.control("POST", "followed")
    before = bench.family.cpu()
    done = bench.provision(subdomain)
    used = bench.family.cpu() - before
    told = bench.control("GET", "followed")
    bench.control("DELETE", "followed")
    calls = max(call["ended"] for call in told["calls"]) - min(call["began"] for call in told["calls"])
    cpu = {part: round(seconds, 2) for part, seconds in sorted(used.items())}
    return Visit(done.ended - done.started, calls, told["bound"], cpu)


def _each(visits: list[Visit], of: Any) -> list[float]:
    return [round(of(visit), 2) for visit in visits]
