"""What became of a run, in words a super admin understands, and what is left to do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from tenant_provisioning.model.errors import ProvisioningError, VendorRejected, passes_in
from tenant_provisioning.model.lifecycle import ROLLBACK_ATTEMPTS, wait_before_attempt
from tenant_provisioning.model.meanings import in_plain_words
from tenant_provisioning.model.plan import REPORT_PREFIX, ROLLBACK_PREFIX, ROLLBACK_STEPS, STEPS, planned_steps
from tenant_provisioning.model.qa import Outcome
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import progress, qa_results
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.progress import StepProgress
from tenant_provisioning.store.qa_results import RecordedVerdict
from tenant_provisioning.vendors import incidents

TITLES = {step.name: step.title for step in STEPS}
ROLL_UP = "deployed_reports"
CHECKED_BY = {check: step.name for step in STEPS for check in step.checks}


async def record_failure(db: Database, organization_id: UUID, step: str, error: ProvisioningError) -> None:
    """The step has failed with this error, on record with whether another attempt can help."""
    if isinstance(error, VendorRejected):
        incidents.tell(error)  # what is refused and stays refused: most refusals are answers that steps expect
    again = passes_in(error)
    reason = in_plain_words(error)
    await progress.fail_step(db, organization_id, step, reason, passes_in=again, a_rerun_can_help=again is not None)


async def explain_failure(db: Database, organization_id: UUID, run_id: str, titles: dict[str, str]) -> str:
    """Why this run did not get the organization there. `titles` maps a template key to its report's title."""
    steps = await progress.list_steps(db, organization_id)
    verdicts = await qa_results.latest_verdicts(db, organization_id)
    told = _failures(
        [step for step in steps if step.run_id == run_id and step.state == "failed"],
        [result for result in verdicts if result.run_id == run_id and result.blocking and not result.verdict.passed],
        titles,
        matching=sum(step.step.startswith(REPORT_PREFIX) for step in steps),
    )
    return " ".join(_sentence(text) for text in told) or (
        "The run ended before it could say why, for instance because its process was stopped. Nothing is lost: try again."
    )


async def explain_remaining(db: Database, organization_id: UUID, titles: dict[str, str]) -> str:
    """What else has failed, whichever run it was in, once a part of it has been mended; empty when nothing has.

    The roll-up of the reports is no failure of its own: it is done again as soon as no report has failed.
    """
    steps = await progress.list_steps(db, organization_id)
    verdicts = await qa_results.latest_verdicts(db, organization_id)
    told = _failures(
        [step for step in steps if step.state == "failed" and step.step != ROLL_UP],
        [
            result
            for result in verdicts
            if result.step != ROLL_UP and result.blocking and result.verdict.outcome is Outcome.FAILED
        ],
        titles,
        matching=sum(step.step.startswith(REPORT_PREFIX) for step in steps),
    )
    return " ".join(_sentence(text) for text in told)


async def may_pass_from(db: Database, organization_id: UUID, run_id: str) -> datetime | None:
    """From when on another attempt may get further than this run, without anybody's doing; None when a person has to act first."""
    failed = [
        step
        for step in await progress.list_steps(db, organization_id)
        if step.run_id == run_id and step.state == "failed"
    ]
    verdicts = await qa_results.latest_verdicts(db, organization_id)
    judged = {each.verdict.outcome for each in verdicts if each.run_id == run_id and each.blocking}
    times = [step.again_at for step in failed]
    if Outcome.FAILED in judged or None in times:
        return None
    return max((time for time in times if time is not None), default=datetime.now(UTC))


def goes_on_at(time: datetime | None) -> str:
    """What is added to a reason, for people to know when they need do nothing."""
    if time is None:
        return " It has been tried often enough by itself: when the cause is gone, try again."
    return f" It goes on by itself at {time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."


async def when_rollback_goes_on(db: Database, organization: Organization) -> datetime | None:
    """When a rollback that could not get to its end goes on by itself, because what stood in its way may pass; else None."""
    await progress.fail_running_steps(db, organization.id, reason="the run ended before this step was done")
    steps = await progress.list_steps(db, organization.id)
    times = [step.again_at for step in steps if step.step.startswith(ROLLBACK_PREFIX) and step.state == "failed"]
    wait = wait_before_attempt(organization.waits)
    if not times or wait is None or None in times:
        return None
    return max([datetime.now(UTC) + wait, *(time for time in times if time is not None)])


async def explain_failed_rollback(
    db: Database, organization: Organization, *, cancelled: bool, next_at: datetime | None = None
) -> str:
    """Why the last attempt to roll the organization back did not get to its end, once no step of it runs any more."""
    await progress.fail_running_steps(db, organization.id, reason="the run ended before this step was done")
    titles = {step.name: step.title for step in ROLLBACK_STEPS}
    told = " ".join(
        _sentence(f"Not done: {titles[step.step]}: {step.reason}")
        for step in await progress.list_steps(db, organization.id)
        if step.step in titles and step.state == "failed"
    )
    if next_at is not None:
        return told + goes_on_at(next_at)
    told = told or ("The rollback was cancelled." if cancelled else "The rollback's run ended before it could say why.")
    again = f"To go on: tenant-provisioning rollback {organization.subdomain}"
    return f"{told} {again}" if cancelled or organization.rollback_attempt >= ROLLBACK_ATTEMPTS else told


async def remaining_steps(db: Database, organization_id: UUID, template_keys: Sequence[str]) -> tuple[str, ...]:
    """The steps still to do, in order: those not done, and those with a check that blocks and has not passed, or that a run which
    died had not asked yet.

    Never empty: the organization's record, which moves it on, is always among them.
    """
    planned = planned_steps(template_keys)
    unfinished = set(await progress.unfinished_steps(db, organization_id, planned))
    verdicts = {result.verdict.check: result for result in await qa_results.latest_verdicts(db, organization_id)}
    doubtful = {step.name for step in STEPS if any(_is_open(verdicts.get(check)) for check in step.checks)}
    left = unfinished | doubtful | {"organization_record"}
    return tuple(step for step in planned if step in left)


def _is_open(result: RecordedVerdict | None) -> bool:
    return result is None or (result.blocking and result.verdict.outcome is not Outcome.PASSED)


def _failures(
    failed: Sequence[StepProgress], doubted: Sequence[RecordedVerdict], titles: dict[str, str], *, matching: int
) -> list[str]:
    reports = [step for step in failed if step.step.startswith(REPORT_PREFIX)]
    told = [
        f"{TITLES[step.step]}: {step.reason}"
        for step in failed
        if step.step in TITLES and not (reports and step.step == ROLL_UP)
    ]
    if reports:
        named = "; ".join(
            f"“{titles.get(step.step.removeprefix(REPORT_PREFIX), step.step)}”: {step.reason.rstrip('.')}"
            for step in reports
        )
        told.append(f"{len(reports)} of {matching} reports could not be deployed: {named}")
    return told + [result.verdict.reason for result in doubted]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
