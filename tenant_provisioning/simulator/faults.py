"""Faults that a test puts into the vendors' way, chosen by vendor, operation, what the call is about, and its number.

The kinds in HTTP_KINDS are carried out around a call by `http.operation`. Any other kind (`import_failed`,
`operation_failed` …) is for the vendor's state, which asks `claim` at the moment the thing might go wrong.
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HTTP_KINDS = frozenset(
    {"error_before", "lost_response", "hang", "hang_after", "slow", "malformed", "throttle", "reset", "refuse"}
)
UNANSWERED_KINDS = frozenset({"lost_response", "hang", "hang_after", "reset"})


class FaultPlan(BaseModel):
    """A fault as the control API takes it: it strikes from the n-th matching call on, so many times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: str
    operation: str | None = None
    match: dict[str, str] = Field(default_factory=dict, description="texts found in the call's path, query or body")
    nth: int = Field(default=1, ge=1)
    times: int | Literal["forever"] = 1
    probability: float = Field(default=1, gt=0, le=1)
    kind: str
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = None
    message: str | None = None
    retry_after: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0, description="how long a slow answer or a hang takes")


@dataclass
class Fault:
    """A plan with the counts of what it has met and struck."""

    id: str
    plan: FaultPlan
    met: int = 0
    struck: int = 0

    def as_json(self) -> dict[str, object]:
        """The plan and its counts, for the control API."""
        return {"id": self.id, **self.plan.model_dump(), "met": self.met, "struck": self.struck}


@dataclass
class Faults:
    """The faults in force, oldest first; the first that strikes is the one that happens."""

    random: random.Random
    _faults: dict[str, Fault] = field(default_factory=dict)
    _made: int = 0

    def add(self, plan: FaultPlan) -> Fault:
        """Put a fault in force."""
        self._made += 1
        fault = Fault(f"fault-{self._made}", plan)
        self._faults[fault.id] = fault
        return fault

    def remove(self, identifier: str) -> bool:
        """Whether there was such a fault; it no longer is."""
        return self._faults.pop(identifier, None) is not None

    def clear(self) -> None:
        """No faults any more."""
        self._faults.clear()

    def all(self) -> list[Fault]:
        """Those in force, those that have struck for the last time included."""
        return list(self._faults.values())

    def concern(self, vendor: str, operation: str) -> bool:
        """Whether any fault might strike this call, so that its body has to be looked at."""
        return any(
            fault.plan.kind in HTTP_KINDS and fault.plan.vendor == vendor and fault.plan.operation in (None, operation)
            for fault in self._faults.values()
        )

    def strike(self, vendor: str, operation: str, text: str) -> Fault | None:
        """The fault that happens to this call, counted; None when it goes well."""
        return self._next(vendor, operation, text, HTTP_KINDS)

    def claim(self, kind: str, vendor: str, operation: str, text: str) -> Fault | None:
        """The fault of a vendor's own kind that happens now to the thing named in text, counted; else None."""
        return self._next(vendor, operation, text, frozenset({kind}))

    def _next(self, vendor: str, operation: str, text: str, kinds: frozenset[str]) -> Fault | None:
        for fault in self._faults.values():
            plan = fault.plan
            if plan.kind not in kinds or plan.vendor != vendor or plan.operation not in (None, operation):
                continue
            if all(wanted in text for wanted in plan.match.values()) and self._strikes(fault):
                return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        plan = fault.plan
        fault.met += 1
        if fault.met < plan.nth or (plan.times != "forever" and fault.struck >= plan.times):
            return False
        if plan.probability < 1 and self.random.random() >= plan.probability:
            return False
        fault.struck += 1
        return True
