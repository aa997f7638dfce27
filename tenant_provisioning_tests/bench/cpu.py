"""P2: processor seconds of one provisioning of 42 reports with instant vendors, over all processes, and the peak memory of each.

What the idle stack uses meanwhile is told apart and taken off; so is the simulator, which stands for the vendors. Cold is the first
provisioning of a stack that has just started, warm the median of those that follow.
"""

from collections.abc import Iterator
from statistics import median

from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.one_by_one import Row, Series, series
from tenant_provisioning_tests.bench.stack import profile

SIMULATOR = "simulator"


def measure(quick: bool) -> Iterator[Measure]:
    """Warm, cold, idle, and memory."""
    seen = series(quick)
    cold, warm = seen.rows[0], seen.rows[1:]
    seconds = median(_ours(row, seen) for row in warm)
    facts = {"profile": profile(), "rows": len(warm), "each": [round(_ours(row, seen), 2) for row in warm]}
    parts = {part: round(median(_of(row, part, seen) for row in warm), 3) for part in _parts(seen)}
    facts |= {"by_part": parts}
    yield Measure("P2.warm", "CPU a tenant, warm", round(seconds, 2), "s", "≤ 1.0", seconds <= 1.0, facts)
    seconds = _ours(cold, seen)
    parts = {part: round(_of(cold, part, seen), 3) for part in _parts(seen)}
    facts = {"profile": profile(), "by_part": parts}
    yield Measure("P2.cold", "CPU a tenant, cold", round(seconds, 2), "s", "≤ 2.5", seconds <= 2.5, facts)
    idle = {part: round(rate, 4) for part, rate in sorted(seen.idle.items())}
    rate = sum(seen.idle.values()) - seen.idle.get(SIMULATOR, 0)
    yield Measure("P2.idle", "CPU of the idle stack", round(rate, 3), "cores", facts={"by_part": idle})
    most = max(seen.peak_mb.values())
    facts = {"profile": profile(), "by_part": seen.peak_mb}
    yield Measure("memory", "peak memory of the largest process", most, "MB", facts=facts)


def _parts(seen: Series) -> list[str]:
    return sorted({part for row in seen.rows for part in row.cpu})


def _of(row: Row, part: str, seen: Series) -> float:
    return row.cpu[part] - seen.idle.get(part, 0) * row.span


def _ours(row: Row, seen: Series) -> float:
    return sum(_of(row, part, seen) for part in _parts(seen) if part != SIMULATOR)
