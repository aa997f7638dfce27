"""What an approval rests on: the things that exist, what the reports are bound to, what the checks said, what was deployed.

Gathered from the rows, the same whenever nothing has changed. Checks that are run again and say the same change nothing, nor does
one that could not be carried out; a report or a step that is made again does, even where the vendor's ids stay the same.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tenant_provisioning.model.artifact import ArtifactKind, ArtifactState
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import Outcome
from tenant_provisioning.store import artifacts, progress, qa_results, reports
from tenant_provisioning.store.catalog import known_templates
from tenant_provisioning.store.database import Database

TITLES = {step.name: step.title for step in STEPS}
# What a change of a report's entry means, by the section that it is found in; the first that applies is told.
OF_REPORTS = {
    "deployments": "was deployed again",
    "bindings": "is bound to another dataset",
    "content": "has other content",
    "catalog": "has another template in the catalog now",
}
SAID = {Outcome.PASSED: "passes now", Outcome.FAILED: "fails now"}


@dataclass(frozen=True)
class Evidence:
    """The facts by section, each a mapping of names to values, and the hash that stands for all of them."""

    facts: Mapping[str, Mapping[str, str]]

    @property
    def hash(self) -> str:
        """SHA-256 of the facts as canonical JSON, in hexadecimal."""
        canonical = json.dumps(self.facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


async def gather(db: Database, organization_id: UUID) -> Evidence:
    """The evidence as the rows have it now."""
    present = await artifacts.list_artifacts(db, organization_id)
    deployed = await reports.list_deployed_reports(db, organization_id)
    verdicts = await qa_results.latest_verdicts(db, organization_id, carried_out_only=True)
    steps = await progress.list_steps(db, organization_id)
    catalog = await known_templates(db)
    return Evidence(
        {
            "artifacts": {
                f"{each.kind}/{each.key}".rstrip("/"): str(each.vendor_id)
                for each in present
                if each.state is ArtifactState.PRESENT
            },
            "bindings": {each.template_key: each.dataset_id for each in deployed},
            "deployments": {
                each.template_key: f"{each.powerbi_report_id} at {each.deployed_at.timestamp():.6f}"
                for each in deployed
            },
            "content": {each.template_key: each.content_hash for each in deployed},
            "catalog": {each.template_key: catalog[each.template_key].content_hash for each in deployed},
            "verdicts": {each.verdict.check: each.verdict.outcome.value for each in verdicts},
            "work": {step.step: f"attempt {step.attempt}" for step in steps if step.step in TITLES},
        }
    )


async def changes(db: Database, before: Mapping[str, Any], now: Evidence) -> list[str]:
    """What has changed since the earlier facts, a sentence each without its full stop; none when they are the same."""
    titles = {key: template.title for key, template in (await known_templates(db)).items()}
    return [
        *_changed_reports(before, now.facts, titles),
        *_changed_artifacts(before, now.facts),
        *(f"the check “{_words(check)}” {_said(new)}" for check, new in _changed(before, now.facts, "verdicts")),
        *(f"the step “{TITLES[step]}” was run again" for step, _ in _changed(before, now.facts, "work")),
    ]


def _changed(
    before: Mapping[str, Any], now: Mapping[str, Mapping[str, str]], section: str
) -> Iterator[tuple[str, str]]:
    """Names whose value differs, with the new one; it is empty where there is none any more."""
    old, new = before.get(section, {}), now[section]
    return ((name, new.get(name, "")) for name in sorted({*old, *new}) if old.get(name) != new.get(name))


def _changed_reports(
    before: Mapping[str, Any], now: Mapping[str, Mapping[str, str]], titles: Mapping[str, str]
) -> Iterator[str]:
    told = set[str]()
    for section, meaning in OF_REPORTS.items():
        old = before.get(section, {})
        for key, value in _changed(before, now, section):
            if key not in told:
                told.add(key)
                what = "is gone" if not value else meaning if key in old else "is new"
                yield f"the report “{titles.get(key, key)}” {what}"


def _changed_artifacts(before: Mapping[str, Any], now: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Reports excepted: what becomes of them is told by their own sections."""
    old = before.get("artifacts", {})
    for name, value in _changed(before, now, "artifacts"):
        kind, _, _key = name.partition("/")
        if kind != ArtifactKind.REPORT:
            yield f"the {_words(kind)} {'is gone' if not value else 'was replaced' if name in old else 'is new'}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(outcome: str) -> str:
    return SAID[Outcome(outcome)] if outcome else "has no verdict any more"
