"""Going live: the approval still stands, everything has been checked again, the organization becomes active, and each super user is
sent one link to choose a password. Provisioning ends before this; only a person's approval leads here."""

from collections.abc import Collection

from tenant_provisioning.model.errors import ChecksOutstanding, LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.qa import Outcome
from tenant_provisioning.steps import approval, letters
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.delivery import deliver_due
from tenant_provisioning.store import organizations, outbox, qa_results


async def ensure(ctx: StepContext, runs: Collection[str]) -> StepResult:
    """The organization is active and every super user is invited, once, however often this is repeated.

    `runs` are this run and those it is a repetition of: the checks must have passed in one of them. Raises LifecycleError with the
    reasons when something speaks against it, ChecksOutstanding when a check has yet to be carried out; then it stays pending_qa.
    """
    organization = ctx.organization
    if organization.status is DeploymentStatus.PENDING_QA:
        approved_by = await _permission(ctx, runs)
        await _invite(ctx)  # nothing of it is sent while the organization is not active
        await organizations.move(
            ctx.db,
            organization.id,
            DeploymentStatus.ACTIVE,
            actor=f"run {ctx.run_id}",
            reason=f"approved by {approved_by}",
        )
    elif organization.status is not DeploymentStatus.ACTIVE:
        raise LifecycleError(f"{organization.name} is {organization.status}: only what is in pending_qa can go live")
    await deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=organization.id)
    mails = [mail for mail in await outbox.list_mail(ctx.db, organization.id) if mail.kind == letters.PLATFORM_READY]
    return StepResult(
        facts={"status": "active", "invitations": len(mails), "sent": sum(mail.sent_at is not None for mail in mails)},
        links={"site": f"https://{ctx.host}"},
    )


async def _permission(ctx: StepContext, runs: Collection[str]) -> str:
    """Who approved; an error with every reason when the organization may not go live now."""
    verdicts = await qa_results.latest_verdicts(ctx.db, ctx.organization.id)
    fresh = [each for each in verdicts if each.run_id in runs]
    found = await approval.settle(ctx.db, ctx.organization, ctx.settings, noticed_by=f"run {ctx.run_id}")
    outstanding = approval.check_obstacles(fresh)
    if any(each.verdict.outcome is Outcome.FAILED for each in fresh):
        raise LifecycleError(f"{ctx.organization.name} stays in QA. " + " ".join(outstanding))
    if found.approval is None:
        raise LifecycleError(f"nobody has approved {ctx.organization.name}")
    if not found.stands:
        raise LifecycleError(
            f"the approval by {found.approval.approved_by} no longer stands: {approval.listed(found.against)}"
        )
    if outstanding:
        raise ChecksOutstanding(
            f"{ctx.organization.name} cannot go live before its checks have been run again in the same run. "
            + " ".join(outstanding)
        )
    return found.approval.approved_by


async def _invite(ctx: StepContext) -> None:
    """An invitation waits for every super user; one that was queued before stays as it is."""
    for person in ctx.form.super_users:
        letter = letters.platform_ready(ctx.settings.platform_name, ctx.organization.name, person.first_name, ctx.host)
        await outbox.queue_mail(
            ctx.db,
            ctx.organization.id,
            kind=letter.kind,
            recipient=person.email,
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
        )
