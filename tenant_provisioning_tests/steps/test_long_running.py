"""What a vendor does in its own time is taken up again after a crash, not begun a second time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind, ArtifactState
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.reports import ReportOutcome, ensure_reports
from tenant_provisioning.store import artifacts

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]


@pytest.fixture
async def slow_vendors(world: Any) -> AsyncIterator[Any]:
    """Fabric makes every item in an operation; what goes on in the background takes seconds."""
    world.control("PATCH", "knobs/fabric", {"created_at_once": 0, "definition_at_once": 1})
    world.control("PUT", "latency", {"profile": "realistic", "scale": 0.1})
    yield world
    world.control("PATCH", "knobs/fabric", {"created_at_once": None, "definition_at_once": 0.25})


async def deploy(ctx: StepContext, template: TemplateReport) -> ReportOutcome:
    """What becomes of this one report."""
    [outcome] = [outcome async for outcome in ensure_reports(ctx, [template])]
    return outcome


async def finish_once_asked(world: Any, poll: str) -> None:
    """As soon as somebody waits for it, all that went on is done."""
    for _ in range(500):
        if world.requests(poll):
            break
        await asyncio.sleep(0.01)
    world.control("PUT", "latency", {"profile": "instant"})
    world.control("POST", "clock", {"advance": 100})


@pytest.mark.parametrize(
    ("before", "step", "kind", "creates"),
    [
        ((fabric_workspace,), fabric_data_store, ArtifactKind.DATA_STORE, "fabric.create_lakehouse"),
        (
            (fabric_workspace, fabric_data_store, powerbi_workspace),
            powerbi_dataset,
            ArtifactKind.DATASET,
            "fabric.create_semantic_model",
        ),
    ],
    ids=["lakehouse", "dataset"],
)
async def test_an_operation_that_goes_on_after_a_crash_is_waited_for(
    acme_with: str, slow_vendors: Any, open_ctx: OpenCtx, step: Any, kind: ArtifactKind, creates: str
) -> None:
    async with open_ctx(acme_with, operation_deadline=0.2) as ctx:
        with pytest.raises(VendorUnavailable):
            await step.ensure(ctx)
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)
    assert row is not None
    assert (row.state, row.vendor_id) == (ArtifactState.INTENDED, None)
    assert row.details["operation_id"]
    assert len(slow_vendors.requests(creates)) == 1
    slow_vendors.control("DELETE", "requests")

    async with open_ctx(acme_with) as ctx:
        await asyncio.gather(step.ensure(ctx), finish_once_asked(slow_vendors, "fabric.get_operation"))
        again = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)

    assert again is not None
    assert (again.id, again.state, again.created) == (row.id, ArtifactState.PRESENT, True)
    assert slow_vendors.requests(creates) == []


@pytest.fixture
def acme_with(before: tuple[Any, ...], make_acme: Callable[..., str]) -> str:
    """The subdomain of an Acme for which these steps have been done."""
    return make_acme(*before)


async def test_an_operation_that_failed_is_begun_again(ctx: StepContext, world: Any) -> None:
    world.control("PATCH", "knobs/fabric", {"created_at_once": 0})
    await fabric_workspace.ensure(ctx)
    await artifacts.intend(
        ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE, details={"operation_id": "no-such-operation"}
    )

    await fabric_data_store.ensure(ctx)

    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE)
    assert row is not None
    assert row.state is ArtifactState.PRESENT
    assert row.details["operation_id"] != "no-such-operation"
    world.control("PATCH", "knobs/fabric", {"created_at_once": None})


async def test_an_import_that_goes_on_after_a_crash_is_waited_for(
    reports_acme: str,
    world: Any,
    open_ctx: OpenCtx,
    next_template: Callable[[ReportStrategy], TemplateReport],
    vendors: Callable[[], Any],
) -> None:
    template = next_template(ReportStrategy.IMPORT)
    world.control("PUT", "latency", {"profile": "realistic", "scale": 0.2})
    async with open_ctx(reports_acme, operation_deadline=0.5) as ctx:
        begun = await deploy(ctx, template)
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)
    assert isinstance(begun.error, VendorUnavailable)
    assert row is not None
    assert (row.state, row.vendor_id) == (ArtifactState.INTENDED, None)
    assert len(world.requests("powerbi.import")) == 1
    world.control("DELETE", "requests")

    async with open_ctx(reports_acme) as ctx:
        done, _ = await asyncio.gather(deploy(ctx, template), finish_once_asked(world, "powerbi.get_import"))
        again = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)

    assert done.error is None
    assert again is not None
    assert (again.id, again.state, again.created) == (row.id, ArtifactState.PRESENT, True)
    assert world.requests("powerbi.import") == []
    assert str(vendors()).count(template.title) == 1  # the report, and no dataset of its name


@pytest.mark.parametrize("crashes", [False, True], ids=["in the same attempt", "after a crash"])
async def test_an_import_whose_answer_was_lost_is_waited_for_while_it_is_published(
    reports_acme: str,
    world: Any,
    open_ctx: OpenCtx,
    next_template: Callable[[ReportStrategy], TemplateReport],
    vendors: Callable[[], Any],
    crashes: bool,
) -> None:
    template = next_template(ReportStrategy.IMPORT)
    world.control("PUT", "latency", {"profile": "realistic", "scale": 0.2})
    fault = world.fault("powerbi.import", "lost_response")
    if crashes:
        world.fault("powerbi.list_imports", "error_before", status=503, times="forever")
        async with open_ctx(reports_acme) as ctx:
            assert isinstance((await deploy(ctx, template)).error, VendorUnavailable)
        world.control("DELETE", "faults")

    async with open_ctx(reports_acme) as ctx:
        done, _ = await asyncio.gather(deploy(ctx, template), finish_once_asked(world, "powerbi.get_import"))
        row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.REPORT, template.key)

    assert crashes or world.fault_struck(fault) == 1
    assert done.error is None
    assert len(world.requests("powerbi.import")) == 1
    assert row is not None
    assert (row.state, row.created) == (ArtifactState.PRESENT, True)
    assert str(vendors()).count(template.title) == 1  # the report, and no dataset of its name


async def test_an_import_whose_answer_was_lost_and_that_failed_is_begun_again(
    reports_ctx: StepContext,
    world: Any,
    next_template: Callable[[ReportStrategy], TemplateReport],
    vendors: Callable[[], Any],
) -> None:
    template = next_template(ReportStrategy.IMPORT)
    world.fault("powerbi.import", "lost_response")
    world.fault("powerbi.import", "import_failed", match={"name": template.title})

    done = await deploy(reports_ctx, template)

    assert done.error is None
    assert len(world.requests("powerbi.import")) == 2
    assert str(vendors()).count(template.title) == 1


async def test_an_import_whose_end_nobody_heard_is_known_by_the_report_it_brought(
    reports_ctx: StepContext,
    world: Any,
    next_template: Callable[[ReportStrategy], TemplateReport],
    vendors: Callable[[], Any],
) -> None:
    template = next_template(ReportStrategy.IMPORT)
    fault = world.fault("powerbi.get_import", "error_before", status=503)

    done = await deploy(reports_ctx, template)

    assert world.fault_struck(fault) == 1
    assert done.error is None
    assert len(world.requests("powerbi.import")) == 1
    assert str(vendors()).count(template.title) == 1
