"""What the commands show in a terminal: the live progress of one tenant and its QA board. Everything shown is read from rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import REPORT_PREFIX, STEPS
from tenant_provisioning.model.qa import Outcome
from tenant_provisioning.model.tenant import Organization
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
    """What the rows say about one tenant at one moment. `matching` is how many template reports it gets."""

    organization: Organization
    steps: Sequence[StepProgress]
    results: Sequence[RecordedVerdict]
    matching: int

    @property
    def reports(self) -> list[StepProgress]:
        """The single reports among the steps."""
        return [step for step in self.steps if step.step.startswith(REPORT_PREFIX)]

    @property
    def deployed(self) -> int:
        """How many reports are done."""
        return sum(step.state == "done" for step in self.reports)


def progress_lines(view: TenantView) -> RenderableType:
    """A line a step, with the bar of the reports in its place."""
    table = Table.grid(padding=(0, 1))
    states = {step.step: step for step in view.steps}
    for step in STEPS:
        state = states.get(step.name)
        if step.name == "deployed_reports":
            table.add_row(*_reports_row(view, state))
        else:
            table.add_row(_sign(state), step.title, _duration(state), Text(_reason(state), "red"))
    return Group(_headline(view.organization), table)


def plain_changes(before: TenantView | None, now: TenantView) -> list[str]:
    """What has changed since the last look, a line each, for output that is not a terminal."""
    old = {step.step: step.state for step in before.steps} if before else {}
    titles = {step.name: step.title for step in STEPS}
    lines = [
        f"{titles[step.step]}: {step.state}" + (f": {step.reason}" if step.state == "failed" else "")
        for step in now.steps
        if step.step in titles and old.get(step.step) != step.state
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
    if organization.status_reason and status is DeploymentStatus.FAILED:
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
    return step.reason or "" if step and step.state == "failed" else ""
