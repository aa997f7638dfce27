"""What a person does with a tenant between QA and everyday life, from a terminal: tick, approve, try the login, suspend, resume.

Each is a row written or a call made in `steps`; here is only finding the tenant and saying what was done. The commands are `cli`'s.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, ProvisioningError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import access, approval, delivery
from tenant_provisioning.steps.context import open_context
from tenant_provisioning.store import approvals, check_requests, checklist, organizations, outbox, qa_results
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.terminal import Review

S = DeploymentStatus
LOOK_EVERY = 0.5  # seconds between looks at the rows
BY_HAND = "by hand"  # in the place of a run's id


async def review(db: Database, organization: Organization, settings: Settings) -> Review:
    """Approval, checklist and mail of an organization as they are now."""
    return Review(
        standing=await approval.standing(db, organization, settings),
        ticked=await checklist.list_ticked(db, organization.id),
        required=settings.required_items,
        mails=await outbox.list_mail(db, organization.id),
    )


def as_object(found: Review) -> dict[str, Any]:
    """The review as a part of the JSON object that `status` prints. Recipients of mail are counted, not named."""
    given, mails = found.standing.approval, dict[str, dict[str, int]]()
    for mail in found.mails:
        of_kind = mails.setdefault(mail.kind, {})
        of_kind[mail.told_state] = of_kind.get(mail.told_state, 0) + 1
    return {
        "approval": given
        and {
            "by": given.approved_by,
            "at": given.approved_at.isoformat(),
            "note": given.note,
            "evidence": given.evidence_hash,
            "stands": found.standing.stands,
            "against": list(found.standing.against),
        },
        "checklist": {item: found.ticked[item].done_by if item in found.ticked else None for item in MANUAL_ITEMS},
        "mails": mails,
    }


async def approve(settings: Settings, tenant: str, *, by: str, note: str) -> str:
    """A sentence about the approval. LifecycleError with every obstacle while there is one."""
    async with _found(settings, tenant) as (db, organization):
        given = await approval.approve(db, organization.id, settings, by=by, note=note)
    return (
        f"{organization.name} is approved by {given.approved_by} (evidence {given.evidence_hash[:12]}). "
        f"It goes live within a minute, after its checks have passed once more. Watch it: tenant-provisioning status {tenant}"
    )


async def tick(settings: Settings, tenant: str, item: str, *, done: bool, by: str, note: str) -> None:
    """The item of the checklist is done, or open again. LifecycleError outside QA."""
    if item not in MANUAL_ITEMS:
        raise ProvisioningError(f"“{item}” is no item of the checklist; known are {', '.join(MANUAL_ITEMS)}")
    async with _found(settings, tenant) as (db, organization):
        if organization.status is not S.PENDING_QA:
            raise LifecycleError(f"{organization.name} is {organization.status}: the checklist belongs to pending_qa")
        if done:
            await checklist.tick(db, organization.id, item, done_by=by, note=note)
        else:
            await checklist.untick(db, organization.id, item, undone_by=by, note=note)
            await approval.settle(db, organization, settings, noticed_by=by)


async def request_checks(settings: Settings, tenant: str, *, by: str) -> datetime:
    """When the wish for another round of checks was made."""
    async with _found(settings, tenant) as (db, organization):
        if organization.status not in (S.PENDING_QA, S.ACTIVE):
            raise LifecycleError(
                f"{organization.name} is {organization.status}: checks are run again in pending_qa and when active"
            )
        return await check_requests.request_checks(db, organization.id, actor=by)


async def wait_for_checks(settings: Settings, tenant: str, since: datetime) -> bool:
    """Whether every check has passed, once each has a verdict that is newer than `since`."""
    async with _found(settings, tenant) as (db, organization):
        while True:
            verdicts = await qa_results.latest_verdicts(db, organization.id)
            newer = [each for each in verdicts if each.checked_at > since]
            if len({each.verdict.check for each in newer} & set(approval.CHECKS)) == len(approval.CHECKS):
                return not approval.check_obstacles(newer)
            await asyncio.sleep(LOOK_EVERY)


async def wait_for_go_live(settings: Settings, tenant: str, *, seconds: float) -> Organization:
    """The organization once it is active and its run has ended, or its approval has lapsed; LifecycleError after so long."""
    end = datetime.now(UTC).timestamp() + seconds
    async with _found(settings, tenant) as (db, _):
        while datetime.now(UTC).timestamp() < end:
            now = await _require(db, tenant)
            given = await approvals.find_approval(db, now.id)
            lapsed = given is None or given.lapsed_at is not None
            if (now.status is S.ACTIVE or lapsed) and now.claimed_by_run is None:
                return now
            await asyncio.sleep(LOOK_EVERY)
    raise LifecycleError(
        f"{tenant} is not live after {seconds:.0f} seconds; tenant-provisioning status {tenant} says more"
    )


async def test_login(settings: Settings, tenant: str, *, email: str | None, by: str) -> str:
    """A single-use link that signs in as this super user, or as the first."""
    async with open_context(settings, tenant, BY_HAND) as ctx:
        return (await access.sign_in_link(ctx, email=email, actor=by)).action_link


async def suspend(settings: Settings, tenant: str, *, by: str, reason: str) -> str:
    """A sentence about what was done."""
    async with open_context(settings, tenant, BY_HAND) as ctx:
        people = await access.suspend(ctx, actor=by, reason=reason)
    return f"{ctx.organization.name} is suspended: {people} user(s) cannot sign in. Its data stays."


async def resume(settings: Settings, tenant: str, *, by: str) -> str:
    """A sentence about what was done."""
    async with open_context(settings, tenant, BY_HAND) as ctx:
        people = await access.resume(ctx, actor=by)
        await delivery.deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=ctx.organization.id)
    return f"{ctx.organization.name} is active: {people} user(s) can sign in again."


async def retry_mail(settings: Settings, tenant: str, *, recipient: str | None, by: str) -> int:
    """How many mails, failed or uncertain, were put back into the queue; of one recipient, or all."""
    async with _found(settings, tenant) as (db, organization):
        mails = [mail for mail in await outbox.list_mail(db, organization.id) if recipient in (None, mail.recipient)]
        queued = [await outbox.requeue(db, organization.id, mail.id, actor=by) for mail in mails]
    return sum(queued)


@asynccontextmanager
async def _found(settings: Settings, tenant: str) -> AsyncIterator[tuple[Database, Organization]]:
    async with open_database(settings.database_url.get_secret_value()) as db:
        yield db, await _require(db, tenant)


async def _require(db: Database, tenant: str) -> Organization:
    organization = await organizations.find_by_subdomain(db, tenant)
    if organization is None:
        raise NoSuchTenant(f"there is no tenant “{tenant}”; `tenant-provisioning status` lists all")
    return organization
