"""What doctor looks for and what it finds. No vendor is known here; the looking is in the modules beside."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.errors import VendorError


class Outcome(StrEnum):
    """How a check went; one that needed another which failed was not tried."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


class Ailment(Exception):
    """Something is wrong: what was found, and how to mend it. With `mild` it is a warning: everything works today."""

    def __init__(self, found: str, mend: str, *, mild: bool = False) -> None:
        super().__init__(found)
        self.found, self.mend, self.mild = found, mend, mild


@dataclass(frozen=True)
class Check:
    """One thing doctor tries. `look` tells what it found, or raises Ailment or one of our errors.

    `needs` names the checks without which it makes no sense to try; `mend` turns a vendor's refusal into what to do,
    `away` is what to do when nobody answers.
    """

    name: str
    vendor: str
    tried: str
    look: Callable[[Visit], Awaitable[str]]
    needs: tuple[str, ...] = ()
    mend: Callable[[VendorError], str] = lambda _: "Look at the vendor's own words."
    away: str = "Check that this machine reaches it, then ask again."


@dataclass(frozen=True)
class Finding:
    """What became of one check. No field ever holds a secret."""

    check: str
    vendor: str
    tried: str
    outcome: Outcome
    found: str
    mend: str = ""


def is_well(findings: Iterable[Finding]) -> bool:
    """True when nothing has failed; warnings do not count."""
    return all(finding.outcome in {Outcome.PASSED, Outcome.WARNED} for finding in findings)
