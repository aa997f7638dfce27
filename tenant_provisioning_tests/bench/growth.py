"""P6: what one more tenant costs, and what the idle stack and each page cost, with ten thousand tenants there against with ten.

Both are measured in one stack. In between, its databases, Dagster's included, are filled with copies of what the first ten left,
and every report of the catalog has been made for somebody.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.defs.reports import report_key
from tenant_provisioning.settings import Settings
from tenant_provisioning_tests.bench.crowd import multiply
from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.one_by_one import SETTLE_SECONDS, used_while_idle
from tenant_provisioning_tests.bench.pages import PageTimes, page_times
from tenant_provisioning_tests.bench.past import events_of_a_run, lengthen, wait_until_gone_through
from tenant_provisioning_tests.bench.stack import Bench, profile, running

FIRST, QUICK_FIRST = 10, 2
TENANTS, QUICK_TENANTS = 10_000, 40
ROWS, QUICK_ROWS = 7, 1
IDLE_SECONDS, QUICK_IDLE_SECONDS = 60.0, 3.0
SIMULATOR = "simulator"


def measure(quick: bool) -> Iterator[Measure]:
    """The ratio of the medians, then those of the idle stack and of the page that grows most, and what a run leaves in the log."""
    first, rows = (QUICK_FIRST, QUICK_ROWS) if quick else (FIRST, ROWS)
    tenants = int(os.environ.get("BENCH_TENANTS", QUICK_TENANTS if quick else TENANTS))
    with running(latency="instant") as bench:
        settings = _settings(bench)
        for number in range(first - rows):
            bench.provision(f"first-{number}")
        few = _cost(bench, "few", rows, quick)
        pages_few = asyncio.run(page_times(settings, 3 if quick else 15))
        log = events_of_a_run(bench.dagster_url)
        began = time.monotonic()
        added = _fill(bench, tenants // first)
        filling = time.monotonic() - began
        wait_until_gone_through(bench.dagster_url)
        bench.provision("after-the-filling")
        many = _cost(bench, "many", rows, quick)
        pages_many = asyncio.run(page_times(settings, 3 if quick else 15))
        sizes = bench.sizes()
    told = {
        "profile": profile(),
        "tenants": [first, tenants],
        "rows_added": added,
        "filled_in_seconds": round(filling, 1),
    }
    ratio = many["cpu"] / few["cpu"]
    facts = {**told, "few": few, "many": many}
    yield Measure(
        "P6", f"CPU a tenant, {tenants:,} tenants ÷ {first}", round(ratio, 3), "times", "≤ 1.05", ratio <= 1.05, facts
    )
    ratio = many["idle"] / few["idle"]
    yield Measure("P6.idle", "CPU of the idle stack, its sensors included", round(ratio, 3), "times", facts=facts)
    grown = {page: pages_many[page].least / pages_few[page].least for page in pages_few}
    most = max(grown, key=lambda page: grown[page])
    facts = {**told, "few_ms": _least(pages_few), "many_ms": _least(pages_many)}
    yield Measure("P6.pages", f"page that grows most ({most})", round(grown[most], 2), "times", facts=facts)
    yield Measure(
        "log", "events of a run in Dagster's log", log["events"], "rows", facts={**log, "mb_of_databases": sizes}
    )


def _cost(bench: Bench, name: str, rows: int, quick: bool) -> dict[str, Any]:
    """Median processor seconds of a provisioning, without the simulator's and the idle stack's; its wall; cores used while idle."""
    span, used = used_while_idle(bench, QUICK_IDLE_SECONDS if quick else IDLE_SECONDS)
    idle = (sum(used.values()) - used[SIMULATOR]) / span
    resting = {part: round(seconds / span, 4) for part, seconds in used.items() if part != SIMULATOR}
    cpu, wall = list[float](), list[float]()
    for number in range(rows):
        began, before = time.monotonic(), bench.family.cpu()
        done = bench.provision(f"{name}-{number}")
        time.sleep(SETTLE_SECONDS)
        spent = bench.family.cpu() - before
        cpu.append(round(sum(spent.values()) - spent[SIMULATOR] - idle * (time.monotonic() - began), 3))
        wall.append(done.ended - done.started)
    return {
        "cpu": round(median(cpu), 3),
        "run_seconds": round(median(wall), 2),
        "idle": round(idle, 4),
        "idle_by_part": resting,
        "cpu_each": cpu,
    }


def _least(pages: dict[str, PageTimes]) -> dict[str, float]:
    return {page: times.least for page, times in pages.items()}


def _fill(bench: Bench, times: int) -> int:
    url = bench.settings["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        there = [row[0] for row in connection.execute("select id from organizations").fetchall()]
    catalog = load_catalog(Path(bench.settings["CATALOG_PATH"]))
    reports = [report_key(template) for template in catalog.reports]
    return multiply(url, there, times) + lengthen(bench.dagster_url, times, reports)


def _settings(bench: Bench) -> Settings:
    known: dict[str, Any] = {name.lower(): value for name, value in bench.settings.items()}
    return Settings(_env_file=None, **{name: value for name, value in known.items() if name in Settings.model_fields})
