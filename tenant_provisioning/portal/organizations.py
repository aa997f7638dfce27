"""The board: organizations by status, with search and filters, and for each its progress and what to do about it next."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.next_action import NextAction, Situation, next_action
from tenant_provisioning.model.plan import STEP_NAMES
from tenant_provisioning.portal import pages
from tenant_provisioning.steps.approval import CHECKS
from tenant_provisioning.store import drafts
from tenant_provisioning.store.board import ORDERS, Filter, Line, read_board

S = DeploymentStatus
PAGE = 25
GROUPS = {
    "": ("All", ()),
    "person": ("Needs a person", (S.FAILED, S.PENDING_QA)),
    "underway": ("Under way", (S.REQUESTED, S.PROVISIONING, S.ROLLING_BACK)),
    "active": ("Live", (S.ACTIVE,)),
    "suspended": ("Suspended", (S.SUSPENDED,)),
    "rolled_back": ("Rolled back", (S.ROLLED_BACK,)),
}
ORDER_TITLES = {
    "attention": "Needs attention first",
    "newest": "Newest first",
    "oldest": "Oldest first",
    "name": "By name",
}


@dataclass(frozen=True)
class Row:
    """A line of the board as people read it; `done` of `planned` are steps, each report being one."""

    line: Line
    action: NextAction
    done: int
    planned: int
    checks_open: int


async def page(request: Request) -> Response:
    """The board."""
    asked = request.query_params
    group = asked.get("status", "")
    statuses = GROUPS[group][1] if group in GROUPS else _status(group)
    mine = asked.get("mine") == "yes"
    wanted = Filter(
        search=asked.get("q", "").strip()[:100],
        statuses=statuses,
        requested_by=pages.admin(request).email if mine else "",
        order=asked.get("order", "") if asked.get("order", "") in ORDERS else "attention",
    )
    number = int(asked["page"]) if asked.get("page", "").isdecimal() else 1
    number = min(max(number, 1), 10_000)
    board = await read_board(pages.db(request), wanted, offset=(number - 1) * PAGE, limit=PAGE)
    required = pages.settings(request).required_items
    return pages.render(
        request,
        "organizations.html",
        rows=[_row(line, required) for line in board.lines],
        total=board.total,
        number=number,
        first=(number - 1) * PAGE + 1,
        groups=_groups(board.by_status),
        group=group,
        wanted=wanted,
        mine=mine,
        orders=ORDER_TITLES,
        # the first page alone, and only while nothing is searched for
        drafts=await drafts.list_drafts(pages.db(request), pages.admin(request).user_id) if not asked else [],
        more=number * PAGE < board.total,
        address=lambda **changes: _address(request, changes),
    )


def _row(line: Line, required: tuple[str, ...]) -> Row:
    checks_open = max(0, len(CHECKS) - line.checks_passed - line.checks_failed)
    situation = Situation(
        status=line.status,
        at_work=line.at_work,
        steps_failed=line.steps_failed,
        checks_failed=line.checks_failed,
        checks_open=checks_open,
        items_open=len(set(required) - set(line.ticked)),
        approved=line.approved,
        approval_lapsed=line.approval_lapsed,
        mails_failed=line.mails_failed,
        rollback_wished=line.rollback_wished,
        rollback_stopped=line.rollback_stopped,
    )
    done = line.reports_done + min(line.steps_done, len(STEP_NAMES))
    return Row(line, next_action(situation), done, line.reports_planned + len(STEP_NAMES), checks_open)


def _status(name: str) -> tuple[DeploymentStatus, ...]:
    return (DeploymentStatus(name),) if name in set(DeploymentStatus) else ()


def _groups(by_status: dict[DeploymentStatus, int]) -> list[tuple[str, str, int]]:
    """Each tab with its key, its title and how many organizations are in it."""
    everybody = tuple(status for status in S if status is not S.ROLLED_BACK)
    return [
        (key, title, sum(by_status.get(status, 0) for status in statuses or everybody))
        for key, (title, statuses) in GROUPS.items()
    ]


def _address(request: Request, changes: dict[str, object]) -> str:
    """This page with some of its parameters changed; another filter begins at its first page."""
    kept = {name: value for name, value in request.query_params.items() if name in ("q", "status", "order", "mine")}
    query = {name: str(value) for name, value in (kept | changes).items() if value not in ("", None)}
    return request.url.path + (f"?{urlencode(query)}" if query else "")
