"""What the sensors should do about each unfinished organization, decided from plain values.

Reading and doing is `sensors`, `quality` and `rollback`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from tenant_provisioning.model.lifecycle import DeploymentStatus


class RunState(Enum):
    """What Dagster knows of a run."""

    ALIVE = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELED = auto()
    GONE = auto()


class Decision(Enum):
    """What to do about an organization now."""

    LEAVE = auto()
    LAUNCH = auto()
    CONTINUE = auto()
    FAIL = auto()
    STOP = auto()
    RETRY = auto()


@dataclass(frozen=True)
class Situation:
    """One unfinished organization: its status, the run that holds it (if any), and the run of its current attempt (if any)."""

    status: DeploymentStatus
    holder: RunState | None
    attempt: RunState | None
    is_due_again: bool = False  # it has failed, and the time for another attempt has come


def decide(situation: Situation) -> Decision:
    """LAUNCH a run for an attempt that has none; FAIL what a dead run left behind, or STOP it where a person cancelled the run;
    CONTINUE what a run of a few assets, started by a person, left incomplete; LEAVE what lives, and what has failed and waits for a
    person's retry, which is a new attempt; RETRY what goes on by itself.
    """
    if RunState.ALIVE in (situation.holder, situation.attempt):
        return Decision.LEAVE
    if situation.attempt is None:
        return Decision.LAUNCH
    if situation.status is DeploymentStatus.FAILED:
        return Decision.RETRY if situation.is_due_again else Decision.LEAVE
    last = situation.holder or situation.attempt
    if last is RunState.SUCCEEDED:
        return Decision.CONTINUE
    return Decision.STOP if last is RunState.CANCELED else Decision.FAIL


GO_LIVE_ATTEMPTS = 30  # runs that one approval gets before a person has to look: about a day
GO_LIVE_WAIT, LONGEST_GO_LIVE_WAIT = (
    60,
    3600,
)  # seconds from the end of one to the beginning of the next, doubled each time


def is_go_live_due(*, at_work: bool, runs: int, seconds_since_last: float | None) -> bool:
    """Whether an approval that stands gets a run now, or another after `runs` that have failed, the last one so long ago.

    What failed because a check failed has made the approval lapse; what is left here is a vendor who was away.
    """
    wait = min(GO_LIVE_WAIT * 2 ** min(max(runs - 1, 0), 10), LONGEST_GO_LIVE_WAIT)
    waited = seconds_since_last is None or seconds_since_last >= wait
    return not at_work and runs < GO_LIVE_ATTEMPTS and waited


class RollbackDecision(Enum):
    """What to do about an organization that is to be rolled back."""

    WAIT = auto()
    STOP_RUNS = auto()
    BEGIN = auto()
    LAUNCH = auto()
    COUNT_FAILURE = auto()
    GIVE_UP = auto()


@dataclass(frozen=True)
class RollbackSituation:
    """One organization that is to be rolled back: its status, what is alive of its runs, and the run of the current attempt."""

    status: DeploymentStatus
    others_alive: bool
    rollback_alive: bool
    attempt: RunState | None
    attempts_left: bool
    waits: bool = False  # the next attempt has its time, and that has not come


def decide_rollback(situation: RollbackSituation) -> RollbackDecision:
    """STOP_RUNS that still make things; then BEGIN, which moves the status; then LAUNCH a run for an attempt that has none.

    A run that failed is counted and followed by another while there are attempts left. One that a person has cancelled is not: they
    GIVE_UP for now, and it WAITs until somebody asks again.
    """
    if situation.others_alive:
        return RollbackDecision.STOP_RUNS
    if situation.rollback_alive or situation.attempt is RunState.ALIVE:
        return RollbackDecision.WAIT
    if situation.status is not DeploymentStatus.ROLLING_BACK:
        return RollbackDecision.BEGIN
    if not situation.attempts_left:
        return RollbackDecision.WAIT
    if situation.attempt is None:
        return RollbackDecision.WAIT if situation.waits else RollbackDecision.LAUNCH
    return RollbackDecision.GIVE_UP if situation.attempt is RunState.CANCELED else RollbackDecision.COUNT_FAILURE
