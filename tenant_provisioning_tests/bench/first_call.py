"""P3: seconds from the row that a form becomes to the first call at a vendor, in a stack that has nothing else to do."""

from collections.abc import Iterator
from statistics import median

from tenant_provisioning_tests.bench.measure import Measure, percentile_95
from tenant_provisioning_tests.bench.one_by_one import series
from tenant_provisioning_tests.bench.stack import profile


def measure(quick: bool) -> Iterator[Measure]:
    """The 95th percentile, all rows but the fresh stack's first."""
    rows = series(quick).rows[1:]
    waits = [row.first_call for row in rows]
    worst = percentile_95(waits)
    facts = {
        "profile": profile(), "rows": len(waits), "median": round(median(waits), 2),
        "least": round(min(waits), 2), "most": round(max(waits), 2),
        "row_to_run_start_median": round(median(row.run_started for row in rows), 2),
        "row_to_run_end_median": round(median(row.whole for row in rows), 2),
    }  # fmt: skip
    yield Measure("P3", "row → first call, 95th percentile", round(worst, 2), "s", "≤ 5", worst <= 5, facts)
