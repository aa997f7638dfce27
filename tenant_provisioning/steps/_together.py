"""Doing several things of one step at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """The results in order. When something fails, its error, but not before all have ended.

    What went on alone would find its connections closed, and an intent it has written would never hear of its effect.
    """
    results: list[T] = []
    for done in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done
        results.append(done)
    return results
