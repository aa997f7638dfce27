"""Waiting for a name that Fabric keeps for a while after the thing that bore it was removed.

Whether what bears a name is ours decides `ownership`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenant_provisioning.model.errors import VendorError, VendorUnavailable
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import progress

T = TypeVar("T")
ITEM_NAME_KEPT = "ItemDisplayNameNotAvailableYet"


async def once_free(
    ctx: StepContext,
    step: str,
    name: str,
    make: Callable[[], Awaitable[T]],
    is_kept: Callable[[VendorError], Awaitable[bool]] | None = None,
) -> T:
    """What `make` makes, tried again for as long as its refusal says that the name is kept; the step's progress shows the wait.

    `is_kept` tells such a refusal from another; by default it is Fabric's word for the name of an item. Raises VendorUnavailable
    when the operation deadline (seconds) has passed, so that a later attempt waits on.
    """
    of, deadline = (ctx.db, ctx.organization.id, step), time.monotonic() + ctx.settings.operation_deadline
    while True:
        try:
            made = await make()
        except VendorError as refusal:
            if not (await is_kept(refusal) if is_kept else refusal.code == ITEM_NAME_KEPT):
                raise
            pause = max(getattr(refusal, "retry_after", None) or 0, ctx.settings.step_retry_wait)
            if time.monotonic() + pause > deadline:
                said = f"the name “{name}” is still kept for something that was removed: try again later"
                raise VendorUnavailable(
                    refusal.vendor, refusal.operation, said,
                    status=refusal.status, code=refusal.code, request_id=refusal.request_id,
                ) from refusal  # fmt: skip
            await progress.note_step(
                *of, f"waiting for the name “{name}”, which Fabric still keeps for what was removed"
            )
            await asyncio.sleep(pause)
        else:
            await progress.note_step(*of, "")
            return made
