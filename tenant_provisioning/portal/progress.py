"""What the organization's page says of its progress, from rows alone: steps, reports, failures, the time that is left. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tenant_provisioning.model.estimate import Estimate, PastRun
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import GO_LIVE, REPORT_PREFIX, ROLLBACK_STEPS, STEPS, PlannedStep
from tenant_provisioning.model.qa import Outcome
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal.links import Links
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import time_left
from tenant_provisioning.store.progress import StepProgress, StepState
from tenant_provisioning.store.qa_results import RecordedVerdict

S = DeploymentStatus
ROLL_UP = "deployed_reports"
CAN_HELP = {
    True: "A retry can help: the vendor was away or busy, or the work was cut off.",
    False: "A retry alone will not help: mend the cause first, then retry.",
    None: "Nobody can tell whether a retry helps. It does no harm.",
}


@dataclass(frozen=True)
class Rows:
    """All that was read of one organization. `titles` are those of the template reports it gets, by key; `done_in` are the seconds
    until the vendors' budgets have let all its calls through.
    """

    organization: Organization
    steps: Sequence[StepProgress]
    verdicts: Sequence[RecordedVerdict]
    titles: Mapping[str, str]
    past: Sequence[PastRun]
    done_in: float = 0.0


@dataclass(frozen=True)
class StepLine:
    """A step as a line: its state is waiting, running, done or failed; `seconds` it has taken so far; `note` what it waits for."""

    name: str
    title: str
    state: str = "waiting"
    seconds: float | None = None
    attempt: int = 1
    note: str = ""
    run_url: str = ""
    thing_url: str = ""


@dataclass(frozen=True)
class ReportLine:
    """One report of the tenant."""

    key: str
    title: str
    state: str = "waiting"
    url: str = ""


@dataclass(frozen=True)
class Failure:
    """Something that has failed, why, whether a retry can help, and the steps that a retry of just that is about."""

    title: str
    cause: str
    a_rerun_can_help: bool | None
    selection: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """Whether a retry helps, in words."""
        return CAN_HELP[self.a_rerun_can_help]


@dataclass(frozen=True)
class Progress:
    """The live part of the page."""

    steps: Sequence[StepLine]
    reports: Sequence[ReportLine]
    failures: Sequence[Failure]
    estimate: Estimate | None
    underway: bool
    goes_back: bool

    def reports_in(self, *states: str) -> list[ReportLine]:
        """The reports in these states."""
        return [report for report in self.reports if report.state in states]

    @property
    def steps_done(self) -> int:
        """How many steps are done."""
        return sum(step.state == "done" for step in self.steps)

    @property
    def summary(self) -> str:
        """Where it is, in one sentence, for those who listen to the page."""
        running = ", ".join(step.title for step in self.steps if step.state == "running")
        told = f"{self.steps_done} of {len(self.steps)} steps done"
        told += f"; now: {running}" if running else ""
        return told + (f"; {len(self.failures)} failed" if self.failures else "") + "."


def progress_of(rows: Rows, settings: Settings, now: datetime) -> Progress:
    """What the rows say at this moment."""
    organization = rows.organization
    goes_back = organization.status in (S.ROLLING_BACK, S.ROLLED_BACK)
    states = {step.step: step for step in rows.steps}
    links = Links(organization, rows.steps, settings)
    planned: Iterable[PlannedStep] = ROLLBACK_STEPS if goes_back else STEPS
    if not goes_back and (GO_LIVE.name in states or organization.status in (S.ACTIVE, S.SUSPENDED)):
        planned = (*planned, GO_LIVE)
    underway = organization.status in (S.REQUESTED, S.PROVISIONING, S.ROLLING_BACK)
    reports = [] if organization.status is S.ROLLED_BACK else _reports(rows, states, links)
    return Progress(
        steps=[_line(step, states, links, now) for step in planned],
        reports=reports,
        failures=_failures(rows, goes_back=goes_back),
        estimate=_estimate(rows, reports, now) if underway and not goes_back else None,
        underway=underway,
        goes_back=goes_back,
    )


def _line(planned: PlannedStep, states: Mapping[str, StepProgress], links: Links, now: datetime) -> StepLine:
    found = states.get(planned.name)
    if planned.name == ROLL_UP and (found is None or found.state is not StepState.DONE):
        single = [step for name, step in states.items() if name.startswith(REPORT_PREFIX)]
        if any(step.state is StepState.RUNNING for step in single) or found is None:
            return _roll_up(planned, single, links, now)
    if found is None:
        return StepLine(planned.name, planned.title)
    return StepLine(
        planned.name,
        planned.title,
        found.state,
        max(((found.finished_at or now) - found.started_at).total_seconds(), 0),
        found.attempt,
        found.reason if found.state is StepState.RUNNING else "",
        links.run(found.run_id),
        links.thing(planned.name),
    )


def _roll_up(planned: PlannedStep, single: Sequence[StepProgress], links: Links, now: datetime) -> StepLine:
    """The reports while they are made: their roll-up has no row of its own until they are all there."""
    if not single:
        return StepLine(planned.name, planned.title)
    running = [step for step in single if step.state is StepState.RUNNING]
    state = "running" if running else "failed" if any(step.state is StepState.FAILED for step in single) else "waiting"
    newest = max(single, key=lambda step: step.started_at)
    began = min(step.started_at for step in single if step.run_id == newest.run_id)
    ended = now if running else max(step.finished_at or now for step in single)
    seconds = max((ended - began).total_seconds(), 0)
    return StepLine(
        planned.name, planned.title, state, seconds, 1, "", links.run(newest.run_id), links.thing(planned.name)
    )


def _reports(rows: Rows, states: Mapping[str, StepProgress], links: Links) -> list[ReportLine]:
    begun = {name.removeprefix(REPORT_PREFIX): step for name, step in states.items() if name.startswith(REPORT_PREFIX)}
    keys = dict.fromkeys([*rows.titles, *sorted(begun)])
    return [
        ReportLine(key, rows.titles.get(key, key), begun[key].state if key in begun else "waiting", links.report(key))
        for key in keys
    ]


def _failures(rows: Rows, *, goes_back: bool) -> list[Failure]:
    organization = rows.organization
    titles = {step.name: step.title for step in (*STEPS, GO_LIVE, *ROLLBACK_STEPS)}
    failed = [step for step in rows.steps if step.state is StepState.FAILED and _belongs(step.step, goes_back)]
    reports_failed = any(step.step.startswith(REPORT_PREFIX) for step in failed)
    told = [
        Failure(_title(step.step, titles, rows.titles), step.reason, step.a_rerun_can_help, (step.step,))
        for step in failed
        # the roll-up fails with its reports and is made again after them
        if not (step.step == ROLL_UP and reports_failed)
    ]
    if organization.status is S.FAILED:
        told += [
            Failure(
                f"Check “{verdict.verdict.check.replace('_', ' ')}”",
                verdict.verdict.reason,
                True if verdict.verdict.outcome is Outcome.NOT_CARRIED_OUT else None,
                (verdict.step,),
            )
            for verdict in rows.verdicts
            if verdict.blocking and not verdict.verdict.passed and verdict.step not in {step.step for step in failed}
        ]
    stopped = organization.status is S.FAILED or organization.rollback_has_stopped
    if stopped and not told and organization.status_reason:
        told.append(Failure("The run", organization.status_reason, True))
    return told


def _belongs(step: str, goes_back: bool) -> bool:
    return step.startswith("rollback/") is goes_back


def _title(step: str, titles: Mapping[str, str], reports: Mapping[str, str]) -> str:
    if step.startswith(REPORT_PREFIX):
        key = step.removeprefix(REPORT_PREFIX)
        return f"Report “{reports.get(key, key)}”"
    return titles.get(step, step)


def _estimate(rows: Rows, reports: Sequence[ReportLine], now: datetime) -> Estimate | None:
    open_reports = sum(report.state != "done" for report in reports)
    share = open_reports / len(reports) if reports else 0.0
    return time_left.in_line(time_left.of_steps(rows.steps, rows.past, share, now), rows.done_in)
