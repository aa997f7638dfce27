"""What an exception is: a violation that is none, where, with which value, and why. Which there are is `exceptions`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from jsonschema import Draft202012Validator

from tenant_provisioning_tests.contract.check import Violation

Source = Literal[
    "recorded real traffic",  # the traffic that showed where Fabric breaks its own document
    "the vendor's own words",
    "the vendor's source",
    "public recordings",  # answers kept in public tests of other people's clients, and what those clients read
    "the copies",  # lost when the documents were made into single files
    "a guess",
]


@dataclass(frozen=True)
class Excuse:
    """Violations that are none: of this rule, at one of these places (the last steps of the path), fitting this schema."""

    vendor: str
    direction: Literal["request", "answer"]
    rule: str
    at: tuple[str, ...]
    reason: str
    source: Source
    operations: tuple[str, ...] = ("*",)
    fits: Mapping[str, Any] = field(default_factory=dict, compare=False)  # by default anything

    def covers(self, violation: Violation) -> bool:
        """Whether the violation is one of these."""
        told = violation.mismatch
        return (
            (self.vendor, self.direction, self.rule) == (violation.vendor, violation.direction, told.rule)
            and any(told.at == place or told.at.endswith(f".{place}") for place in self.at)
            and any(fnmatchcase(violation.operation, pattern) for pattern in self.operations)
            and Draft202012Validator(self.fits).is_valid(told.value)
        )


def excuse_for(violation: Violation, excuses: Iterable[Excuse]) -> Excuse | None:
    """The first excuse that covers the violation, or None."""
    return next((excuse for excuse in excuses if excuse.covers(violation)), None)


def short(excuse: Excuse) -> str:
    """The excuse on one line."""
    where = "" if excuse.operations == ("*",) else f" of {re.sub(' .* ', ' ', excuse.operations[0])}"
    return f"{excuse.vendor} {excuse.direction}{where}: {excuse.rule} {', '.join(excuse.at)}: {excuse.reason} ({excuse.source})"
