"""Every point of the clean run crossed with every fault, and what became of each case."""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import dagster as dg

from tenant_provisioning_tests.faults.injection import COMMITS, Deaths
from tenant_provisioning_tests.faults.lab import Lab, Moment
from tenant_provisioning_tests.faults.state import Difference, Whole, difference, secrets_in, whole
from tenant_provisioning_tests.faults.story import CHAPTERS, Story

PATIENCE = 0.8  # seconds that a caller waits for an answer that never comes
CASE_SECONDS = 600  # nothing takes so long that is not stuck, whatever else the machine does
MICROSOFT = ("fabric.", "powerbi.")
CALL_FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "refuse", "status": 403},
    "500": {"kind": "error_before", "status": 500},
    "503": {"kind": "error_before", "status": 503},
    "429": {"kind": "throttle", "retry_after": 1},
    "expired": {"kind": "error_before", "status": 401},
    "reset": {"kind": "reset"},
    "timeout": {"kind": "hang"},
    "timeout_after": {"kind": "hang_after"},
    "lost": {"kind": "lost_response"},
    "malformed": {"kind": "malformed"},
    "kill_before": {"kind": "reset"},
    "kill_after": {"kind": "lost_response"},
}
MAIL_FAULTS = {
    "refused": "550", "503": "451", "reset": "reset", "timeout": "hang", "timeout_after": "hang_after",
    "lost_before": "lost_text", "lost": "lost_response", "kill_before": "reset", "kill_after": "lost_response",
}  # fmt: skip
SQL_FAULTS = ("503", "lost")  # which are all that the simulator's SQL knows
COMMIT_FAULTS = ("lost_before", "lost_after", "kill_before", "kill_after")
READ_FAULTS = ("lost_before",)  # nothing is committed there, so dying is no other case than between two calls


@dataclass(frozen=True)
class Point:
    """A vendor's call, or a commit by a function of the store, within one unit of the clean run; `nth` of its name there."""

    chapter: str
    unit: str
    side: str  # call or commit
    name: str
    nth: int
    writes: bool = True

    def __str__(self) -> str:
        number = f" #{self.nth}" if self.nth > 1 else ""
        return f"{self.unit}: {'commit of ' if self.side == 'commit' else ''}{self.name}{number}"

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds of fault that can happen here."""
        if self.side == "commit":
            return COMMIT_FAULTS if self.writes else READ_FAULTS
        if self.name == "sql.batch":
            return SQL_FAULTS
        return tuple(MAIL_FAULTS if self.name == "mail.send" else CALL_FAULTS)


@dataclass(frozen=True)
class Result:
    """What became of a case: `outcome` is alone, rerun, FAILED, or missed when the fault never struck."""

    point: Point
    fault: str
    outcome: str
    difference: Difference | None = None
    why: str = ""

    def count(self, what: str) -> int:
        """How many of duplicates, orphans or mails_twice it left."""
        return 0 if self.difference is None else len(getattr(self.difference, what))


@dataclass
class Clean:
    """The clean run: its points, the moment before each unit with the state it was in, and the state at each chapter's end."""

    points: list[Point] = field(default_factory=list)
    moments: dict[tuple[str, str], Moment] = field(default_factory=dict)
    before: dict[tuple[str, str], Whole] = field(default_factory=dict)
    end: dict[str, Whole] = field(default_factory=dict)


class Converged(Exception):
    """The state is the clean run's at this unit, so the rest is the clean run's too."""


def record(lab: Lab) -> Clean:
    """The clean run, told once in this laboratory."""
    clean, at = Clean(), [("", "")]
    lab.begin()
    COMMITS.record = []

    def note() -> None:
        calls, commits = lab.world.ask("calls"), list(COMMITS.record or [])
        if at[0][1] and at[0] not in seen:
            seen.add(at[0])
            clean.points += _points(at[0], calls, commits)
        COMMITS.record = None

    seen: set[tuple[str, str]] = set()
    for chapter in CHAPTERS:

        def before(unit: str, run: dg.DagsterRun | None, done: frozenset[str], chapter: str = chapter) -> None:
            note()
            at[0] = (chapter, unit)
            if at[0] not in clean.moments:
                clean.before[at[0]] = whole(lab)
                clean.moments[at[0]] = lab.keep(f"{chapter}/{unit}", run.run_id if run else None, done)
            COMMITS.record = []

        story = Story(lab, before)
        story.begin(chapter)
        ending = story.tell(chapter)
        note()
        at[0] = ("", "")
        if not ending.reached:
            raise RuntimeError(f"the clean run did not reach the end of {chapter}: {ending.why}")
        clean.end[chapter] = whole(lab)
    COMMITS.record = None
    return clean


