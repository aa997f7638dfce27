"""What `make bench` says of one figure: its value, its goal, and the facts it was made of. How it is measured is next door."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One figure. `value` is in `unit`; `goal` is in words, such as "≤ 1.10"; `meets` is None where there is no goal."""

    measure: str
    title: str
    value: float
    unit: str
    goal: str = ""
    meets: bool | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """The figure as one line."""
        told = asdict(self)
        facts = told.pop("facts")
        return json.dumps({**told, **facts}, ensure_ascii=False)


def percentile_95(values: Sequence[float]) -> float:
    """The value that one in twenty exceeds; a single one is its own."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
