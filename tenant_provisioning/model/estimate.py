"""How long provisioning still takes, told from how long it took before, and how wrong that can be.

Of every past run we know how long each step kept the run waiting. What is left of the present one would have taken each of them
some time: the middle of these times is the estimate, and where most of them lie is its error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

REPORTS = "reports/*"  # all single reports together: they are made side by side
FEWEST = 3  # past runs, below which an estimate would be a guess
MIDDLE = 0.8  # the share of past runs between `least` and `most`


@dataclass(frozen=True)
class PastRun:
    """One run that went through without a stop: seconds by step, `REPORTS` being one of them. They add up to the whole run."""

    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """Seconds that are left: the middle of what `runs` past runs say, and between which two most of them lie.

    `overdue` when the running step has taken longer already than in any of them: then nothing more is known. `in_line` when it is
    the vendors' budgets, shared with others who are being made, that it will have to wait for.
    """

    seconds: float
    least: float
    most: float
    runs: int
    overdue: bool = False
    in_line: bool = False

    def not_before(self, seconds: float) -> "Estimate":
        """The same for who will not have had the calls that it needs before so many seconds."""
        if seconds <= self.seconds:
            return self
        return replace(
            self,
            seconds=seconds,
            least=max(self.least, seconds),
            most=max(self.most, seconds),
            overdue=False,
            in_line=True,
        )


def past_run(finished: Mapping[str, float]) -> PastRun:
    """The run whose steps ended so many seconds after its begin: each kept it waiting since the end of the one before."""
    ends = sorted(finished.items(), key=lambda step: step[1])
    return PastRun(
        {step: after - before for (_, before), (step, after) in pairwise([("", 0.0), *ends])},
    )


def estimate(
    past: Sequence[PastRun], left: Sequence[str], *, reports_left: float = 1.0, waiting: float = 0.0
) -> Estimate | None:
    """What is left to do, by the past; None while there is too little of it.

    `left` names the steps that are not done, the one at work first; `reports_left` is the share of reports among them (0 to 1), and
    `waiting` the seconds since anything was done: the step at work has had them already, and takes them from no other.
    """
    if len(past) < FEWEST:
        return None
    if not left:
        return Estimate(0.0, 0.0, 0.0, len(past))
    at_work = [_seconds(run, left[0], reports_left) - waiting for run in past]
    times = sorted(
        max(first, 0.0) + sum(_seconds(run, step, reports_left) for step in left[1:])
        for run, first in zip(past, at_work, strict=True)
    )
    return Estimate(
        seconds=median(times),
        least=_quantile(times, (1 - MIDDLE) / 2),
        most=_quantile(times, (1 + MIDDLE) / 2),
        runs=len(past),
        overdue=max(at_work) < 0,
    )


def _seconds(run: PastRun, step: str, reports_left: float) -> float:
    return run.seconds.get(step, 0.0) * (reports_left if step == REPORTS else 1.0)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies, between two neighbours in proportion."""
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
