"""What somebody changed or made anew at a vendor is true again once the step has been run again, as the checks promise.

What a crash of ours leaves is `test_laws`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.model.naming import connection_name, lakehouse_name
from tenant_provisioning.model.qa import Verdict
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import artifacts

TO_DATASET = (fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
WORKSPACES = pytest.mark.parametrize(
    ("step", "kind"),
    [
        (fabric_workspace, ArtifactKind.FABRIC_WORKSPACE),
        (powerbi_workspace, ArtifactKind.POWERBI_WORKSPACE),
    ],
)
AT_ONCE_OR_LATER = pytest.mark.parametrize("at_once", [1, 0], ids=["200", "202"])


@pytest.fixture
async def tenant(
    make_acme: Callable[..., str], world: Any, open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]]
) -> AsyncIterator[StepContext]:
    """The context of an Acme whose dataset is ready, and of nobody else's."""
    async with open_ctx(await asyncio.to_thread(make_acme, *TO_DATASET)) as ctx:
        yield ctx


@pytest.fixture
def updates(at_once: float, world: Any) -> Iterator[None]:
    """Fabric changes a definition at once or in an operation."""
    world.control("PATCH", "knobs/fabric", {"definition_at_once": at_once})
    yield
    world.control("PATCH", "knobs/fabric", {"definition_at_once": 0.25})


@AT_ONCE_OR_LATER
@pytest.mark.usefixtures("updates")
async def test_a_dataset_that_was_pointed_elsewhere_reads_its_own_data_store_again(
    tenant: StepContext, world: Any
) -> None:
    dataset, connection = await row(tenant, ArtifactKind.DATASET), await row(tenant, ArtifactKind.CONNECTION)
    await point_to_the_template(tenant)
    assert failed(await powerbi_dataset.verify(tenant)) == {"dataset_is_bound_to_own_data": powerbi_dataset.ELSEWHERE}

    await powerbi_dataset.ensure(tenant)

    assert failed(await powerbi_dataset.verify(tenant)) == {}
    assert len(world.requests("fabric.update_item_definition")) == 1
    assert (await row(tenant, ArtifactKind.DATASET)).vendor_id == dataset.vendor_id
    assert (await row(tenant, ArtifactKind.CONNECTION)).id == connection.id


@AT_ONCE_OR_LATER
@pytest.mark.usefixtures("updates")
async def test_a_dataset_follows_a_data_store_that_was_made_anew(tenant: StepContext) -> None:
    dataset, before = await row(tenant, ArtifactKind.DATASET), await row(tenant, ArtifactKind.CONNECTION)
    await delete_lakehouse(tenant)
    assert failed(await powerbi_dataset.verify(tenant)) == {
        "dataset_is_bound_to_own_data": powerbi_dataset.NO_DATA_STORE
    }
    await fabric_data_store.ensure(tenant)
    assert failed(await powerbi_dataset.verify(tenant)) == {"dataset_is_bound_to_own_data": powerbi_dataset.ELSEWHERE}

    await powerbi_dataset.ensure(tenant)

    assert failed(await powerbi_dataset.verify(tenant)) == {}
    assert (await row(tenant, ArtifactKind.DATASET)).vendor_id == dataset.vendor_id
    connection = await row(tenant, ArtifactKind.CONNECTION)
    assert await connections(tenant) == [connection.vendor_id]
    assert (connection.state, connection.created) == (ArtifactState.PRESENT, True)
    assert [one.vendor_id for one in await removed(tenant, ArtifactKind.CONNECTION)] == [before.vendor_id]


async def test_a_crash_while_the_connection_is_replaced_leaves_one_after_the_next_attempt(
    tenant: StepContext, world: Any
) -> None:
    await remake_data_store(tenant)
    world.fault("fabric.create_connection", "error_before", status=503, times="forever")
    with pytest.raises(VendorUnavailable):
        await powerbi_dataset.ensure(tenant)
    intended = await row(tenant, ArtifactKind.CONNECTION)
    assert (intended.state, intended.vendor_id) == (ArtifactState.INTENDED, None)
    assert await connections(tenant) == []
    world.clear_faults()

    await powerbi_dataset.ensure(tenant)

    assert failed(await powerbi_dataset.verify(tenant)) == {}
    replaced = await row(tenant, ArtifactKind.CONNECTION)
    assert replaced.id == intended.id
    assert await connections(tenant) == [replaced.vendor_id]


async def test_a_connection_to_the_data_store_before_is_replaced_also_when_the_ledger_does_not_know_it(
    tenant: StepContext,
) -> None:
    before = await row(tenant, ArtifactKind.CONNECTION)
    await artifacts.record_removed(tenant.db, before.id)
    await remake_data_store(tenant)

    await powerbi_dataset.ensure(tenant)

    assert failed(await powerbi_dataset.verify(tenant)) == {}
    connection = await row(tenant, ArtifactKind.CONNECTION)
    assert connection.created
    assert connection.vendor_id != before.vendor_id
    assert await connections(tenant) == [connection.vendor_id]


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_data_store_made_anew_and_not_finished_is_not_taken_for_the_one_before(
    tenant: StepContext, world: Any, by_hand: bool
) -> None:
    await delete_lakehouse(tenant)
    if by_hand:
        workspace_id = str((await row(tenant, ArtifactKind.FABRIC_WORKSPACE)).vendor_id)
        name = lakehouse_name(tenant.organization.subdomain)
        await tenant.vendors.fabric.create_lakehouse(workspace_id, name, description=tenant.mark, deadline=20)
    world.fault("fabric.run_job", "error_before", status=503, times="forever")
    with pytest.raises(VendorUnavailable):
        await fabric_data_store.ensure(tenant)
    world.clear_faults()

    with pytest.raises(SetupError, match="run the step fabric_data_store first"):
        await powerbi_dataset.ensure(tenant)

    assert world.requests("fabric.update_item_definition") == []
    await fabric_data_store.ensure(tenant)
    await powerbi_dataset.ensure(tenant)
    assert failed(await powerbi_dataset.verify(tenant)) == {}


