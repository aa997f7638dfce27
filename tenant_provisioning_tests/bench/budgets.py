"""P4: a queue of tenants against vendors that enforce their limits. Is the tightest budget used, is nobody throttled or starved?

Several worker processes make the calls of every tenant that vendors count, with the product's own clients and budgets
(`budgets_worker`). The steps' other work is left out: for a thousand tenants it takes longer than the limits do. A minute of the
limits lasts some seconds, for us and for the simulator alike, and the slack that a call has on its way is shorter with it.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
import psycopg

from tenant_provisioning.embedded.environment import SIMULATED_WORLD as WORLD
from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres
from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.call_queue import done_in_seconds
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.godaddy import GoDaddy
from tenant_provisioning_tests.bench.measure import Measure

STARTING = 120  # seconds a busy machine may need
ASK_ESTIMATES_AT = (0.1, 0.3, 0.5, 0.7, 0.9)  # shares of the tenants that are done


@dataclass(frozen=True)
class Trial:
    """How many tenants, by how many processes, so many at once in each; and the limits, whose minute lasts `minute` seconds."""

    tenants: int
    workers: int
    at_once: int
    godaddy: int
    fabric: int
    minute: float

    @property
    def budgets(self) -> dict[str, CallBudget]:
        """As the settings make them, but for the length of a minute and the slack in it."""
        slack = self.minute / 60
        return {
            "godaddy": CallBudget(self.godaddy, "bench", self.minute, slack),
            "fabric": CallBudget(self.fabric, "bench", self.minute, slack),
        }


WHOLE = Trial(tenants=1000, workers=3, at_once=25, godaddy=60, fabric=200, minute=12.0)
QUICK = Trial(tenants=30, workers=2, at_once=6, godaddy=20, fabric=60, minute=4.0)


@dataclass(frozen=True)
class Seen:
    """What a trial left: the vendors' log, what the workers told, and the estimates with the time at which they were made."""

    log: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    estimates: list[tuple[float, dict[str, float]]]

    @property
    def tenants(self) -> dict[str, tuple[float, float]]:
        """When each tenant was begun and done."""
        return {tenant: (times[0], times[1]) for worker in self.workers for tenant, times in worker["tenants"].items()}

    def calls(self, vendor: str) -> list[float]:
        """When that vendor was called."""
        return sorted(one["started"] for one in self.log if one["vendor"] == vendor)


def measure(*, quick: bool) -> Iterator[Measure]:
    """The trial, and what a call costs with a budget and without."""
    trial = QUICK if quick else WHOLE
    with throwaway_postgres() as server, _simulator() as world:
        seen = asyncio.run(_try(trial, server, world))
        yield from judged(trial, seen)
        yield asyncio.run(_cost(server, world, rounds=2 if quick else 10))


def judged(trial: Trial, seen: Seen) -> Iterator[Measure]:
    """What the trial says."""
    calls = seen.calls("godaddy")
    rate, lasted = trial.godaddy / trial.minute, calls[-1] - calls[0]
    used = (len(calls) - trial.godaddy) / (lasted * rate)  # the first window's calls may go at once, and prove nothing
    facts = {
        "tenants": len(seen.tenants), "processes": trial.workers, "minute_lasts_seconds": trial.minute,
        "calls": len(seen.log), "calls_of_tightest": len(calls), "seconds": round(lasted, 1),
        "most_in_any_minute": most_within(trial.minute, calls), "limit": trial.godaddy,
    }  # fmt: skip
    yield Measure("P4", "tightest budget used", used, "of it", "≥ 0.95", used >= 0.95, facts)
    throttled = sum(one["status"] == 429 for one in seen.log)
    yield Measure("P4 throttled", "calls that were throttled", throttled, "calls", "0", throttled == 0)
    took = sorted(ended - began for began, ended in seen.tenants.values())
    starved = took[-1] / median(took)
    yield Measure(
        "P4 starved", "slowest tenant ÷ the middle one", starved, "", "≤ 2", starved <= 2 and len(took) == trial.tenants,
        {"longest_wait_of_a_tenant": max(worker["longest"] for worker in seen.workers)},
    )  # fmt: skip
    errors = sorted(_errors(trial, seen))
    if errors:
        yield Measure(
            "P4 estimate", "error of “done in”, the middle one", median(errors), "of the time left", "", None,
            {"ninth_of_ten": errors[int(len(errors) * 0.9)], "estimates": len(errors)},
        )  # fmt: skip


def most_within(seconds: float, ordered: list[float]) -> int:
    """The most of these times that lie in one window of this length, wherever it begins."""
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def _errors(trial: Trial, seen: Seen) -> Iterator[float]:
    """How far each estimate was off, as a share of what was left; what was nearly done is not asked."""
    for asked_at, estimates in seen.estimates:
        for tenant, seconds in estimates.items():
            left = seen.tenants[tenant][1] - asked_at
            if left > trial.minute:
                yield abs(seconds - left) / left


