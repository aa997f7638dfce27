"""Verdicts of the automatic checks."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """A check that could not be carried out is not a check that failed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CARRIED_OUT = "not_carried_out"


@dataclass(frozen=True)
class Verdict:
    """What one check found. `reason` is a sentence for a super admin; `expected` and `found` hold no secret and no personal data."""

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
