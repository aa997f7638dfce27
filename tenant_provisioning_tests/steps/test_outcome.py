"""Why a run did not get there, in words a super admin understands, and what is left to do."""

from dataclasses import replace

import pytest

from tenant_provisioning.model.errors import (
    ChecksOutstanding,
    DatabaseUnavailable,
    OwnershipConflict,
    ProvisioningError,
    VendorRejected,
    VendorUnavailable,
)
from tenant_provisioning.model.plan import STEPS, planned_steps
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.outcome import explain_failure, explain_remaining, record_failure, remaining_steps
from tenant_provisioning.store import progress, qa_results

RUN = "run-7"
FAILED = Verdict("resolves_to_the_web_app", Outcome.FAILED, "a", "b", "The host does not resolve yet")


async def fail(ctx: StepContext, step: str, reason: str, run_id: str = RUN) -> None:
    await progress.start_step(ctx.db, ctx.organization.id, step, run_id=run_id)
    await progress.fail_step(ctx.db, ctx.organization.id, step, reason)


async def finish(ctx: StepContext, *steps: str) -> None:
    for step in steps:
        await progress.start_step(ctx.db, ctx.organization.id, step, run_id=RUN)
        await progress.finish_step(ctx.db, ctx.organization.id, step)


async def record(ctx: StepContext, verdict: Verdict, *, blocking: bool = True, run_id: str = RUN) -> None:
    await qa_results.record_verdict(
        ctx.db, ctx.organization.id, run_id=run_id, step="dns_record", verdict=verdict, blocking=blocking
    )


async def finish_and_pass(ctx: StepContext, *steps: str) -> None:
    await finish(ctx, *steps)
    for step in STEPS:
        for check in step.checks:
            await qa_results.record_verdict(
                ctx.db, ctx.organization.id, run_id=RUN, step=step.name, blocking=True,
                verdict=Verdict(check, Outcome.PASSED, "so", "so"),
            )  # fmt: skip


async def explain(ctx: StepContext, **titles: str) -> str:
    return await explain_failure(ctx.db, ctx.organization.id, RUN, titles)


async def test_a_failed_step_is_told_by_its_title_with_its_reason(ctx: StepContext) -> None:
    await fail(ctx, "fabric_data_store", "Microsoft Fabric: create lakehouse: no capacity")

    assert await explain(ctx) == "Data store: Microsoft Fabric: create lakehouse: no capacity."


async def test_failed_reports_are_counted_and_named_and_not_told_twice_by_their_roll_up(ctx: StepContext) -> None:
    await finish(ctx, "reports/fine")
    await fail(ctx, "reports/attendance", "the import failed: password protected.")
    await fail(ctx, "reports/unknown", "no answer")
    await fail(ctx, "deployed_reports", "2 of 3 reports are not deployed yet")

    told = await explain(ctx, attendance="Attendance (Aptem)")

    assert told == (
        "2 of 3 reports could not be deployed: “Attendance (Aptem)”: the import failed: password protected; "
        "“reports/unknown”: no answer."
    )


async def test_the_roll_up_tells_of_itself_when_no_report_failed(ctx: StepContext) -> None:
    await fail(ctx, "deployed_reports", "1 of 42 reports are not deployed yet: Attendance")

    assert await explain(ctx) == "Reports: 1 of 42 reports are not deployed yet: Attendance."


async def test_a_blocking_check_that_failed_tells_its_reason(ctx: StepContext) -> None:
    await record(ctx, FAILED)

    assert await explain(ctx) == "The host does not resolve yet."


async def test_what_another_run_or_an_unblocking_check_found_is_not_this_runs_reason(ctx: StepContext) -> None:
    await fail(ctx, "super_users", "an old sorrow", run_id="run-6")
    await record(ctx, FAILED, run_id="run-6")
    await record(ctx, replace(FAILED, check="another_check"), blocking=False)

    assert (await explain(ctx)).startswith("The run ended before it could say why")


