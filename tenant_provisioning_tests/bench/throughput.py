"""P5: tenants a minute with instant vendors, all submitted at once, until the last of them waits for QA."""

import os
import time
from collections.abc import Iterator

from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.stack import profile, running

TENANTS, QUICK_TENANTS = 60, 3


def measure(quick: bool) -> Iterator[Measure]:
    """One warm-up, then the crowd."""
    tenants = [f"crowd-{number}" for number in range(QUICK_TENANTS if quick else TENANTS)]
    with running(latency="instant") as bench:
        bench.provision("warm-up")
        before = bench.family.cpu()
        began = bench.submit(*tenants)
        bench.finished(*tenants)
        seconds = time.time() - began
        used = bench.family.cpu() - before
        peak = dict(bench.family.peak_mb())
    rate = len(tenants) / seconds * 60
    facts = {
        "profile": profile(), "tenants": len(tenants), "seconds": round(seconds, 1), "cores": os.cpu_count(),
        "cores_used": round(sum(used.values()) / seconds, 2),
        "cpu_a_tenant_by_part": {part: round(one / len(tenants), 3) for part, one in sorted(used.items())},
        "peak_mb": peak,
    }  # fmt: skip
    yield Measure("P5", "tenants a minute, instant vendors", round(rate, 1), "/min", "≥ 60", rate >= 60, facts)
