"""Finding what is there, deciding whether it is ours, and only then making it: the one protocol behind every `ensure`.

1. Look it up. Absent: write the intent into the ledger, create it, fill in the id.
2. Present, and the ledger intended it: an earlier attempt made it, perhaps without hearing the answer. Resume.
3. Present, unknown to the ledger, with our mark: adopt it. Rollback will leave it alone.
4. Anything else is another owner's: OwnershipConflict.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict, SetupError
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import artifacts


@dataclass(frozen=True)
class Found:
    """A thing at a vendor. `ours` tells what its mark says; None where the vendor has no place for a mark."""

    vendor_id: str
    ours: bool | None
    details: Mapping[str, Any] = field(default_factory=dict)


async def ensure_artifact(
    ctx: StepContext,
    kind: ArtifactKind,
    key: str = "",
    *,
    thing: str,
    find: Callable[[Artifact | None], Awaitable[Found | None]],
    create: Callable[[Artifact], Awaitable[Found]],
) -> Artifact:
    """The ledger row of a thing that exists now and is ours.

    `thing` names it for people ("the workspace “Acme data”"). `find` gets the ledger row, so it can look by id before it looks by
    name. Raises OwnershipConflict when the name belongs to somebody else.
    """
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind, key)
    found = await find(row)
    if found is None:
        row = await artifacts.intend(ctx.db, ctx.organization.id, kind, key)
        made = await create(row)
        return await artifacts.record_present(ctx.db, row.id, made.vendor_id, dict(made.details))
    if found.ours is False or (row is None and not found.ours):
        raise OwnershipConflict(
            f"{thing} exists already and was not made for {ctx.organization.name}. "
            "Rename or remove it at the vendor, or onboard under another name, then try again."
        )
    if row is None:
        return await artifacts.adopt(ctx.db, ctx.organization.id, kind, key, found.vendor_id, dict(found.details))
    return await artifacts.record_present(ctx.db, row.id, found.vendor_id, dict(found.details))


async def require_artifact(ctx: StepContext, kind: ArtifactKind, *, step: str) -> Artifact:
    """The ledger row of a thing that an earlier step made; SetupError naming that step when it has not."""
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)
    if row is None or row.vendor_id is None:
        raise SetupError(f"the step {step} has not been done for {ctx.organization.name}: run it first")
    return row