async def test_a_dataset_that_reads_its_own_data_store_keeps_its_definition_and_its_connection(
    tenant: StepContext, world: Any
) -> None:
    world.control("DELETE", "requests")

    await powerbi_dataset.ensure(tenant)

    asked = {f"{one['vendor']}.{one['operation']}" for one in world.requests()} - {"entra.token"}
    assert asked == {
        "fabric.list_items",
        "fabric.get_connection",
        "powerbi.list_datasources",
        "fabric.list_item_connections",
        "powerbi.refresh_dataset",
        "powerbi.get_refresh",
    }


@WORKSPACES
async def test_a_workspace_taken_off_its_capacity_is_put_back(
    ctx: StepContext, world: Any, step: Any, kind: ArtifactKind
) -> None:
    await step.ensure(ctx)
    await step.ensure(ctx)
    assert world.requests("fabric.assign_to_capacity") == []
    path = f"/workspaces/{(await row(ctx, kind)).vendor_id}/unassignFromCapacity"
    await ctx.vendors.fabric._http.call("unassign", "POST", path)
    assert len(failed(await step.verify(ctx))) == 1

    await step.ensure(ctx)

    assert failed(await step.verify(ctx)) == {}
    assert len(world.requests("fabric.assign_to_capacity")) == 1


async def test_a_workspace_still_on_its_way_is_not_sent_again(
    acme: str, world: Any, open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]]
) -> None:
    world.control("PUT", "latency", {"profile": "realistic"})
    for _ in range(2):
        async with open_ctx(acme, operation_deadline=0.1) as ctx:
            with pytest.raises(VendorUnavailable, match="not finished after"):
                await fabric_workspace.ensure(ctx)
    world.control("POST", "clock", {"advance": 100})

    async with open_ctx(acme) as ctx:
        await fabric_workspace.ensure(ctx)

    assert world.requests("fabric.assign_to_capacity") == []


async def test_a_workspace_that_did_not_reach_its_capacity_is_sent_there_again(ctx: StepContext, world: Any) -> None:
    world.fault("fabric.assign_to_capacity", "capacity_failed")
    with pytest.raises(VendorRejected, match="could not be put on its capacity"):
        await fabric_workspace.ensure(ctx)

    await fabric_workspace.ensure(ctx)

    assert failed(await fabric_workspace.verify(ctx)) == {}


async def row(ctx: StepContext, kind: ArtifactKind) -> Artifact:
    """The living row of the ledger."""
    found = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)
    assert found is not None
    return found


async def removed(ctx: StepContext, kind: ArtifactKind) -> list[Artifact]:
    """The ledger's rows of what is gone."""
    rows = await artifacts.list_artifacts(ctx.db, ctx.organization.id, include_removed=True)
    return [one for one in rows if one.kind is kind and one.state is ArtifactState.REMOVED]


async def connections(ctx: StepContext) -> list[str]:
    """The ids of the tenant's connections at the vendor."""
    name = connection_name(str((await row(ctx, ArtifactKind.POWERBI_WORKSPACE)).vendor_id))
    return [one.id for one in await ctx.vendors.fabric.list_connections() if one.name == name]


async def delete_lakehouse(ctx: StepContext) -> None:
    """Somebody deletes the tenant's data store."""
    rows = [await row(ctx, kind) for kind in (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.DATA_STORE)]
    await ctx.vendors.fabric.delete_item(*(str(one.vendor_id) for one in rows))


async def remake_data_store(ctx: StepContext) -> None:
    """The data store is another one than the dataset reads."""
    await delete_lakehouse(ctx)
    await fabric_data_store.ensure(ctx)


async def point_to_the_template(ctx: StepContext) -> None:
    """Somebody points the dataset at the template's data store."""
    own = (await row(ctx, ArtifactKind.DATA_STORE)).details
    change = {
        "datasourceSelector": {
            "datasourceType": "Sql",
            "connectionDetails": {"server": own["server"], "database": own["database"]},
        },
        "connectionDetails": {
            "server": "template-endpoint.datawarehouse.fabric.microsoft.com",
            "database": "77777777-7777-4777-8777-777777777777",
        },
    }
    ids = [(await row(ctx, kind)).vendor_id for kind in (ArtifactKind.POWERBI_WORKSPACE, ArtifactKind.DATASET)]
    path = f"/groups/{ids[0]}/datasets/{ids[1]}/Default.UpdateDatasources"
    await ctx.vendors.powerbi._http.call("point elsewhere", "POST", path, json={"updateDetails": [change]}, ok=(200,))


def failed(verdicts: list[Verdict]) -> dict[str, str]:
    """The checks that failed, and the reasons they give."""
    return {verdict.check: verdict.reason for verdict in verdicts if not verdict.passed}
