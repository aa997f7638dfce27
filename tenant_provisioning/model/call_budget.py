"""How many calls a vendor takes from one identity in a window, and when tenants who share that have had theirs. No I/O."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeVar

MINUTE, HOUR = 60.0, 3600.0  # seconds
T = TypeVar("T")


@dataclass(frozen=True)
class CallBudget:
    """At most `calls` within any `seconds` as `identity`; 0 calls: nobody counts.

    `slack` is how many seconds a call may be on its way to the vendor without being one too many there when it arrives.
    `identity` tells accounts apart and is no secret.
    """

    calls: int
    identity: str
    seconds: float = MINUTE
    slack: float = 1.0

    @property
    def returns_in(self) -> float:
        """Seconds after which what a call has used can be used again."""
        return self.seconds + self.slack

    @property
    def rate(self) -> float:
        """Calls a second in the long run."""
        return self.calls / self.returns_in


def done_in(
    running: Mapping[T, float], waiting: Sequence[tuple[T, float]], rate: float, free: int = 0
) -> dict[T, float]:
    """Seconds until each has made the calls it needs, where `free` can be made at once and `rate` a second after that.

    Those that run share alike; as one ends, the next that waits begins.
    """
    # while nobody runs, the first who waits is about to
    begun, line = (running, deque(waiting)) if running else (dict(waiting[:1]), deque(waiting[1:]))
    ends = [(calls, number, tenant) for number, (tenant, calls) in enumerate(begun.items())]
    heapify(ends)
    done: dict[T, float] = {}
    each = made = 0.0  # calls that a tenant running since the beginning has had by now, and calls of all
    while ends:
        calls, _, tenant = heappop(ends)
        made += (calls - each) * (len(ends) + 1)
        each = calls
        done[tenant] = max(made - free, 0.0) / rate
        if line:
            following, needed = line.popleft()
            heappush(ends, (each + needed, len(done) + len(ends), following))
    return done
