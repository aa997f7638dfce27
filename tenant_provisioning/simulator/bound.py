"""How fast the calls that were followed could have been at best, and how slow one after another: from the vendors' times alone.

A call needs an id, a token or an address that an earlier answer told first, so it comes after that answer. Beyond ids, NEEDS says
what the vendors themselves hold back until something else is over. Everything else could go at once: no vendor limits here how many
calls are under way, only how many there are a minute. No vendor asks for a look before something is made, so looks do not count;
nor does the simulator's own work. What begins when background work ends (a data source is found once its model is made) is left
out, which makes the bound shorter. So does that a call takes effect in its middle: it may be sent half its time before what
holds it back is over, though nobody knows when that will be.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property

from tenant_provisioning.simulator.following import Call, Process

# what has to be over before the answer says so, or before the call can succeed: processes, and calls that answered
NEEDS: Mapping[str, tuple[str, ...]] = {
    "fabric.get_workspace": ("fabric.capacity_assignment",),
    "fabric.create_item": ("fabric.capacity_assignment",),
    "fabric.create_lakehouse": ("fabric.capacity_assignment",),
    "fabric.create_warehouse": ("fabric.capacity_assignment",),
    "fabric.create_sql_database": ("fabric.capacity_assignment",),
    "fabric.get_operation": ("fabric.operation",),
    "fabric.get_operation_result": ("fabric.operation",),
    "fabric.get_lakehouse": ("fabric.sql_endpoint",),
    "fabric.get_job": ("fabric.notebook_job",),
    "fabric.refresh_metadata": ("fabric.sql_endpoint", "fabric.notebook_job"),
    "powerbi.get_import": ("powerbi.import",),
    "powerbi.refresh_dataset": (
        "fabric.capacity_assignment",
        "answer of fabric.bind_connection",
        "answer of fabric.refresh_metadata",
        "fabric.operation of fabric.refresh_metadata",
    ),
    "powerbi.get_refresh": ("powerbi.refresh",),
    "powerbi.list_refreshes": ("powerbi.refresh",),
    "powerbi.execute_queries": ("powerbi.refresh",),
}
IMPORT, LOOK_EVERY = "powerbi.import", 2.0  # the loop looks at an import so often


@dataclass(frozen=True)
class Bound:
    """Seconds: the critical path, the time that calls a minute allow, and the loop that does one thing after another."""

    critical_path: float
    by_limits: float
    loop: float
    path: tuple[str, ...]  # the calls and processes of the critical path, in order
    calls: int
    looks_too_early: int  # polls that were told to come again; no bound counts them

    @property
    def seconds(self) -> float:
        """No provisioning that makes these calls can be faster."""
        return max(self.critical_path, self.by_limits)

    def as_json(self) -> dict[str, object]:
        """For the control API."""
        return {**asdict(self), "seconds": self.seconds}


def bound_of(
    calls: Sequence[Call], per_minute: Mapping[str, int] | None = None, *, configured: Set[bytes] = frozenset()
) -> Bound:
    """The bound of one tenant's calls; `per_minute` limits operations ("powerbi.execute_queries") or vendors ("godaddy").

    What is `configured` (ids, as `following` keeps them) every caller knows from the start, whatever answer tells it too.
    """
    answered = sorted((call for call in calls if call.ended), key=lambda call: call.ended)
    return _Graph(answered, configured).bound(per_minute or {})


@dataclass(frozen=True)
class _Graph:
    calls: list[Call]  # by the time of their answers
    configured: Set[bytes]

    def bound(self, per_minute: Mapping[str, int]) -> Bound:
        ends: dict[int, float] = {}
        before: dict[int, str] = {}
        latest: dict[int, int] = {}
        for number in sorted(range(len(self.calls)), key=lambda number: self.calls[number].began):
            call = self.calls[number]
            start, why, last = 0.0, "", -1
            for maker in self.makers[number]:
                if ends.get(maker, 0.0) > start:
                    start, why, last = ends[maker], "", maker
            for maker, process in self.waits[number]:
                if maker not in ends:
                    continue
                over = ends[maker] - self.calls[maker].latency / 2 + process.seconds - call.latency / 2
                if over > start:
                    start, why, last = over, f"{process.name} {process.seconds:.1f} s", maker
            ends[number], before[number], latest[number] = start + call.latency, why, last
        path: list[str] = []
        number = max(ends, key=lambda number: ends[number], default=-1)
        critical = ends.get(number, 0.0)
        while number >= 0:
            path.append(f"{self.calls[number].operation} {self.calls[number].latency:.2f} s")
            if before[number]:
                path.append(before[number])
            number = latest[number]
        return Bound(
            critical_path=critical,
            by_limits=self._by_limits(per_minute),
            loop=self._loop(),
            path=tuple(reversed(path)),
            calls=len(self.calls),
            looks_too_early=len(self.too_early),
        )

    @cached_property
    def makers(self) -> list[list[int]]:
        """For each call, the calls whose answers first told what it names; one that changes something is believed before a read."""
        asked_first: dict[bytes, float] = {}
        for call in self.calls:
            for one in call.named:
                asked_first[one] = min(asked_first.get(one, math.inf), call.began)
        tellers: dict[bytes, list[int]] = defaultdict(list)
        for number, call in enumerate(self.calls):
            for one in call.told - self.configured:
                if call.ended <= asked_first.get(one, math.inf):
                    tellers[one].append(number)
        maker = {
            one: next((n for n in told if self.calls[n].method != "GET"), told[0]) for one, told in tellers.items()
        }
        return [sorted({maker[one] for one in call.named if one in maker}) for call in self.calls]

    @cached_property
    def waits(self) -> list[list[tuple[int, Process]]]:
        """For each call, what it needed and what was in fact over by then: its own where it names one, else all of that name."""
        return [self._waits(number) for number in range(len(self.calls))]

    def _waits(self, number: int) -> list[tuple[int, Process]]:
        call, found = self.calls[number], list[tuple[int, Process]]()
        for needed in NEEDS.get(call.operation, ()):
            begun = [
                (maker, process)
                for maker, other in enumerate(self.calls)
                for process in (*other.processes, Process("answer", other.latency / 2))
                if needed in (process.name, f"{process.name} of {other.operation}")
                and other.effect + process.seconds <= call.effect
            ]
            own = [one for one in begun if one[0] in self.makers[number]]
            found += own or begun
        return found

    @cached_property
    def too_early(self) -> set[int]:
        """The looks at something that was not over yet, and at which another look followed."""
        last = {(call.method, call.path): number for number, call in enumerate(self.calls)}
        return {
            number
            for number, call in enumerate(self.calls)
            if call.method == "GET" and NEEDS.get(call.operation)
            and not self.waits[number] and last[call.method, call.path] != number
        }  # fmt: skip

    def _loop(self) -> float:
        """Every call after the one before it, each process waited for when it begins, imports looked at every two seconds."""
        needed = {name.partition(" ")[0] for needs in NEEDS.values() for name in needs}
        seconds = sum(call.latency for number, call in enumerate(self.calls) if number not in self.too_early)
        for process in (process for call in self.calls for process in call.processes if process.name in needed):
            looks = math.ceil(process.seconds / LOOK_EVERY)
            seconds += looks * LOOK_EVERY if process.name == IMPORT else process.seconds
        return seconds

    def _by_limits(self, per_minute: Mapping[str, int]) -> float:
        counted: Counter[str] = Counter()
        for call in self.calls:
            counted.update((call.operation, call.operation.partition(".")[0]))
        over = [(counted[name] - limit) / limit * 60 for name, limit in per_minute.items()]
        return max(0.0, *over) if over else 0.0
