"""The way back, stage by stage: each takes away one part of what was made for an organization and may be run again at any time.

How one thing is removed is its own module's `remove`; which were created and which adopted, the ledger knows. The order of the
stages is `model.plan`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.steps import super_users
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.removal import remove_created
from tenant_provisioning.store import artifacts, progress, rollbacks

K = ArtifactKind
Stage = Callable[[StepContext], Awaitable[StepResult]]


async def close_sign_in(ctx: StepContext) -> StepResult:
    """Nobody of the organization can sign in or renew a session any more: the door is closed before anything behind it goes."""
    people = [row for row in await artifacts.list_artifacts(ctx.db, ctx.organization.id) if row.kind is K.SUPER_USER]
    closed = [await super_users.shut_out(ctx, person) for person in people if person.created]
    await _let_calls_end(ctx)
    return StepResult(facts={"super_users": sum(closed)})


async def _let_calls_end(ctx: StepContext) -> None:
    """Wait until a call that was cut short has had its time: a thing that came into being after we looked for it would stay."""
    rows = await artifacts.list_artifacts(ctx.db, ctx.organization.id)
    begun = [row.updated_at for row in rows if row.created and row.vendor_id is None and row.updated_at is not None]
    if not begun:
        return
    left = ctx.settings.step_retry_wait - (datetime.now(UTC) - max(begun)).total_seconds()
    if left > 0:
        told = "waiting for a call that was cut short and may still have its effect"
        await progress.note_step(ctx.db, ctx.organization.id, "rollback/sign_in", told)
        await asyncio.sleep(left)


async def forget_organization(ctx: StepContext) -> StepResult:
    """The organization is rolled back, its rows cleared and its name free; the audit log keeps the story."""
    await rollbacks.forget(ctx.db, ctx.organization.id, actor=f"run {ctx.run_id}")
    return StepResult(facts={"freed": ctx.host})


def _removal(*kinds: ArtifactKind) -> Stage:
    """A stage that removes what was created of these kinds, kind after kind."""

    async def remove(ctx: StepContext) -> StepResult:
        removed = {kind: len([gone async for gone in remove_created(ctx, [kind])]) for kind in kinds}
        return StepResult(facts={f"{kind}s_removed": count for kind, count in removed.items()})

    return remove


def _removal_with_workspace(workspace: ArtifactKind, *contents: ArtifactKind) -> Stage:
    """A stage that removes a workspace and what is in it.

    A workspace of ours takes its contents along, in one call instead of one for each of 42 reports; from an adopted one, ours are
    taken out one by one.
    """

    async def remove(ctx: StepContext) -> StepResult:
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, workspace)
        goes_first = row is not None and row.created
        return await _removal(*((workspace, *contents) if goes_first else (*contents, workspace)))(ctx)

    return remove


STAGES: dict[str, Stage] = {
    "rollback/sign_in": close_sign_in,
    "rollback/super_user": _removal(K.SUPER_USER),
    "rollback/dns_record": _removal(K.DNS_RECORD),
    "rollback/hosting_domain": _removal(K.HOSTING_DOMAIN),
    "rollback/connection": _removal(K.CONNECTION),
    "rollback/powerbi_workspace": _removal_with_workspace(K.POWERBI_WORKSPACE, K.REPORT, K.DATASET, K.POWERBI_PROFILE),
    "rollback/fabric_workspace": _removal_with_workspace(K.FABRIC_WORKSPACE, K.DATA_STORE),
    "rollback/organization_record": forget_organization,
}
