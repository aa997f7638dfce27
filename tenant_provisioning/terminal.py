"""What the commands show in a terminal: the live progress of one tenant and its QA board. Everything shown is read from rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tenant_provisioning.model.estimate import Estimate
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import GO_LIVE, REPORT_PREFIX, ROLLBACK_STEPS, STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, ManualItem, Outcome
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.steps.approval import Standing, listed
from tenant_provisioning.store.outbox import Mail
from tenant_provisioning.store.progress import StepProgress
from tenant_provisioning.store.qa_results import RecordedVerdict

SIGNS = {"done": Text("✓", "green"), "failed": Text("✗", "bold red"), "waiting": Text("·", "dim")}
VERDICT_SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_CARRIED_OUT: "…"}
COLOURS = {"✓": "green", "✗": "bold red", "…": "yellow"}
STATUS_COLOURS = {
    DeploymentStatus.PENDING_QA: "green", DeploymentStatus.ACTIVE: "green", DeploymentStatus.FAILED: "bold red",
    DeploymentStatus.PROVISIONING: "cyan", DeploymentStatus.REQUESTED: "cyan",
}  # fmt: skip


@dataclass(frozen=True)
class TenantView:
    """What the rows say about one tenant at one moment. `matching` is how many template reports it gets, `left` the time left."""

    organization: Organization
    steps: Sequence[StepProgress]
    results: Sequence[RecordedVerdict]
    matching: int
    left: Estimate | None = None

    @property
    def reports(self) -> list[StepProgress]:
        """The single reports among the steps."""
        return [step for step in self.steps if step.step.startswith(REPORT_PREFIX)]

    @property
    def goes_back(self) -> bool:
        """True when what is shown is its rollback rather than its making."""
        return self.organization.status in (DeploymentStatus.ROLLING_BACK, DeploymentStatus.ROLLED_BACK)

    @property
    def deployed(self) -> int:
        """How many reports are there."""
        if self.organization.status is DeploymentStatus.ROLLED_BACK:
            return 0
        return sum(step.state == "done" for step in self.reports)


@dataclass(frozen=True)
class Review:
    """What people have to say about a tenant, and what its users have been told. `required` are keys of checklist items."""

    standing: Standing
    ticked: Mapping[str, ManualItem]
    required: tuple[str, ...]
    mails: Sequence[Mail]


def progress_lines(view: TenantView) -> RenderableType:
    """A line a step, with the bar of the reports in its place."""
    table = Table.grid(padding=(0, 1))
    states = {step.step: step for step in view.steps}
    for step in ROLLBACK_STEPS if view.goes_back else STEPS:
        state = states.get(step.name)
        if step.name == "deployed_reports":
            table.add_row(*_reports_row(view, state))
        else:
            style = "red" if state is not None and state.state == "failed" else "yellow"
            table.add_row(_sign(state), step.title, _duration(state), Text(_reason(state), style))
    if (live := states.get(GO_LIVE.name)) and not view.goes_back:
        table.add_row(_sign(live), GO_LIVE.title, _duration(live), Text(_reason(live), "red"))
    return Group(_headline(view.organization), table, *([Text(time_left(view.left), "dim")] if view.left else []))


def time_left(left: Estimate) -> str:
    """The time left as a sentence."""
    if left.overdue:
        return f"Taking longer than in any of the last {left.runs} runs."
    shown = f"{left.seconds:.0f} s" if left.seconds < 90 else f"{left.seconds / 60:.0f} min"
    return f"Done in about {shown}" + (", in line with others for the vendors' budgets." if left.in_line else ".")


def plain_changes(before: TenantView | None, now: TenantView) -> list[str]:
    """What has changed since the last look, a line each, for output that is not a terminal."""
    old = {step.step: step.state for step in before.steps} if before else {}
    titles = {step.name: step.title for step in (*STEPS, GO_LIVE, *ROLLBACK_STEPS)}
    notes = {step.step: step.reason for step in before.steps} if before else {}
    lines = [
        f"{titles[step.step]}: {step.state}" + (f": {step.reason}" if step.state == "failed" else "")
        for step in now.steps
        if step.step in titles and old.get(step.step) != step.state
    ]
    if lines and now.left and not now.left.overdue:
        lines[-1] += f" ({time_left(now.left).removesuffix('.').lower()})"
    lines += [
        f"{titles[step.step]}: {step.reason}"
        for step in now.steps
        if step.step in titles and step.state == "running" and step.reason and notes.get(step.step) != step.reason
    ]
    if now.reports and (before is None or before.deployed != now.deployed):
        lines.append(f"Reports: {now.deployed} of {now.matching} deployed")
    if before is None or before.organization.status is not now.organization.status:
        lines.append(f"{now.organization.name}: {now.organization.status}")
    return lines


def qa_board(view: TenantView) -> RenderableType:
    """The automatic checks in the order of the steps, each with ✓, ✗ or …, and a reason for what did not pass."""
    table = Table(
        title=f"QA: {view.organization.name}",
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
        box=None,
    )
    for column in ("", "Check", "Step", "Found"):
        table.add_column(
            column, style="dim" if column == "Step" else None, header_style="dim", no_wrap=column == "Step"
        )
    latest = {result.verdict.check: result for result in view.results}
    for step in STEPS:
        for check in step.checks:
            result = latest.get(check)
            sign = VERDICT_SIGNS[result.verdict.outcome] if result else "…"
            found = "not asked yet" if result is None else result.verdict.reason or result.verdict.found
            passed = result is not None and result.verdict.passed
            shown = Text(found, no_wrap=True, overflow="ellipsis", style="dim") if passed else Text(found)
            table.add_row(Text(sign, COLOURS[sign]), Text(check.replace("_", " "), no_wrap=True), step.title, shown)
    return Group(
        _headline(view.organization), Text(f"{view.deployed} of {view.matching} reports deployed"), Text(), table
    )


def review_board(review: Review) -> RenderableType:
    """The part of the QA list that people tick, the approval and what it rests on, and the mail."""
    table = Table.grid(padding=(0, 1))
    for key, title in MANUAL_ITEMS.items():
        item = review.ticked.get(key)
        sign, style = ("✓", "green") if item else ("…", "yellow") if key in review.required else ("·", "dim")
        told = f"{item.done_by}, {_when(item.done_at)}" + (f": {item.note}" if item.note else "") if item else key
        table.add_row(Text(sign, style), title, Text(told, "dim"))
    return Group(
        Text("Checklist", "bold"), table, Text(), _approval_line(review.standing), *map(_mail_line, review.mails)
    )


def _approval_line(standing: Standing) -> Text:
    given = standing.approval
    if given is None:
        return Text("Not approved yet.", "dim")
    line = Text(f"Approved by {given.approved_by}, {_when(given.approved_at)}")
    line.append(f", evidence {given.evidence_hash[:12]}" + (f": {given.note}" if given.note else ""), "dim")
    if standing.against:
        told = "\nThat approval has lapsed: " if given.lapsed_at else "\nChanged since then: "
        line.append(told + listed(standing.against), "yellow")
    return line


def _mail_line(mail: Mail) -> Text:
    colours = {"sent": "green", "failed": "bold red", "uncertain": "bold red"}
    line = Text(f"Mail “{mail.kind.replace('_', ' ')}” to {mail.recipient}: ")
    line.append(mail.told_state, colours.get(mail.told_state, "yellow"))
    return line.append(f" ({mail.last_error})" if mail.last_error and not mail.sent_at else "", "dim")


def _when(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def organizations_table(organizations: Sequence[Organization]) -> Table:
    """Every organization with its status and why."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("Tenant", "Organization", "Status", "Since", "Reason"):
        table.add_column(column)
    for row in organizations:
        since = row.created_at.astimezone().strftime("%Y-%m-%d %H:%M") if row.created_at else ""
        table.add_row(
            row.subdomain,
            row.name,
            Text(row.status, STATUS_COLOURS.get(row.status, "")),
            since,
            row.status_reason or "",
        )
    return table


