"""Undoing a whole tenant: everything that was made, newest first, as often as it takes, and nobody else's."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.steps import (
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    powerbi_dataset,
    powerbi_profile,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.removal import REMOVERS, remove_created
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]
MAKERS = (
    hosting_domain, dns_record, fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_profile, powerbi_dataset,
    super_users,
)  # fmt: skip


@pytest.fixture
def some_reports(acme_reports: tuple[TemplateReport, ...]) -> tuple[TemplateReport, ...]:
    """A clone and an import."""
    return tuple(
        next(one for one in acme_reports if one.strategy is strategy)
        for strategy in (ReportStrategy.CLONE, ReportStrategy.IMPORT)
    )


async def make_everything(ctx: StepContext, templates: tuple[TemplateReport, ...]) -> list[Artifact]:
    """The ledger, newest first, after every step."""
    for step in MAKERS:
        await step.ensure(ctx)
    assert all([outcome.error is None async for outcome in ensure_reports(ctx, templates)])
    return await artifacts.list_artifacts(ctx.db, ctx.organization.id)


def test_every_kind_of_artifact_has_its_undoing() -> None:
    assert set(REMOVERS) == set(ArtifactKind)


async def test_a_whole_tenant_is_undone_newest_first_until_the_vendors_hold_nothing_of_it(
    ctx: StepContext, vendors: Callable[[], Any], some_reports: tuple[TemplateReport, ...]
) -> None:
    before = vendors()
    ledger = await make_everything(ctx, some_reports)
    assert {row.kind for row in ledger} == set(ArtifactKind)

    removed = [artifact.id async for artifact in remove_created(ctx)]

    assert removed == [row.id for row in ledger]
    assert vendors() == before
    assert await artifacts.list_artifacts(ctx.db, ctx.organization.id) == []


async def test_an_interrupted_removal_is_taken_up_where_it_stopped(
    ctx: StepContext, world: Any, vendors: Callable[[], Any], some_reports: tuple[TemplateReport, ...]
) -> None:
    before = vendors()
    await make_everything(ctx, some_reports)
    world.fault("fabric.delete_workspace", "lost_response")
    with pytest.raises(VendorUnavailable):
        async for _ in remove_created(ctx):
            pass
    left = await artifacts.list_artifacts(ctx.db, ctx.organization.id)
    assert left[0].kind is ArtifactKind.POWERBI_WORKSPACE

    removed = [artifact.id async for artifact in remove_created(ctx)]

    assert removed == [row.id for row in left]
    assert vendors() == before


async def test_what_somebody_has_removed_by_hand_is_no_obstacle(
    ctx: StepContext, vendors: Callable[[], Any], some_reports: tuple[TemplateReport, ...]
) -> None:
    before = vendors()
    for row in await make_everything(ctx, some_reports):
        await REMOVERS[row.kind](ctx, row)

    assert len([artifact async for artifact in remove_created(ctx)]) == len(MAKERS) + 1 + len(some_reports)

    assert vendors() == before


async def test_the_next_tenant_is_left_alone(
    ctx: StepContext,
    make_acme: Callable[..., str],
    open_ctx: OpenCtx,
    vendors: Callable[[], Any],
    some_reports: tuple[TemplateReport, ...],
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, hosting_domain, dns_record, super_users)) as neighbour:
        await make_everything(neighbour, ())
        before, known = vendors(), await artifacts.list_artifacts(neighbour.db, neighbour.organization.id)
        await make_everything(ctx, some_reports)

        assert [artifact async for artifact in remove_created(ctx)]

        assert vendors() == before
        assert await artifacts.list_artifacts(neighbour.db, neighbour.organization.id) == known


async def test_a_removed_tenant_can_be_made_again(
    ctx: StepContext, vendors: Callable[[], Any], some_reports: tuple[TemplateReport, ...]
) -> None:
    await make_everything(ctx, some_reports)
    assert [artifact async for artifact in remove_created(ctx)]

    ledger = await make_everything(ctx, some_reports)

    assert all(row.created for row in ledger)
    assert {row.kind for row in ledger} == set(ArtifactKind)
