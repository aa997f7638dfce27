"""The way to the database and to the vendors, which the steps of a run share while they go side by side and follow each other.

Each would open a pool of its own and greet every vendor anew otherwise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, asyncio.AbstractEventLoop]


@dataclass
class _Held(Generic[T]):
    """What one run holds open, and how many of its steps are at work with it."""

    users: int = 0
    thing: T | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    cleanup: AsyncExitStack = field(default_factory=AsyncExitStack)
    closing: asyncio.Task[None] | None = None


class Shared(Generic[T]):
    """Things that the first step of a run that needs them opens. They are closed when the last has left and `linger` seconds have
    passed in which no other came, or with the run's event loop."""

    def __init__(self, linger: float = 0.0) -> None:
        self._held = dict[Key, _Held[T]]()
        self._linger = linger

    @asynccontextmanager
    async def borrow(self, run_id: str, open_it: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """The run's own, opened by `open_it` where no other step holds it. What that raises is the opener's alone."""
        key, linger = (run_id, asyncio.get_running_loop()), self._linger
        held = self._held.setdefault(key, _Held())
        held.users += 1
        try:
            async with held.opening:
                if held.thing is None:
                    held.thing = await held.cleanup.enter_async_context(open_it())
            yield held.thing
        except asyncio.CancelledError:
            linger = 0.0  # the loop may be about to end
            raise
        finally:
            held.users -= 1
            if linger and not held.users and held.thing is not None:
                held.closing = asyncio.create_task(self._close_later(key, held))
            else:
                await self._close(key, held)

    async def _close_later(self, key: Key, held: _Held[T]) -> None:
        try:
            await asyncio.sleep(self._linger)
        except asyncio.CancelledError:  # the loop ends
            await self._close(key, held)
            raise
        if held.closing is asyncio.current_task():  # nobody has come and left meanwhile
            await self._close(key, held)

    async def _close(self, key: Key, held: _Held[T]) -> None:
        if not held.users and self._held.get(key) is held:
            del self._held[key]
            await held.cleanup.aclose()
