"""The vendors' budgets, shared by every process: a call waits here for its turn. Who is next is decided in the database, by
`ask_for_call` of the migrations; nothing but the answer is kept in memory.

A call asks once where there is room. Where there is none it is told when its turn comes, sleeps until then and asks again. Whoever
is killed loses a place that comes back by itself. What a bucket is, the vendor's module knows; the budgets are settings.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.model.errors import DatabaseUnavailable
from tenant_provisioning.store.database import Database

NOBODY = UUID(int=0)  # calls for no tenant in particular
MOST_LATE = 3
log = logging.getLogger(__name__)


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

    async def admit(self, bucket: str) -> None:
        """Return when the call may be sent, which must happen at once. Raises DatabaseUnavailable.

        A bucket without a budget costs nothing: nobody is asked.
        """
        budget = self._budget(bucket)
        if budget is None:
            return
        name, place, asks = _name(bucket, budget), uuid4(), 0
        began, late = time.monotonic(), 0
        try:
            while True:
                asked = time.monotonic()
                seconds, asks = await self._ask(name, budget, place), asks + 1
                if seconds:
                    await asyncio.sleep(seconds)
                elif time.monotonic() - asked <= budget.slack / 2:
                    break
                elif (late := late + 1) == MOST_LATE:
                    # it was let through some time ago, and would perhaps be one too many by now
                    raise DatabaseUnavailable(
                        "the platform database takes too long to say whether a vendor may be called."
                    )
        except BaseException:
            with suppress(DatabaseUnavailable):
                await self._leave(place)
            raise
        if asks > 1:
            self.waited += time.monotonic() - began
            log.info("waited %.1f s for the budget of %s", time.monotonic() - began, name)

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

    async def _ask(self, name: str, budget: CallBudget, place: UUID) -> float:
        """0 when the call may go, else in how many seconds to ask again."""
        rows = await self._execute(
            "select ask_for_call(%s, %s, %s, %s, %s, %s, %s) as seconds",
            (name, budget.calls, budget.returns_in, place, self.tenant, self.urgent, self.counted),
        )
        return float(rows[0]["seconds"])

    async def _leave(self, place: UUID) -> None:
        await self._execute("delete from waiting_calls where id = %s", (place,))

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        """The rows of one statement that is a transaction of its own: one exchange with the server, not three."""
        async with self.db.connection() as connection:
            await connection.set_autocommit(True)
            try:
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall() if cursor.description else []
            finally:
                if not connection.closed:
                    await connection.set_autocommit(False)


def _name(bucket: str, budget: CallBudget) -> str:
    kind, _, api = bucket.partition(":")
    return f"{kind} {budget.identity} {api}".rstrip()
