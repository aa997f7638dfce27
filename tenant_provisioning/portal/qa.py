"""The QA page of one organization: what the checks found, what people ticked, what stands against going live, and every action.

What the actions do is `actions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, ManualItem
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal import live, pages
from tenant_provisioning.portal.links import Links
from tenant_provisioning.steps import approval, evidence
from tenant_provisioning.steps.approval import Standing
from tenant_provisioning.store import access_requests, checklist, outbox, progress, qa_results, users
from tenant_provisioning.store.access_requests import AccessRequest, Wish
from tenant_provisioning.store.organizations import get_organization
from tenant_provisioning.store.outbox import Mail
from tenant_provisioning.store.qa_results import RecordedVerdict
from tenant_provisioning.store.users import User

S = DeploymentStatus
CAN_ROLL_BACK = {S.REQUESTED, S.PROVISIONING, S.FAILED, S.PENDING_QA, S.ACTIVE}


@dataclass(frozen=True)
class CheckLine:
    """An automatic check with its newest verdict, None while it has not been asked."""

    check: str
    title: str
    step: str
    result: RecordedVerdict | None

    @property
    def outcome(self) -> str:
        """passed, failed, not_carried_out, or waiting while nobody has asked."""
        return self.result.verdict.outcome if self.result else "waiting"


@dataclass(frozen=True)
class Board:
    """All that the page shows."""

    organization: Organization
    checks: Sequence[CheckLine]
    ticked: Mapping[str, ManualItem]
    required: tuple[str, ...]
    standing: Standing
    obstacles: Sequence[str]
    seen: str
    people: Sequence[User]
    wishes: Mapping[Wish, AccessRequest]
    mails: Sequence[Mail]
    links: Links
    me: str

    @property
    def passed(self) -> int:
        """How many checks have passed."""
        return sum(line.outcome == "passed" for line in self.checks)

    @property
    def in_qa(self) -> bool:
        """True while it waits for QA."""
        return self.organization.status is S.PENDING_QA

    @property
    def in_use(self) -> bool:
        """True where checks can be run and a test login be made."""
        return self.organization.status in (S.PENDING_QA, S.ACTIVE)

    @property
    def can_roll_back(self) -> bool:
        """True where a rollback may be asked for, for the first time or again after it has stopped."""
        if self.organization.is_on_its_way_back:
            return self.organization.rollback_has_stopped
        return self.organization.status in CAN_ROLL_BACK

    @property
    def goes_live(self) -> bool:
        """True from the approval until it is live."""
        return self.in_qa and self.standing.stands

    def wish(self, name: str) -> AccessRequest | None:
        """The newest wish of this kind: whoever had it while it is open, one's own afterwards."""
        found = self.wishes.get(Wish(name))
        if found is None or (found.outcome is not None and found.requested_by != self.me):
            return None
        return found


async def page(request: Request) -> Response:
    """The page."""
    return pages.render(request, "qa.html", **_values(await _board(request)))


async def events(request: Request) -> Response:
    """The live part of the page, again and again as it changes."""

    async def render() -> str:
        return pages.partial(request, "_qa_live.html", **_values(await _board(request)))

    return live.follow(request, request.path_params["organization_id"], render)


async def _board(request: Request) -> Board:
    db, settings = pages.db(request), pages.settings(request)
    organization_id: UUID = request.path_params["organization_id"]
    me = pages.admin(request).email
    # before anything that is shown: what changes in between makes an approval of it be refused
    seen = await evidence.gather(db, organization_id)
    organization = await get_organization(db, organization_id)
    return Board(
        organization=organization,
        checks=check_lines(await qa_results.latest_verdicts(db, organization_id)),
        ticked=await checklist.list_ticked(db, organization_id),
        required=settings.required_items,
        standing=await approval.standing(db, organization, settings),
        obstacles=await approval.obstacles(db, organization, settings, by=me)
        if organization.status is S.PENDING_QA
        else [],
        seen=seen.hash,
        people=await users.list_users(db, organization_id),
        wishes=await access_requests.newest(db, organization_id),
        mails=await outbox.list_mail(db, organization_id),
        links=Links(organization, await progress.list_steps(db, organization_id), settings),
        me=me,
    )


def check_lines(verdicts: Sequence[RecordedVerdict]) -> list[CheckLine]:
    """Every planned check in the order of the steps, asked or not."""
    latest = {each.verdict.check: each for each in verdicts}
    return [
        CheckLine(check, check.replace("_", " ").capitalize(), step.title, latest.get(check))
        for step in STEPS
        for check in step.checks
    ]


def _values(board: Board) -> dict[str, Any]:
    return {"board": board, "organization": board.organization, "items": MANUAL_ITEMS, "tab": "qa"}
