"""Where a call asks before it is sent: whoever keeps the budgets that vendors give us. Who that is, and how, is not decided here.

A bucket is what a vendor counts together. Each vendor's module names the buckets of its calls, as in "godaddy" or
"fabric:GET /workspaces"; what stands before the colon is the kind, for which there is a budget.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Protocol

BucketOf = Callable[[str, str], str | None]
"""The bucket of a call, by its method and its path; None where the vendor publishes no limit."""
_limits: ContextVar[tuple[asyncio.Timeout, ...]] = ContextVar("limits", default=())


class Admission(Protocol):
    """Who lets calls through."""

    def let_through(self, bucket: str) -> AbstractAsyncContextManager[None]:
        """A block that begins when the call may be sent, and ends with the call."""

    async def hold(self, bucket: str, seconds: float) -> None:
        """Nobody's call is let through within these seconds: the vendor has said so."""


def uncounted(_method: str, _path: str) -> None:
    """No bucket: the vendor publishes no limit that we come near."""


@asynccontextmanager
async def vendor_deadline(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """As `asyncio.timeout`, but standing still while a call waits to be let through: it is the vendor who has a deadline."""
    async with asyncio.timeout(seconds) as limit:
        before = _limits.get()
        _limits.set((*before, limit))
        try:
            yield limit
        finally:
            _limits.set(before)


@contextmanager
def time_stands_still() -> Iterator[None]:
    """The deadlines around this block are later by as long as it takes."""
    began = time.monotonic()
    ends = [(limit, end) for limit in _limits.get() if (end := limit.when()) is not None and not limit.expired()]
    for limit, _ in ends:
        limit.reschedule(None)
    try:
        yield
    finally:
        for limit, end in ends:
            limit.reschedule(end + time.monotonic() - began)
