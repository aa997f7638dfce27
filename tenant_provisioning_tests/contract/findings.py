"""What the check of many exchanges found, and its summary."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenant_provisioning_tests.contract.check import Violation, check_answer, check_request
from tenant_provisioning_tests.contract.exceptions import EXCUSES, UNCHECKED
from tenant_provisioning_tests.contract.excuse import Excuse, excuse_for, short
from tenant_provisioning_tests.contract.specs import FILES, Specs


@dataclass
class Findings:
    """Counts by vendor, and the violations that nothing excuses, each kind once with its number."""

    specs: Specs
    operations: dict[str, set[str]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    unspecified: Counter[str] = field(default_factory=Counter)  # answers to calls that no document has
    passed_over: Counter[str] = field(default_factory=Counter)
    violations: Counter[Violation] = field(default_factory=Counter)
    used: Counter[Excuse] = field(default_factory=Counter)

    def add(self, exchange: Mapping[str, Any], *, requests: bool = True) -> None:
        """Check one exchange; its answer alone where the request is not ours."""
        vendor, request = exchange["vendor"], exchange["request"]
        if vendor not in self.specs:
            self.passed_over[vendor] += 1
            return
        operation = self.specs.find(vendor, request["method"], request["path"])
        if isinstance(operation, str):
            self.unspecified[vendor] += 1
        else:
            self.operations.setdefault(vendor, set()).add(str(operation))
            self.answers[vendor] += 1
            self._judge(check_answer(self.specs, exchange))
        if requests:
            self.requests[vendor] += 1
            self._judge(check_request(self.specs, exchange))

    def _judge(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            excuse = excuse_for(violation, EXCUSES)
            if excuse is None:
                self.violations[violation] += 1
            else:
                self.used[excuse] += 1

    def of(self, vendor: str, direction: str) -> list[str]:
        """The violations of one vendor's requests or answers, each kind once, with how often it was seen."""
        kinds: dict[tuple[str, int, str, str], list[Violation]] = {}
        for violation in self.violations.elements():
            if (violation.vendor, violation.direction) == (vendor, direction):
                kind = (violation.operation, violation.status, violation.mismatch.rule, violation.mismatch.at)
                kinds.setdefault(kind, []).append(violation)
        return [f"{same[0]} ({len(same)} times)" for same in kinds.values()]

    def summary(self) -> Iterator[str]:
        """A table by vendor, the excuses that were needed, and what was not checked."""
        columns = f"{'requests':>9} {'answers':>8} {'violations':>11} {'excused':>8} {'unspecified calls':>18}"
        yield f"{'vendor':<10} {'operations':>12} {columns}"
        for vendor in FILES:
            excused = sum(count for excuse, count in self.used.items() if excuse.vendor == vendor)
            wrong = sum(count for violation, count in self.violations.items() if violation.vendor == vendor)
            covered = f"{len(self.operations.get(vendor, ()))} of {self.specs.count(vendor)}"
            counts = f"{self.requests[vendor]:>9} {self.answers[vendor]:>8} {wrong:>11} {excused:>8} {self.unspecified[vendor]:>18}"
            yield f"{vendor:<10} {covered:>12} {counts}"
        for vendor, count in sorted(self.passed_over.items()):
            yield f"{vendor:<10} {'no document':>12} {f'{count} exchanges unchecked':>30}"
        yield f"Exceptions used: {len(self.used)} of {len(EXCUSES)}"
        for excuse in EXCUSES:
            yield f"  {self.used[excuse]:>5} x {short(excuse)}"
        yield "Not checked:"
        yield from (f"  {line}" for line in UNCHECKED)


def read_exchanges(recording: Path) -> Iterator[dict[str, Any]]:
    """The exchanges of a recording, the control API's left out."""
    with recording.open() as lines:
        for line in lines:
            exchange: dict[str, Any] = json.loads(line)
            if not exchange["vendor"].startswith("_"):
                yield exchange
