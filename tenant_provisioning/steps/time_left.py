"""How long the making of an organization still takes: by how long it took for others, and by its place among those who share the
vendors' budgets. The reckoning is `model.estimate` and `model.call_budget`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tenant_provisioning.model.estimate import REPORTS, Estimate, PastRun, estimate
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import REPORT_PREFIX, STEPS
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import call_queue, history, progress
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.progress import StepProgress, StepState

UNDERWAY = (DeploymentStatus.REQUESTED, DeploymentStatus.PROVISIONING)


async def time_left(
    db: Database, organization: Organization, *, reports: int | None = None, steps: Sequence[StepProgress] | None = None
) -> Estimate | None:
    """The time left to an organization that gets so many reports, or those that were begun where nobody has counted them.

    None when it is not being made, or too little is known.
    """
    if organization.status not in UNDERWAY or organization.is_on_its_way_back:
        return None
    known = await progress.list_steps(db, organization.id) if steps is None else steps
    begun = [step for step in known if _is_report(step.step)]
    number = reports or len(begun)
    done = sum(step.state is StepState.DONE for step in begun)
    open_share = max(number - done, 0) / number if number else 1.0
    return in_line(
        of_steps(known, await history.past_runs(db), open_share, datetime.now(UTC)),
        (await call_queue.done_in_seconds(db)).get(organization.id, 0.0),
    )


def in_line(alone: Estimate | None, seconds: float) -> Estimate | None:
    """What a tenant would take alone, and not before it has had its calls."""
    return None if alone is None else alone.not_before(seconds)


def of_steps(
    steps: Sequence[StepProgress], past: Sequence[PastRun], open_reports: float, now: datetime
) -> Estimate | None:
    """What is left of these steps by past runs; `open_reports` is the share of the reports that are not done."""
    states = {step.step: step for step in steps}
    left = [step.name for step in STEPS if step.name not in states or states[step.name].state is not StepState.DONE]
    if open_reports:
        left.insert(left.index("deployed_reports") if "deployed_reports" in left else 0, REPORTS)
    running = {step.step for step in steps if step.state is StepState.RUNNING}
    left.sort(key=lambda step: not (step in running or (step == REPORTS and any(map(_is_report, running)))))
    # what was done last, or begun, whichever is known: since then the step at work has been waited for
    runs = {step.run_id for step in steps if step.state is StepState.RUNNING}
    of_run = [step for step in steps if step.run_id in runs]
    moments = [step.finished_at for step in of_run if step.finished_at] or [step.started_at for step in of_run]
    waiting = max((now - max(moments)).total_seconds(), 0) if moments else 0.0
    return estimate(past, left, reports_left=open_reports, waiting=waiting)


def _is_report(step: str) -> bool:
    return step.startswith(REPORT_PREFIX)
