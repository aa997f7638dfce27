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


class Shared(Generic[T]):
    """Things that are opened by the first step of a run that needs them, and closed by the last that leaves."""

    def __init__(self) -> None:
        self._held = dict[Key, _Held[T]]()

    @asynccontextmanager
    async def borrow(self, run_id: str, open_it: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """The run's own, opened by `open_it` where no other step holds it. What that raises is the opener's alone."""
        key = (run_id, asyncio.get_running_loop())
        held = self._held.setdefault(key, _Held())
        held.users += 1
        try:
            async with held.opening:
                if held.thing is None:
                    held.thing = await held.cleanup.enter_async_context(open_it())
            yield held.thing
        finally:
            held.users -= 1
            if not held.users:
                del self._held[key]
                await held.cleanup.aclose()
