"""The board of organizations: one page of them with all that a line shows, in one query, whatever their number."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenant_provisioning.model.lifecycle import ROLLBACK_ATTEMPTS, DeploymentStatus
from tenant_provisioning.store.database import Database

ORDERS = {
    "attention": "attention, created_at desc, id",
    "newest": "created_at desc, id",
    "oldest": "created_at, id",
    "name": "lower(name), id",
}
# what waits for a person, then what is on its way, then what rests; word for word as an index has it
ATTENTION = """case
    when rollback_requested_at is not null and deployment_status <> 'rolled_back' then 2
    when deployment_status = 'failed' then 0 when deployment_status = 'pending_qa' then 1
    when deployment_status in ('provisioning', 'requested', 'rolling_back') then 2
    when deployment_status = 'suspended' then 3 when deployment_status = 'active' then 4 else 5 end"""


@dataclass(frozen=True)
class Filter:
    """Which organizations, in which order. An empty filter lets all through but those that were rolled back."""

    search: str = ""
    statuses: tuple[DeploymentStatus, ...] = ()
    requested_by: str = ""
    order: str = "attention"


@dataclass(frozen=True)
class Line:
    """An organization on the board. Reports `planned` are those that match now; checks are the newest verdict of each.

    Of the steps that failed the roll-up of the reports is none: the reports are counted themselves.
    """

    id: UUID
    name: str
    subdomain: str
    status: DeploymentStatus
    reason: str
    created_at: datetime
    since: datetime
    at_work: bool
    rollback_wished: bool
    rollback_attempt: int
    reports_planned: int
    reports_done: int
    steps_done: int
    steps_failed: int
    checks_passed: int
    checks_failed: int
    ticked: tuple[str, ...]
    approved: bool
    approval_lapsed: bool
    mails_failed: int

    @property
    def rollback_stopped(self) -> bool:
        """True when the rollback has had all its attempts."""
        on_its_way = self.rollback_wished and self.status is not DeploymentStatus.ROLLED_BACK
        return on_its_way and self.rollback_attempt > ROLLBACK_ATTEMPTS


@dataclass(frozen=True)
class Board:
    """One page of lines, how many fit the filter, and how many there are of each status whatever the filter says."""

    lines: tuple[Line, ...]
    total: int
    by_status: dict[DeploymentStatus, int]


async def read_board(db: Database, wanted: Filter, *, offset: int, limit: int) -> Board:
    """A page of the board."""
    statuses = list(wanted.statuses) or [status for status in DeploymentStatus if status != "rolled_back"]
    values = {
        "search": f"%{_escaped(wanted.search)}%",
        "statuses": statuses,
        "requested_by": wanted.requested_by,
        "offset": offset,
        "limit": limit,
    }
    conditions = [STATUS if len(statuses) == 1 else STATUSES]
    conditions += [SEARCHED] if wanted.search else []
    conditions += [REQUESTED_BY] if wanted.requested_by else []
    is_counted = len(conditions) > 1  # else the numbers by status say it, without a look at every organization
    statement = (
        LINES.replace("{order}", ORDERS.get(wanted.order, ORDERS["attention"]))
        .replace("{total}", "count(*) over ()" if is_counted else "0")
        .replace("{conditions}", " and ".join(conditions))
        .replace("{attention}", ATTENTION)
    )
    async with db.connection() as connection:
        counted = await connection.execute(
            "select deployment_status, count(*) as number from organizations group by deployment_status"
        )
        by_status = {DeploymentStatus(row["deployment_status"]): int(row["number"]) async for row in counted}
        rows = await (await connection.execute(statement.encode(), values)).fetchall()
    total = sum(by_status.get(status, 0) for status in statuses)
    if is_counted:
        total = rows[0]["total"] if rows else 0
    lines = []
    for row in rows:
        row.pop("total")
        row |= {"status": DeploymentStatus(row["status"]), "ticked": tuple(row["ticked"])}
        lines.append(Line(**row))
    return Board(tuple(lines), total, by_status)


def _escaped(search: str) -> str:
    """The text as `ilike` takes it literally."""
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# one status has an index of its own in every order, which the planner does not see behind a list of one
STATUS, STATUSES = "deployment_status = (%(statuses)s::text[])[1]", "deployment_status = any(%(statuses)s)"
SEARCHED = "(name ilike %(search)s or subdomain ilike %(search)s)"
REQUESTED_BY = """exists (select from onboarding_requests request
    where request.organization_id = organization.id and requested_by = %(requested_by)s)"""

# made of this module's own words alone; what is asked for are parameters
LINES = """
    with fitting as (
      select organization.*, {attention} as attention, {total} as total
      from organizations organization where {conditions}
      order by {order} offset %(offset)s limit %(limit)s
    )
    select fitting.id, name, subdomain, deployment_status as status, coalesce(status_reason, '') as reason, created_at, total,
           moved_at as since, claimed_by_run is not null as at_work,
           rollback_requested_at is not null as rollback_wished, rollback_attempt,
           planned.reports as reports_planned, progress.reports_done, progress.steps_done, progress.steps_failed,
           checks.passed as checks_passed, checks.failed as checks_failed,
           array(select item from qa_manual_items where organization_id = fitting.id) as ticked,
           coalesce(approval.stands, false) as approved, coalesce(not approval.stands, false) as approval_lapsed,
           (select count(*) from email_outbox mail
            where mail.organization_id = fitting.id and state = 'failed') as mails_failed
    from fitting
    cross join lateral (
      select count(*) as reports from report_templates template
      where retired_at is null and needs <@ jsonb_strip_nulls(
        jsonb_build_object('lms', lms, 'english_maths', english_maths, 'crm', crm, 'hr', hr))
    ) planned
    cross join lateral (
      select count(*) filter (where state = 'done' and step like 'reports/%%') as reports_done,
             count(*) filter (where state = 'done' and step not like '%%/%%') as steps_done,
             count(*) filter (where state = 'failed' and step <> 'deployed_reports') as steps_failed
      from provisioning_steps where organization_id = fitting.id
    ) progress
    cross join lateral (
      select count(*) filter (where outcome = 'passed') as passed, count(*) filter (where outcome = 'failed') as failed
      from (
        select distinct on (step, check_name) outcome from qa_results
        where organization_id = fitting.id order by step, check_name, id desc
      ) newest
    ) checks
    left join lateral (
      select lapsed_at is null as stands from approvals
      where organization_id = fitting.id order by approved_at desc limit 1
    ) approval on true
    order by {order}"""
