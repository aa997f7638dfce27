"""What is due later: the effects of background work, carried out in order before the next call that could see them."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from tenant_provisioning.simulator.world import World


@dataclass(frozen=True, slots=True)
class Due:
    """One effect: `kind` names who carries it out, `subject` what with."""

    id: str
    at: float
    kind: str
    subject: str


class Agenda:
    """Effects by their time. They survive a restart; what fell due meanwhile happens then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._table = world.table("fabric.agenda", Due)
        self._carry_out: dict[str, Callable[[str], None]] = {}
        self._queue = [(due.at, number, due.id) for number, due in enumerate(self._table.values())]
        heapq.heapify(self._queue)
        self._number = len(self._queue)

    def on(self, kind: str, carry_out: Callable[[str], None]) -> None:
        """Say who carries out effects of this kind."""
        self._carry_out[kind] = carry_out

    def after(self, seconds: float, kind: str, subject: str) -> float:
        """Put an effect off by that many seconds; the moment it is due (epoch seconds)."""
        due = Due(id=self._world.new_id(), at=self._world.now() + seconds, kind=kind, subject=subject)
        self._table.put(due.id, due)
        self._number += 1
        heapq.heappush(self._queue, (due.at, self._number, due.id))
        return due.at

    def settle(self) -> None:
        """Carry out everything that is due by now."""
        now = self._world.now()
        while self._queue and self._queue[0][0] <= now:
            _, _, due_id = heapq.heappop(self._queue)
            due = self._table.get(due_id)
            if due is not None:
                self._table.delete(due_id)
                self._carry_out[due.kind](due.subject)
