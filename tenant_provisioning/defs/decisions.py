"""What the sensor should do about each unfinished organization, decided from plain values. Reading and doing is `sensors`."""

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


@dataclass(frozen=True)
class Situation:
    """One unfinished organization: its status, the run that holds it (if any), and the run of its current attempt (if any)."""

    status: DeploymentStatus
    holder: RunState | None
    attempt: RunState | None


def decide(situation: Situation) -> Decision:
    """LAUNCH a run for an attempt that has none; FAIL what a dead run left behind; CONTINUE what a run of a few assets, started by a
    person, left incomplete; LEAVE what lives, and what has failed and waits for a person's retry, which is a new attempt.
    """
    if RunState.ALIVE in (situation.holder, situation.attempt):
        return Decision.LEAVE
    if situation.attempt is None:
        return Decision.LAUNCH
    if situation.status is DeploymentStatus.FAILED:
        return Decision.LEAVE
    last = situation.holder or situation.attempt
    return Decision.CONTINUE if last is RunState.SUCCEEDED else Decision.FAIL