def _points(at: tuple[str, str], calls: list[str], commits: list[tuple[str, bool]]) -> Iterator[Point]:
    numbers: Counter[str] = Counter()
    for call in calls:
        numbers[call] += 1
        yield Point(*at, "call", call, numbers[call])
    numbers.clear()
    for function, writes in commits:
        numbers[function] += 1
        yield Point(*at, "commit", function, numbers[function], writes)


class Experiment:
    """One case in one laboratory."""

    def __init__(self, lab: Lab, clean: Clean, point: Point, fault: str, *, to_the_end: bool = False) -> None:
        self.lab, self.clean, self.point, self.fault, self._to_the_end = lab, clean, point, fault, to_the_end
        self._armed = self._converged = False
        self._kills = fault.startswith("kill")
        self.moment = clean.moments[point.chapter, point.unit]
        self.story = Story(lab, self._before_unit)

    def run(self) -> Result:
        """The case, from the moment before its unit until it has recovered or will not."""
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(CASE_SECONDS)
        patience = {"call_timeout": PATIENCE} if self.fault.startswith("timeout") else {}
        self.lab.go_back_to(self.moment, **patience)
        COMMITS.calm()
        try:
            return self._judged(self._recovered())
        except Missed:
            return Result(self.point, self.fault, "missed")
        except TooLong:
            return Result(self.point, self.fault, "FAILED", None, f"still at work after {CASE_SECONDS} s")
        finally:
            signal.alarm(0)
            COMMITS.calm()

    def _recovered(self) -> tuple[bool, str]:
        """Whether the chapter's end was reached, and why not."""
        chapter, unit = self.point.chapter, self.point.unit
        try:
            if self._kills:
                self._killed()
            elif unit.startswith("person/"):
                self.story.begin(chapter)
            elif self.moment.run is not None:
                self.story.go_on(self.lab.runs.known[self.moment.run].run, self.moment.done)
            ending = self.story.tell(chapter)
        except Converged:
            self._converged = True
            return True, ""
        return ending.reached, ending.why

    def _killed(self) -> None:
        """The unit in a process of its own, which the fault kills; then what Dagster or the person does about that."""
        unit, run_id = self.point.unit, self.moment.run
        run = self.lab.runs.known[run_id].run if run_id else None

        def work(report: Any) -> None:
            Deaths.armed = True
            if unit.startswith("person/"):
                self.story.begin(self.point.chapter)
            elif run is None:
                self._before_unit(unit, None, frozenset())
                self.story.look(unit)
            else:
                self.story.go_on(run, self.moment.done, report)

        killed, done = self.story.in_child(work)
        self._armed = True
        if not killed:
            raise Missed
        self.lab.world.ask("calm")
        if unit.startswith("person/"):
            self.story.begin(self.point.chapter)
        elif run is not None:
            self.story.crashed(run, self.moment.done | set(done))

    def _before_unit(self, unit: str, run: dg.DagsterRun | None, _: frozenset[str]) -> None:
        point = self.point
        if self._armed:
            known = self.clean.before.get((point.chapter, unit))
            elsewhere = unit != point.unit and run is not None and known is not None and not self._to_the_end
            if elsewhere and known and self._has_struck() and not difference(whole(self.lab), known):
                raise Converged
            return
        if unit != point.unit:
            return
        self._armed = True
        if point.side == "commit":
            COMMITS.strike(point.name, point.nth, self.fault)
        elif point.name == "mail.send":
            self.lab.world.ask("mail_fault", MAIL_FAULTS[self.fault], point.nth)
        else:
            vendor, _, operation = point.name.partition(".")
            plan = {**CALL_FAULTS[self.fault], "vendor": vendor, "operation": operation, "nth": point.nth}
            if self.fault == "expired" and point.name.startswith(MICROSOFT):
                plan |= {"code": "TokenExpired", "status": 403 if vendor == "powerbi" else 401}
            self.lab.world.ask("fault", plan)

    def _has_struck(self) -> bool:
        if self._kills:
            return True
        return COMMITS.struck if self.point.side == "commit" else bool(self.lab.world.ask("struck"))

    def _judged(self, recovered: tuple[bool, str]) -> Result:
        reached, why = recovered
        if not self._has_struck():
            return Result(self.point, self.fault, "missed")
        text = self.lab.said.text()
        told = secrets_in(text)
        end = self.clean.end[self.point.chapter]
        found = None if reached and self._converged else difference(whole(self.lab), end)
        if not reached or found or told:
            why = f"told: {told}" if told else why
            return Result(self.point, self.fault, "FAILED", found, why)
        return Result(self.point, self.fault, "rerun" if self.story.helped else "alone")


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong


class TooLong(BaseException):
    """A case takes longer than any should. Not an Exception: what is tried here catches those."""


class Missed(Exception):
    """The fault never struck."""
