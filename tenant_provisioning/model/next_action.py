"""What a person should do about an organization next, from what one line of a list knows of it.

What really stands against an approval, with its evidence, is `steps.approval`: this only says where to look first.
"""

from dataclasses import dataclass
from enum import StrEnum

from tenant_provisioning.model.lifecycle import DeploymentStatus

S = DeploymentStatus


class Turn(StrEnum):
    """Whose turn it is."""

    PERSON = "person"
    PLATFORM = "platform"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Situation:
    """An organization's state in numbers. Checks are those of the newest round; `items_open` are required ones not ticked yet."""

    status: DeploymentStatus
    at_work: bool = False
    steps_failed: int = 0
    checks_failed: int = 0
    checks_open: int = 0
    items_open: int = 0
    approved: bool = False
    approval_lapsed: bool = False
    mails_failed: int = 0
    rollback_wished: bool = False
    rollback_stopped: bool = False


@dataclass(frozen=True)
class NextAction:
    """A short sentence, and whose turn it is."""

    text: str
    turn: Turn


NOTHING = NextAction("Nothing", Turn.NOBODY)


def next_action(now: Situation) -> NextAction:
    """The one thing to do next."""
    if now.rollback_stopped:
        return _person("Look why the rollback stopped, and ask again")
    if now.rollback_wished and now.status is not S.ROLLED_BACK:
        return _platform("Being taken away")
    if now.status is S.PENDING_QA:
        return _in_qa(now)
    if now.status is S.ACTIVE:
        return _when_live(now)
    many = f"{now.steps_failed} failed steps" if now.steps_failed > 1 else "the failure"
    return {
        S.REQUESTED: _platform("Begins within seconds"),
        S.PROVISIONING: _platform("Being provisioned"),
        S.FAILED: _person(f"Look at {many} and retry"),
        S.SUSPENDED: NextAction("Suspended until somebody resumes it", Turn.NOBODY),
        S.ROLLING_BACK: _platform("Being taken away"),
        S.ROLLED_BACK: NOTHING,
    }[now.status]


def _in_qa(now: Situation) -> NextAction:
    if now.at_work:
        return _platform("Going live" if now.approved else "Checks are running")
    to_do = (
        (now.checks_failed, f"Look at {_counted(now.checks_failed, 'failed check')}"),
        (now.checks_open, f"Run the checks again: {now.checks_open} without a verdict"),
        (now.items_open, f"Tick {_counted(now.items_open, 'item')} of the checklist"),
    )
    first = next((text for there, text in to_do if there), None)
    if first is not None:
        return _person(first)
    if now.approved:
        return _platform("Goes live within a minute")
    return _person("Approve again: something has changed" if now.approval_lapsed else "Approve and go live")


def _when_live(now: Situation) -> NextAction:
    if now.mails_failed:
        return _person(f"Send {_counted(now.mails_failed, 'mail')} again")
    if now.checks_failed:
        return _person(f"Look at {_counted(now.checks_failed, 'failed check')}")
    return NOTHING


def _person(text: str) -> NextAction:
    return NextAction(text, Turn.PERSON)


def _platform(text: str) -> NextAction:
    return NextAction(text, Turn.PLATFORM)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number > 1 else ''}"