async def _try(trial: Trial, server: EmbeddedPostgres, world: "World") -> Seen:
    database = server.url("postgres")
    await migrate(database)
    with psycopg.connect(database) as connection:
        connection.execute(
            """insert into organizations (name, subdomain, domain, lms, english_maths, crm, data_store_kind, created_at)
               select 'Tenant ' || n, 'tenant-' || n, 'yourplatform.com', 'APTEM', 'BKSB', 'HUBSPOT', 'lakehouse',
                 now() + n * interval '1 microsecond'
               from generate_series(1, %s) as n""",
            (trial.tenants,),
        )
    world.knobs(
        "fabric", calls_per_minute=trial.fabric, minute=trial.minute, workspaces_per_principal=10_000, created_at_once=1
    )
    world.knobs("godaddy", requests_per_minute=trial.godaddy, minute=trial.minute, limit_requests=True)
    order = {
        "url": world.url, "ca_file": str(world.ca_file), "database": database, "at_once": trial.at_once, "connections": 6,
        "budgets": {kind: asdict(budget) for kind, budget in trial.budgets.items()},
    }  # fmt: skip
    command = [sys.executable, "-m", "tenant_provisioning_tests.bench.budgets_worker"]
    workers = [
        await asyncio.create_subprocess_exec(
            *command, json.dumps({**order, "worker": f"worker-{number}"}), stdout=asyncio.subprocess.PIPE
        )
        for number in range(trial.workers)
    ]
    try:
        done = asyncio.gather(*(worker.communicate() for worker in workers))
        estimates = await _estimates(trial, database, done)
        told = [json.loads(out.splitlines()[-1]) for out, _ in await done]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
    return Seen(world.log(), told, estimates)


async def _estimates(trial: Trial, database: str, done: "asyncio.Future[Any]") -> list[tuple[float, dict[str, float]]]:
    """What is said of everybody who is not done, at some moments."""
    found, points = [], list(ASK_ESTIMATES_AT)
    async with open_database(database, max_size=1) as db:
        while not done.done() and points:
            await asyncio.wait([done], timeout=trial.minute / 10)
            async with db.connection() as connection:
                rows = await connection.execute(
                    "select count(*) as made from organizations where deployment_status = 'pending_qa'"
                )
                made = (await rows.fetchall())[0]["made"]
            if made >= points[0] * trial.tenants:
                points = [point for point in points if made < point * trial.tenants]
                told = await done_in_seconds(db)
                found.append((time.time(), {str(tenant): seconds for tenant, seconds in told.items()}))
    return found


async def _cost(server: EmbeddedPostgres, world: "World", rounds: int, calls: int = 50) -> Measure:
    """A call with room in its budget against one without a budget, in turns."""
    world.knobs("godaddy", limit_requests=False)
    key, secret, domain = WORLD["GODADDY_API_KEY"], WORLD["GODADDY_API_SECRET"], WORLD["PLATFORM_DOMAIN"]
    taken: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    async with open_database(server.url("postgres"), max_size=1) as db:
        # as many tokens as the greatest budget of the defaults, that come back before they are missed
        gate = CallBudgets(db, {"godaddy": CallBudget(200, "cost", seconds=0.01, slack=0.1)})
        for _ in range(rounds):
            for counted in (False, True):
                async with GoDaddy(
                    world.url, key, secret, verify=trust(world.ca_file), admission=gate if counted else None
                ) as godaddy:
                    await godaddy.find_record(domain, "CNAME", "warm")
                    before, ours, theirs = time.perf_counter(), time.process_time(), _cpu_of(server)
                    for _ in range(calls):
                        await godaddy.find_record(domain, "CNAME", "cost")
                    spent = (time.perf_counter() - before, time.process_time() - ours, _cpu_of(server) - theirs)
                    taken[counted].append(spent)
    wall, ours, theirs = (
        {counted: median(one[part] for one in taken[counted]) / calls * 1000 for counted in taken} for part in range(3)
    )
    return Measure(
        "P4 cost", "what a budget adds to a call", wall[True] - wall[False], "ms", "", None,
        {
            "call_without_ms": round(wall[False], 3), "call_with_ms": round(wall[True], 3),
            "cpu_added_ms": round(ours[True] - ours[False], 3), "cpu_added_in_postgres_ms": round(theirs[True] - theirs[False], 3),
        },
    )  # fmt: skip


def _cpu_of(server: EmbeddedPostgres) -> float:
    """Seconds of processor that the server's backends have used."""
    with psycopg.connect(server.url("postgres")) as connection:
        pids = [
            pid
            for (pid,) in connection.execute(
                "select pid from pg_stat_activity where pid <> pg_backend_pid()"
            ).fetchall()
        ]
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


@dataclass(frozen=True)
class World:
    """The simulated vendors, in a process of their own."""

    url: str
    ca_file: Path

    def knobs(self, vendor: str, **changes: Any) -> None:
        """Change what a test may change."""
        self._ask("PATCH", f"knobs/{vendor}", changes)

    def log(self) -> list[dict[str, Any]]:
        """What the vendors were asked."""
        return list(self._ask("GET", "requests")["requests"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        with httpx.Client(base_url=self.url, verify=trust(self.ca_file), trust_env=False, timeout=60) as client:
            return client.request(method, f"/_control/{path}", json=body).raise_for_status().json()


@contextmanager
def _simulator() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ready, ca_file = Path(folder) / "ready.json", Path(folder) / "ca.pem"
        options = ("--port", "0", "--dns-port", "0", "--ca-file", str(ca_file), "--ready-file", str(ready))
        with subprocess.Popen([sys.executable, "-m", "tenant_provisioning.simulator", *options]) as process:
            try:
                deadline = time.monotonic() + STARTING
                while not ready.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("the simulator did not start")
                    time.sleep(0.05)
                yield World(json.loads(ready.read_text())["url"], ca_file)
            finally:
                process.terminate()
