"""The vendors' budgets, shared by every process: a call waits here for its turn. Who is next is decided in the database, by
`ask_for_call` of the migrations; nothing but the answer is kept in memory.

A call asks once where there is room. Where there is none it is told when its turn comes, sleeps until then and asks again. Whoever
is killed loses a place that comes back by itself. What a bucket is, the vendor's module knows; the budgets are settings.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.model.errors import DatabaseUnavailable
from tenant_provisioning.store.database import Database

NOBODY = UUID(int=0)  # calls for no tenant in particular
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    """Go in so many seconds, with this token, or ask again then."""

    may_go: bool
    seconds: float
    token: int


@dataclass
class CallBudgets:
    """The gate of one tenant's calls. `budgets` go by the kind of bucket: what stands before the colon of its name.

    `urgent` calls pass those of bulk work, four to one. `counted` ones tell what provisioning needs, and are an organization's.
    `waited` are the seconds that calls have stood here.
    """

    db: Database
    budgets: Mapping[str, CallBudget]
    tenant: UUID = NOBODY
    urgent: bool = True
    counted: bool = False
    waited: float = 0.0

    @asynccontextmanager
    async def let_through(self, bucket: str) -> AsyncIterator[None]:
        """A block that begins when the call may be sent, and ends with the call. Raises DatabaseUnavailable before it.

        A bucket without a budget costs nothing: nobody is asked.
        """
        budget = self._budget(bucket)
        if budget is None:
            yield
            return
        name = _name(bucket, budget)
        token, due = await self._turn(name, budget)
        try:
            yield
        finally:
            if time.monotonic() - due > budget.slack:
                # it may have reached the vendor as late as now, where it counts from then on
                with suppress(DatabaseUnavailable):
                    await self._postpone(name, budget, token)

    async def _turn(self, name: str, budget: CallBudget) -> tuple[int, float]:
        """The token with which the call may go now, and since when it might have, or a moment before."""
        place, asks, gone = uuid4(), 0, False
        began = time.monotonic()
        try:
            while not gone:
                asked = time.monotonic()
                answer = await self._ask(name, budget, place)
                asks += 1
                await asyncio.sleep(answer.seconds)
                gone = answer.may_go
        finally:
            if not gone:
                with suppress(DatabaseUnavailable):
                    await self._leave(place)
        if asks > 1:
            self.waited += time.monotonic() - began
            log.info("waited %.1f s for the budget of %s", time.monotonic() - began, name)
        return answer.token, asked + answer.seconds

    async def hold(self, bucket: str, seconds: float) -> None:
        """Nobody calls within the next `seconds`: the vendor has said so to one of us."""
        if (budget := self._budget(bucket)) is not None:
            await self._execute(
                """update call_buckets set held_until = greatest(held_until, clock_timestamp() + make_interval(secs => %s))
                   where bucket = %s""",
                (seconds, _name(bucket, budget)),
            )

    def _budget(self, bucket: str) -> CallBudget | None:
        budget = self.budgets.get(bucket.partition(":")[0])
        return budget if budget is not None and budget.calls else None

    async def _ask(self, name: str, budget: CallBudget, place: UUID) -> "_Answer":
        row = await self._execute(
            "select may_go, seconds, token from ask_for_call(%s, %s, %s, %s, %s, %s, %s, %s)",
            (name, budget.calls, budget.returns_in, budget.slack / 2, place, self.tenant, self.urgent, self.counted),
        )
        assert row is not None  # noqa: S101 - a function answers
        return _Answer(**row)

    async def _postpone(self, name: str, budget: CallBudget, token: int) -> None:
        await self._execute(
            """update call_tokens set free_at = greatest(free_at, clock_timestamp() + make_interval(secs => %s))
               where bucket = %s and number = %s""",
            (budget.seconds, name, token),
        )

    async def _leave(self, place: UUID) -> None:
        await self._execute("delete from waiting_calls where id = %s", (place,))

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> dict[str, Any] | None:
        async with self.db.statement() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone() if cursor.description else None


def _name(bucket: str, budget: CallBudget) -> str:
    kind, _, api = bucket.partition(":")
    return f"{kind} {budget.identity} {api}".rstrip()