async def test_everything_is_left_at_the_beginning_in_the_order_of_the_plan(ctx: StepContext) -> None:
    assert await remaining_steps(ctx.db, ctx.organization.id, ["b", "a"]) == planned_steps(["b", "a"])


async def test_what_is_done_is_not_left_and_what_failed_is(ctx: StepContext) -> None:
    await finish_and_pass(ctx, *planned_steps(["a", "b"]))
    await fail(ctx, "reports/b", "no")

    left = await remaining_steps(ctx.db, ctx.organization.id, ["a", "b"])

    assert left == ("reports/b", "organization_record")


async def test_a_done_step_whose_blocking_check_has_not_passed_is_left(ctx: StepContext) -> None:
    await finish_and_pass(ctx, *planned_steps(["a"]))
    for outcome in (Outcome.FAILED, Outcome.NOT_CARRIED_OUT):
        await record(ctx, replace(FAILED, outcome=outcome))
        assert await remaining_steps(ctx.db, ctx.organization.id, ["a"]) == ("dns_record", "organization_record")

    await record(ctx, replace(FAILED, outcome=Outcome.PASSED, reason=""))

    assert await remaining_steps(ctx.db, ctx.organization.id, ["a"]) == ("organization_record",)


async def test_a_check_that_does_not_block_leaves_nothing_to_do(ctx: StepContext) -> None:
    await finish_and_pass(ctx, *planned_steps(["a"]))
    await record(ctx, FAILED, blocking=False)

    assert await remaining_steps(ctx.db, ctx.organization.id, ["a"]) == ("organization_record",)


async def test_a_done_step_whose_check_was_not_asked_is_left(ctx: StepContext) -> None:
    await finish(ctx, *planned_steps(["a"]))  # and before any check could be asked the run died

    left = await remaining_steps(ctx.db, ctx.organization.id, ["a"])

    assert left == tuple(step.name for step in STEPS if step.checks)


async def test_once_a_part_is_mended_what_else_has_failed_is_told_whatever_its_run(ctx: StepContext) -> None:
    await finish(ctx, "reports/mended")
    assert await explain_remaining(ctx.db, ctx.organization.id, {}) == ""
    await fail(ctx, "deployed_reports", "1 of 2 reports are not deployed yet")  # its roll-up is no failure of its own
    assert await explain_remaining(ctx.db, ctx.organization.id, {}) == ""

    await fail(ctx, "reports/broken", "password protected", run_id="run-1")
    await record(ctx, FAILED, run_id="run-2")

    assert await explain_remaining(ctx.db, ctx.organization.id, {"broken": "Broken"}) == (
        "1 of 2 reports could not be deployed: “Broken”: password protected. The host does not resolve yet."
    )


@pytest.mark.parametrize(
    ("error", "can_help"),
    [
        (VendorUnavailable("Power BI", "clone report", "too many requests", status=429), True),
        (ChecksOutstanding("not asked yet"), True),
        (DatabaseUnavailable("away"), True),
        (VendorRejected("GoDaddy", "put DNS record", "access was refused", status=403), False),
        (OwnershipConflict("another's"), False),
    ],
)
async def test_a_failure_says_whether_a_rerun_can_help(
    ctx: StepContext, error: ProvisioningError, can_help: bool
) -> None:
    await progress.start_step(ctx.db, ctx.organization.id, "dns_record", run_id=RUN)
    await record_failure(ctx.db, ctx.organization.id, "dns_record", error)

    (step,) = await progress.list_steps(ctx.db, ctx.organization.id)
    assert (step.reason, step.a_rerun_can_help) == (str(error), can_help)
    await progress.start_step(ctx.db, ctx.organization.id, "dns_record", run_id=RUN)
    assert (await progress.list_steps(ctx.db, ctx.organization.id))[0].a_rerun_can_help is None
