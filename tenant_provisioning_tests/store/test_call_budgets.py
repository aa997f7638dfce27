"""Budgets of vendor calls: never one too many, in turns, and nothing is lost with a process."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.model.errors import DatabaseUnavailable
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.database import Database, open_database

LONG = 30.0  # seconds until a token comes back: longer than a test
A, B, C = (UUID(int=number) for number in (1, 2, 3))


def gate(db: Database, budget: CallBudget, tenant: UUID = A, *, urgent: bool = True) -> CallBudgets:
    return CallBudgets(db, {"vendor": budget}, tenant, urgent=urgent)


async def call_of(gate: CallBudgets, *, lasts: float = 0) -> None:
    """One call that is let through."""
    async with gate.let_through("vendor"):
        await asyncio.sleep(lasts)


async def spend(db: Database, budget: CallBudget, calls: int) -> None:
    """So many calls of nobody in particular."""
    for _ in range(calls):
        await call_of(gate(db, budget, uuid4()))


async def waiting(db: Database) -> int:
    return int((await rows(db, "select count(*) as number from waiting_calls"))[0]["number"])


async def rows(db: Database, query: str) -> list[dict[str, Any]]:
    async with db.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def until(db: Database, number: int, let_through: Sequence[UUID] = ()) -> None:
    """So many calls wait, or have waited and were let through."""
    async with asyncio.timeout(60):
        while await waiting(db) + len(let_through) < number:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


@contextmanager
def caller(
    url: str, tenant: UUID, calls: int, budget: CallBudget, lane: str = "urgent"
) -> Iterator[subprocess.Popen[str]]:
    """A process that makes these calls."""
    told = (url, tenant, calls, budget.calls, budget.seconds, budget.slack, lane)
    module = "tenant_provisioning_tests.store.caller"
    with subprocess.Popen(
        [sys.executable, "-m", module, *map(str, told)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def most_within(seconds: float, times: list[float]) -> int:
    """The most of these times that lie in one window of this length, wherever it begins."""
    ordered = sorted(times)
    return max(sum(start <= time < start + seconds for time in ordered) for start in ordered)


async def test_many_processes_at_once_never_make_more_calls_than_the_budget_in_any_window(database_url: str) -> None:
    budget = CallBudget(10, "us", seconds=0.5, slack=0.2)
    with (
        caller(database_url, A, 20, budget) as first,
        caller(database_url, B, 20, budget) as second,
        caller(database_url, C, 20, budget, "bulk") as third,
    ):
        told = await asyncio.gather(*(asyncio.to_thread(one.communicate) for one in (first, second, third)))
    times = [float(line) for out, _ in told for line in out.splitlines() if line != "waiting"]

    assert len(times) == 60
    assert most_within(budget.seconds, times) <= budget.calls


async def test_where_there_is_room_a_call_asks_once_and_leaves_nothing_behind(db: Database) -> None:
    budget, asked = CallBudget(3, "us", LONG), list[str]()

    class Counting(CallBudgets):
        async def _execute(self, statement: str, values: tuple[Any, ...]) -> dict[str, Any] | None:
            asked.append(statement)
            return await super()._execute(statement, values)

    counting = Counting(db, {"vendor": budget}, A)
    for _ in range(3):
        await call_of(counting)

    assert len(asked) == 3
    assert await waiting(db) == 0
    assert counting.waited == 0


@pytest.mark.parametrize("budgets", [{}, {"vendor": CallBudget(0, "us")}])
async def test_without_a_budget_the_database_is_not_asked(db: Database, budgets: dict[str, CallBudget]) -> None:
    closed = CallBudgets(db, budgets)
    await db.close()

    await call_of(closed)
    await closed.hold("vendor", 60)


async def test_what_a_vendor_asks_of_one_holds_back_everybody_of_that_bucket_and_nobody_else(db: Database) -> None:
    budget = CallBudget(10, "us", LONG)
    one, other = gate(db, budget, A), gate(db, budget, B)
    await call_of(one)
    began = time.monotonic()
    await one.hold("vendor", 1.0)

    async def bulk() -> float:
        await call_of(gate(db, budget, C, urgent=False))
        return time.monotonic() - began

    async def urgent() -> float:
        await call_of(other)
        return time.monotonic() - began

    async def elsewhere() -> float:
        await call_of(CallBudgets(db, {"vendor": CallBudget(10, "somebody else", LONG)}, A))
        return time.monotonic() - began

    first, second, free = await asyncio.gather(bulk(), urgent(), elsewhere())

    assert min(first, second) >= 1.0
    assert free < min(first, second)


async def test_a_shorter_wish_of_the_vendor_does_not_end_a_longer_one(db: Database) -> None:
    budget = CallBudget(10, "us", LONG)
    one = gate(db, budget)
    await call_of(one)
    began = time.monotonic()
    await one.hold("vendor", 1.0)
    await one.hold("vendor", 0.1)
    await call_of(one)

    assert time.monotonic() - began >= 1.0


async def stopped(tasks: Sequence[asyncio.Task[None]]) -> None:
    """They do not wait any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Call = Callable[[UUID, bool], Coroutine[Any, Any, None]]