def _headline(organization: Organization) -> Text:
    status = organization.status
    line = Text.assemble((organization.name, "bold"), f"  {organization.subdomain}.{organization.domain}  ")
    line.append(status.replace("_", " "), STATUS_COLOURS.get(status, ""))
    if organization.is_on_its_way_back and status is not DeploymentStatus.ROLLING_BACK:
        line.append(", to be rolled back", "yellow")
    if organization.status_reason and status in (DeploymentStatus.FAILED, DeploymentStatus.ROLLING_BACK):
        line.append(f"\n{organization.status_reason}", "red")
    return line


def _reports_row(view: TenantView, roll_up: StepProgress | None) -> tuple[RenderableType, ...]:
    failed = [step for step in view.reports if step.state == "failed"]
    running = any(step.state == "running" for step in view.reports)
    sign = _sign(roll_up) if roll_up else Spinner("dots") if running else SIGNS["failed" if failed else "waiting"]
    bar = ProgressBar(total=max(view.matching, 1), completed=view.deployed, width=28)
    told = f"{view.deployed}/{view.matching}" + (f", {len(failed)} failed" if failed else "")
    return sign, "Reports", bar, Text(told, "red" if failed else "")


def _sign(step: StepProgress | None) -> RenderableType:
    if step is None:
        return SIGNS["waiting"]
    return Spinner("dots") if step.state == "running" else SIGNS[step.state]


def _duration(step: StepProgress | None) -> Text:
    if step is None:
        return Text("")
    end = step.finished_at or datetime.now(UTC)
    return Text(f"{max((end - step.started_at).total_seconds(), 0):.1f} s", "dim")


def _reason(step: StepProgress | None) -> str:
    return step.reason if step else ""
