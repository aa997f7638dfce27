"""The two halves of the QA list: verdicts of the automatic checks, and items that a person ticks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """A check that could not be carried out is not a check that failed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CARRIED_OUT = "not_carried_out"


@dataclass(frozen=True)
class Verdict:
    """What one check found. `reason` is a sentence for a super admin; `expected` and `found` hold nothing secret or personal."""

    check: str
    outcome: Outcome
    expected: str
    found: str
    reason: str = ""

    @property
    def passed(self) -> bool:
        """True only for a check that was carried out and found what it expected."""
        return self.outcome is Outcome.PASSED


def judged(check: str, *, expected: object, found: object, reason: str) -> Verdict:
    """A verdict that passes when `found` equals `expected`; `reason` is told when it does not."""
    passed = expected == found
    return Verdict(
        check, Outcome.PASSED if passed else Outcome.FAILED, str(expected), str(found), "" if passed else reason
    )


MANUAL_ITEMS = {
    "reports_load": "The reports load in Power BI and show this customer's data",
    "signed_in_as_super_user": "Signed in as a super user, with a test login",
    "subdomain_opens": "The subdomain opens the platform in a browser",
}


@dataclass(frozen=True)
class ManualItem:
    """An item that a person has ticked: who, when (in UTC), and what they wanted to add."""

    key: str
    done_by: str
    done_at: datetime
    note: str = ""