@contextmanager
def let_through(db: Database, budget: CallBudget) -> Iterator[tuple[Call, list[UUID]]]:
    """A function that makes a call of a tenant, and the tenants in the order in which they were let through."""
    order: list[UUID] = []

    async def call(tenant: UUID, urgent: bool = True) -> None:
        await call_of(gate(db, budget, tenant, urgent=urgent))
        order.append(tenant)

    yield call, order


async def test_a_tenant_with_many_waiting_calls_delays_one_with_a_single_call_by_a_round_at_most(db: Database) -> None:
    budget = CallBudget(2, "us", seconds=0.5, slack=0.2)
    await spend(db, budget, 2)
    with let_through(db, budget) as (call, order):
        many = [asyncio.create_task(call(A, True)) for _ in range(80)]
        await until(db, 80, order)
        before = len(order)
        await asyncio.gather(call(B, True), call(C, True))
        last = max(order.index(B), order.index(C))
        await stopped(many)

    assert last - before <= 3 * budget.calls, "a turn of each of three, and those who had their turn already"
    assert await waiting(db) == 0


async def test_a_quick_tenant_that_asks_anew_each_time_does_not_starve_one_that_waits(db: Database) -> None:
    budget = CallBudget(1, "us", seconds=0.1, slack=0.05)
    await spend(db, budget, 1)
    with let_through(db, budget) as (call, order):

        async def calls(tenant: UUID, number: int) -> None:
            for _ in range(number):
                await call(tenant, True)

        await asyncio.gather(asyncio.gather(*(call(A, True) for _ in range(10))), calls(B, 10))

    assert abs(order[:10].count(A) - order[:10].count(B)) <= 2


async def test_onboarding_passes_bulk_work_and_does_not_starve_it(db: Database) -> None:
    budget = CallBudget(1, "us", seconds=0.2, slack=0.1)
    await spend(db, budget, 1)
    with let_through(db, budget) as (call, order):
        bulk = [asyncio.create_task(call(A, False)) for _ in range(40)]
        await until(db, 40, order)
        urgent = [asyncio.create_task(call(B, True)) for _ in range(40)]
        await until(db, 80, order)
        before = len(order)
        async with asyncio.timeout(30):
            while len(order) < before + 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await stopped([*bulk, *urgent])

    assert order[before : before + 10].count(A) == 2, "one in five"


async def test_a_killed_process_loses_nothing_but_its_own_calls_and_those_come_back(database_url: str) -> None:
    budget = CallBudget(4, "us", seconds=1.0, slack=0.1)
    async with open_database(database_url) as db:
        with caller(database_url, A, 20, budget) as doomed:
            assert doomed.stdout is not None
            await until(db, 12)
            doomed.kill()
        began = time.monotonic()
        await asyncio.gather(*(call_of(gate(db, budget, B)) for _ in range(8)))
        took = time.monotonic() - began
        # whoever does not come back for its turn is given up a little later
        async with asyncio.timeout(30):
            while await waiting(db):
                await call_of(gate(db, budget, B))

    # every second turn may have been a dead one's, and a dead one's place is kept for five seconds; two windows are needed at least
    assert took < 30


async def test_who_stops_waiting_gives_the_place_back_at_once(db: Database) -> None:
    budget = CallBudget(1, "us", LONG)
    await spend(db, budget, 1)
    task = asyncio.create_task(call_of(gate(db, budget)))
    await until(db, 1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert await waiting(db) == 0


async def test_a_call_that_reaches_the_vendor_late_counts_from_when_it_did(db: Database) -> None:
    budget = CallBudget(1, "us", seconds=0.5, slack=0.1)
    async with gate(db, budget).let_through("vendor"):
        await asyncio.sleep(0.6)
        ended = time.monotonic()  # that it was late is told to the database a moment after
    await call_of(gate(db, budget))

    assert time.monotonic() - ended >= budget.seconds


async def test_a_budget_that_was_changed_holds_from_the_next_call_on(db: Database) -> None:
    await spend(db, CallBudget(2, "us", LONG), 2)
    await spend(db, CallBudget(4, "us", LONG), 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await spend(db, CallBudget(3, "us", LONG), 1)

    assert (await rows(db, "select count(*) as number from call_tokens"))[0]["number"] == 3


async def test_while_the_database_is_away_a_call_fails_as_everything_does(own_database_url: str, server: Any) -> None:
    async with open_database(own_database_url) as db:
        one = gate(db, CallBudget(1, "us", LONG))
        await call_of(one)
        task = asyncio.create_task(call_of(one))
        await until(db, 1)
        task.cancel()
        name = own_database_url.rpartition("/")[2].partition("?")[0]
        server.run(f'alter database "{name}" allow_connections false')
        server.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", "postgres", name)
        db.timeout = 1
        with pytest.raises(DatabaseUnavailable):
            await call_of(one)


async def test_calls_of_provisioning_are_counted_for_the_organization(db: Database, acme: Any) -> None:
    budget = CallBudget(10, "us", LONG)
    await call_of(CallBudgets(db, {"vendor": budget}, acme.id, counted=True))
    await call_of(CallBudgets(db, {"vendor": budget}, acme.id, counted=True))
    await call_of(CallBudgets(db, {"vendor": budget}, acme.id))

    assert [row["calls"] for row in await rows(db, "select calls from organization_calls")] == [2]
