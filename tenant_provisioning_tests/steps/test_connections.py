"""The steps of a run share their way to the database and to the vendors, and nothing of it outlives them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tenant_provisioning.model.errors import NoSuchTenant
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.connections import Shared
from tenant_provisioning.steps.context import Connections, StepContext, open_context


class Lamp:
    """Something that can be open, and is counted."""

    def __init__(self) -> None:
        self.opened = self.open = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["Lamp"]:
        self.opened += 1
        await asyncio.sleep(0)  # another step comes meanwhile
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1


async def test_steps_side_by_side_share_what_the_first_opened_and_the_last_closes_it() -> None:
    shared, lamp, may_end = Shared[Lamp](), Lamp(), [asyncio.Event() for _ in range(3)]

    async def step(end: asyncio.Event) -> None:
        async with shared.borrow("run-1", lamp):
            await end.wait()

    steps = [asyncio.create_task(step(end)) for end in may_end]
    for number, end in enumerate(may_end):
        await asyncio.sleep(0.01)
        assert (lamp.opened, lamp.open) == (1, 1), f"after {number} steps have ended"
        end.set()
        await steps[number]
    assert lamp.open == 0


async def test_a_step_that_comes_after_the_last_has_left_opens_anew() -> None:
    shared, lamp = Shared[Lamp](), Lamp()
    for _ in range(2):
        async with shared.borrow("run-1", lamp):
            pass
    assert (lamp.opened, lamp.open) == (2, 0)


async def test_they_stay_open_for_the_next_step_and_are_closed_once_none_has_come() -> None:
    shared, lamp = Shared[Lamp](linger=0.2), Lamp()
    for _ in range(3):
        async with shared.borrow("run-1", lamp):
            pass
        await asyncio.sleep(0.15)
        assert (lamp.opened, lamp.open) == (1, 1)
    await asyncio.sleep(0.2)
    assert lamp.open == 0


@pytest.mark.parametrize("is_cut_short", [False, True])
def test_nothing_stays_open_when_the_runs_event_loop_ends(is_cut_short: bool) -> None:
    shared, lamp = Shared[Lamp](linger=60), Lamp()

    async def step() -> None:
        async with shared.borrow("run-1", lamp):
            if is_cut_short:
                await asyncio.Event().wait()

    async def run() -> None:
        task = asyncio.create_task(step())
        await asyncio.sleep(0.05)
        assert lamp.open == 1
        assert task.done() is not is_cut_short

    asyncio.run(run())

    assert lamp.open == 0


async def test_two_runs_share_nothing() -> None:
    shared, lamp = Shared[Lamp](), Lamp()
    async with shared.borrow("run-1", lamp), shared.borrow("run-2", lamp):
        assert lamp.open == 2


async def test_what_fails_to_open_fails_one_step_and_is_tried_again_by_the_next() -> None:
    shared, lamp = Shared[Lamp](), Lamp()

    @asynccontextmanager
    async def broken() -> AsyncIterator[Lamp]:
        raise OSError("no light")
        yield lamp

    async def step(open_it: Any) -> str:
        async with shared.borrow("run-1", open_it):
            return "lit"

    first, second = await asyncio.gather(step(broken), step(lamp), return_exceptions=True)
    assert isinstance(first, OSError)
    assert second == "lit"
    assert lamp.open == 0


async def test_a_step_that_is_broken_off_leaves_the_others_theirs() -> None:
    shared, lamp = Shared[Lamp](), Lamp()

    async def step() -> None:
        async with shared.borrow("run-1", lamp):
            await asyncio.Event().wait()

    broken_off = asyncio.create_task(step())
    async with shared.borrow("run-1", lamp):
        await asyncio.sleep(0.01)
        broken_off.cancel()
        await asyncio.wait([broken_off])
        assert lamp.open == 1
    assert lamp.open == 0


async def test_the_contexts_of_one_run_have_one_pool_and_one_client_a_vendor(settings: Settings, acme: Any) -> None:
    shared = Shared[Connections]()
    name = acme.subdomain if hasattr(acme, "subdomain") else acme

    async def step(run_id: str) -> StepContext:
        async with open_context(settings, name, run_id, shared) as ctx:
            await asyncio.sleep(0.2)
            return ctx

    one, other, stranger = await asyncio.gather(step("run-1"), step("run-1"), step("run-2"))
    assert one.db is other.db
    assert one.vendors is other.vendors
    assert stranger.db is not one.db
    assert one.db.closed
    assert stranger.db.closed


async def test_a_tenant_that_nobody_asked_for_has_no_context(settings: Settings) -> None:
    with pytest.raises(NoSuchTenant, match="nobody-asked"):
        async with open_context(settings, "nobody-asked", "run-1", Shared()):
            pass
