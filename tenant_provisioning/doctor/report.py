"""Doctor's findings, as a person reads them and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.text import Text

from tenant_provisioning.doctor.findings import Finding, Outcome, is_well

SIGNS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.WARNED: ("!", "yellow"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.NOT_TRIED: ("·", "dim"),
}
WORDS = {
    Outcome.PASSED: "passed",
    Outcome.WARNED: "to look at",
    Outcome.FAILED: "failed",
    Outcome.NOT_TRIED: "not tried",
}


def as_text(findings: Sequence[Finding]) -> Text:
    """Every finding with its sign, by vendor, and the count at the end."""
    text = Text()
    for vendor, found in groupby(findings, key=lambda finding: finding.vendor):
        text.append(f"{vendor}\n", "bold")
        for finding in found:
            sign, colour = SIGNS[finding.outcome]
            text.append(f"  {sign} ", colour).append(f"{finding.check}  ", "dim").append(f"{finding.tried}: ")
            text.append(f"{finding.found}\n", colour if finding.outcome is Outcome.FAILED else "")
            if finding.mend:
                text.append(f"      → {finding.mend}\n", "bold")
    counted = Counter(finding.outcome for finding in findings)
    told = ", ".join(f"{counted[outcome]} {word}" for outcome, word in WORDS.items() if counted[outcome])
    return text.append(f"{told}.", "bold")


def as_object(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as a JSON object: `ok` and the `checks` in order."""
    return {"ok": is_well(findings), "checks": [asdict(finding) for finding in findings]}
