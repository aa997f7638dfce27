"""Whether an organization may go live: what stands against an approval, giving one, and noticing that one no longer stands.

An approval lapses by itself: whoever looks at it compares its evidence with what is found now, so nothing needs to be told when
something changes. Whoever notices writes it down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import evidence
from tenant_provisioning.store import approvals, checklist, progress, qa_results, reports
from tenant_provisioning.store.approvals import Approval
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.organizations import get_organization
from tenant_provisioning.store.qa_results import RecordedVerdict

CHECKS = tuple(check for step in STEPS for check in step.checks)
MOST_TOLD = 5  # changes in one sentence; the rest is counted


@dataclass(frozen=True)
class Standing:
    """The newest approval, if any, and why it does not stand; it stands when nothing speaks against it."""

    approval: Approval | None
    against: tuple[str, ...] = ()

    @property
    def stands(self) -> bool:
        """True when the organization may go live on it."""
        return self.approval is not None and not self.against


async def standing(db: Database, organization: Organization, settings: Settings) -> Standing:
    """The newest approval, and what has changed since if it is not the organization's last word."""
    approval = await approvals.find_approval(db, organization.id)
    if approval is None:
        return Standing(None)
    if approval.lapsed_at is not None:
        return Standing(approval, (approval.lapse_reason or "",))
    now = await evidence.gather(db, organization.id)
    against = [] if now.hash == approval.evidence_hash else await evidence.changes(db, approval.evidence, now)
    if organization.status is not DeploymentStatus.PENDING_QA:
        return Standing(approval, () if await _checked_since(db, organization.id) else tuple(against))
    return Standing(approval, (*against, *(await _open_items(db, organization.id, settings))))


async def settle(db: Database, organization: Organization, settings: Settings, *, noticed_by: str) -> Standing:
    """The same, after an approval in QA that no longer stands has been written down as lapsed, with the reason."""
    found = await standing(db, organization, settings)
    in_qa = organization.status is DeploymentStatus.PENDING_QA
    if found.approval is not None and found.approval.lapsed_at is None and found.against and in_qa:
        await approvals.lapse(db, found.approval, listed(found.against), noticed_by=noticed_by)
    return found


async def obstacles(db: Database, organization: Organization, settings: Settings, *, by: str) -> list[str]:
    """Everything that stands against `by` approving the organization now, a sentence each."""
    if organization.status is not DeploymentStatus.PENDING_QA:
        return [f"{organization.name} is {organization.status}: only what is in pending_qa can be approved."]
    found = []
    if organization.claimed_by_run is not None:
        found.append(f"The run {organization.claimed_by_run} is at work on it: wait until it has ended.")
    found += check_obstacles(await qa_results.latest_verdicts(db, organization.id))
    found += [f"The checklist: {reason}." for reason in await _open_items(db, organization.id, settings)]
    requested_by = await approvals.requested_by(db, organization.id)
    if settings.require_second_approver and requested_by.casefold() == by.casefold():
        found.append(f"{by} submitted the request: somebody else has to approve it.")
    return found


async def approve(
    db: Database, organization_id: UUID, settings: Settings, *, by: str, note: str = "", seen: str | None = None
) -> Approval:
    """The approval, on record with its evidence; LifecycleError with every obstacle while there is one.

    `seen` is the hash of the evidence that the person was shown; the approval is refused when that is not what there is now, and
    when somebody else has approved it meanwhile.
    """
    before = await evidence.gather(db, organization_id)
    organization = await get_organization(db, organization_id)
    if seen is not None and seen != before.hash:
        raise LifecycleError(f"{organization.name} has changed since you looked at it: look again, then approve.")
    if against := await obstacles(db, organization, settings, by=by):
        raise LifecycleError(f"{organization.name} cannot be approved yet.\n" + "\n".join(against))
    # gathered before the obstacles were looked for: what has changed in between makes the approval lapse
    return await approvals.record_approval(
        db, organization_id, approved_by=by, note=note, evidence_hash=before.hash, evidence=before.facts,
        unless_approved=seen is not None,
    )  # fmt: skip


def check_obstacles(verdicts: Sequence[RecordedVerdict]) -> list[str]:
    """A sentence for every planned check without a verdict that passed. Going live needs them all, also those that do not block."""
    latest = {each.verdict.check: each.verdict for each in verdicts}
    told = []
    for check in CHECKS:
        verdict, name = latest.get(check), check.replace("_", " ")
        if verdict is None:
            told.append(f"The check “{name}” has not been asked yet.")
        elif verdict.outcome is Outcome.NOT_CARRIED_OUT:
            told.append(f"The check “{name}” could not be carried out: {verdict.reason}")
        elif not verdict.passed:
            told.append(f"The check “{name}” has failed: {verdict.reason}")
    return told


def listed(reasons: Sequence[str]) -> str:
    """The reasons as one phrase."""
    more = len(reasons) - MOST_TOLD
    return "; ".join(reasons[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


async def _open_items(db: Database, organization_id: UUID, settings: Settings) -> list[str]:
    ticked = await checklist.list_ticked(db, organization_id)
    return [f"“{MANUAL_ITEMS[item]}” is not ticked" for item in settings.required_items if item not in ticked]


async def _checked_since(db: Database, organization_id: UUID) -> bool:
    """Whether every check has passed since anything was last made."""
    steps = [step for step in await progress.list_steps(db, organization_id) if step.step in evidence.TITLES]
    times = [each.deployed_at for each in await reports.list_deployed_reports(db, organization_id)]
    times += [step.finished_at or step.started_at for step in steps]
    verdicts = await qa_results.latest_verdicts(db, organization_id)
    passed = not check_obstacles(verdicts)
    return passed and all(each.checked_at >= max(times) for each in verdicts if times)
