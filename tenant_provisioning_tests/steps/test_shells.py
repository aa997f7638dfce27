"""Data store and dataset ahead of what goes into them: each can be built on at once, and `ensure` goes on with the same one."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts

OURS = [kind for kind in DataStoreKind if kind is not DataStoreKind.BRING_YOUR_OWN]


async def make_shells(ctx: StepContext) -> None:
    """Everything up to a dataset in which nothing is."""
    for step in (fabric_workspace.ensure, fabric_data_store.ensure_shell, powerbi_workspace.ensure):
        await step(ctx)
    await powerbi_dataset.ensure_shell(ctx)


async def ids(ctx: StepContext) -> dict[ArtifactKind, str | None]:
    """The vendors' ids of all that the ledger holds."""
    return {row.kind: row.vendor_id for row in await artifacts.list_artifacts(ctx.db, ctx.organization.id)}


async def test_the_dataset_comes_into_being_before_the_data_stores_tables(ctx: StepContext, world: Any) -> None:
    await make_shells(ctx)

    assert world.requests("fabric.run_job") == []
    assert world.requests("powerbi.refresh_dataset") == []
    assert len(world.requests("fabric.bind_connection")) == 1


@pytest.mark.parametrize("kind", OURS)
async def test_what_was_made_ahead_is_finished_and_not_made_again(
    world: Any, make_acme: Callable[..., str], open_ctx: Any, kind: DataStoreKind
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, data_store={"kind": kind})) as ctx:
        await make_shells(ctx)
        ahead = await ids(ctx)

        await fabric_data_store.ensure(ctx)
        await powerbi_dataset.ensure(ctx)

        assert await ids(ctx) == ahead
        verdicts = [*await fabric_data_store.verify(ctx), *await powerbi_dataset.verify(ctx)]
    assert {verdict.check for verdict in verdicts if not verdict.passed} == set()
    asked = Counter(seen["operation"] for seen in world.requests() if seen["vendor"] == "fabric")
    assert (asked["create_semantic_model"], asked["create_connection"], asked["bind_connection"]) == (1, 1, 1)


async def test_reports_are_bound_to_a_dataset_in_which_nothing_is_yet(
    ctx: StepContext, next_template: Callable[[ReportStrategy], TemplateReport]
) -> None:
    await make_shells(ctx)
    wanted = [next_template(strategy) for strategy in ReportStrategy]

    outcomes = [outcome async for outcome in ensure_reports(ctx, wanted)]

    assert [outcome.error for outcome in outcomes] == [None] * len(wanted)


async def test_a_dataset_is_not_filled_before_the_data_store_is_finished(ctx: StepContext, world: Any) -> None:
    await make_shells(ctx)

    with pytest.raises(SetupError, match="run the step fabric_data_store first"):
        await powerbi_dataset.ensure(ctx)

    assert world.requests("powerbi.refresh_dataset") == []


async def test_a_dataset_is_not_begun_before_there_is_a_data_store(ctx: StepContext) -> None:
    await powerbi_workspace.ensure(ctx)

    with pytest.raises(SetupError, match="data_store_shell"):
        await powerbi_dataset.ensure_shell(ctx)
