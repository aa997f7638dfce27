"""Finding what is there, deciding whether it is ours, and only then making it: the one protocol behind every `ensure`.

1. Look it up. Absent: write the intent into the ledger, create it, fill in the id.
2. Present, and the ledger intended it: an earlier attempt made it, perhaps without hearing the answer. Resume.
3. Present, unknown to the ledger, with our mark: adopt it. Rollback will leave it alone.
4. Anything else is another owner's: OwnershipConflict, and no intent of ours stays behind.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.errors import OwnershipConflict, SetupError
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import artifacts


@dataclass(frozen=True)
class Found:
    """A thing at a vendor. `ours` tells what its mark says; None where the vendor has no place for a mark.

    `existed` says that `create` came upon it instead of making it: we had not been able to see it before.
    """

    vendor_id: str
    ours: bool | None
    details: Mapping[str, Any] = field(default_factory=dict)
    existed: bool = False


async def ensure_artifact(
    ctx: StepContext,
    kind: ArtifactKind,
    key: str = "",
    *,
    thing: str,
    find: Callable[[Artifact | None], Awaitable[Found | None]],
    create: Callable[[Artifact], Awaitable[Found]],
    rows: Mapping[str, Artifact] | None = None,
) -> Artifact:
    """The ledger row of a thing that exists now and is ours.

    `thing` names it for people ("the workspace “Acme data”"). `find` gets the ledger row, so it can look by id before it looks by
    name. `rows` are the ledger's of this kind by key, from whoever has looked them up for many things at once.
    Raises OwnershipConflict when the name belongs to somebody else.
    """
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind, key) if rows is None else rows.get(key)
    found = await find(row)
    if found is None:
        return await _make(ctx, row, kind, key, thing=thing, create=create)
    known = row is not None and row.vendor_id == found.vendor_id  # by its id, whatever became of its mark
    if not known and (found.ours is False or (row is None and not found.ours)):
        raise _conflict(ctx, thing)
    if row is None:
        return await artifacts.adopt(ctx.db, ctx.organization.id, kind, key, found.vendor_id, dict(found.details))
    if known and row.state is ArtifactState.PRESENT and found.details.items() <= row.details.items():
        return row
    return await artifacts.record_present(ctx.db, row.id, found.vendor_id, dict(found.details))


async def _make(
    ctx: StepContext,
    before: Artifact | None,
    kind: ArtifactKind,
    key: str,
    *,
    thing: str,
    create: Callable[[Artifact], Awaitable[Found]],
) -> Artifact:
    row = await artifacts.intend(ctx.db, ctx.organization.id, kind, key)
    try:
        made = await create(row)
        if made.ours is False:
            raise _conflict(ctx, thing)
    except OwnershipConflict:
        if before is None:
            # an intent that stayed would make the other owner's thing look like ours to the next attempt
            await artifacts.record_removed(ctx.db, row.id)
        raise
    if made.existed and before is None:
        return await artifacts.adopt(ctx.db, ctx.organization.id, kind, key, made.vendor_id, dict(made.details))
    return await artifacts.record_present(ctx.db, row.id, made.vendor_id, dict(made.details))


def _conflict(ctx: StepContext, thing: str) -> OwnershipConflict:
    return OwnershipConflict(
        f"{thing} exists already and was not made for {ctx.organization.name}. "
        "Rename or remove it at the vendor, or onboard under another name, then try again."
    )


async def require_artifact(ctx: StepContext, kind: ArtifactKind, *, step: str) -> Artifact:
    """The ledger row of a thing that an earlier step made; SetupError naming that step when it has not."""
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)
    if row is None or row.vendor_id is None:
        raise SetupError(f"the step {step} has not been done for {ctx.organization.name}: run it first")
    return row
