"""What a dataset is made from: a definition in a folder, a template .pbix with parameters; and a refresh that fails, explained."""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict, SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.model.naming import dataset_name
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.removal import remove_created
from tenant_provisioning.store import artifacts

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]
BEFORE = (fabric_workspace, fabric_data_store, powerbi_workspace)
PARAMETER = '"old" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]'


def template_pbix(path: Path, *parameters: str) -> Path:
    """A .pbix whose model reads the table `tenant` from where its parameters say."""
    call = f"Sql.Database({', '.join(parameters)})" if parameters else 'Sql.Database("old", "old")'
    source = f'let Source = {call}, Data = Source{{[Schema="dbo",Item="tenant"]}}[Data] in Data'
    partition = {"name": "tenant", "mode": "import", "source": {"type": "m", "expression": source}}
    columns = [{"name": "organization_id", "dataType": "string", "sourceColumn": "organization_id"}]
    model = {
        "expressions": [{"name": name, "kind": "m", "expression": PARAMETER} for name in parameters],
        "tables": [{"name": "tenant", "columns": columns, "partitions": [partition]}],
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("Version", "1.28".encode("utf-16-le"))
        package.writestr("Report/Layout", "{}".encode("utf-16-le"))
        package.writestr("DataModelSchema", json.dumps({"model": model}).encode("utf-16-le"))
    path.write_bytes(whole.getvalue())
    return path


@pytest.fixture
def pbix(tmp_path: Path) -> dict[str, Any]:
    """The settings of a platform that imports its datasets."""
    path = template_pbix(tmp_path / "template.pbix", "Server", "Database")
    return {"dataset_source": "pbix", "dataset_template_path": path}


@pytest.fixture
async def folder(ctx: StepContext, tmp_path: Path) -> dict[str, Any]:
    """The settings of a platform that keeps its definition in a folder, as git integration lays it out."""
    parts = await ctx.vendors.fabric.get_definition(
        str(ctx.settings.template_workspace_id), str(ctx.settings.template_dataset_id), deadline=20
    )
    for part in parts:
        (tmp_path / part.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part.path).write_bytes(part.content)
    (tmp_path / "definition" / ".DS_Store").write_bytes(b"\xff")
    return {"dataset_source": "folder", "dataset_template_path": tmp_path, "template_dataset_id": None}


async def passes(ctx: StepContext) -> bool:
    """Whether the dataset reads its own data and answers with it."""
    return all(verdict.passed for verdict in await powerbi_dataset.verify(ctx))


async def dataset_row(ctx: StepContext) -> Any:
    """The dataset in the ledger."""
    return await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATASET)


@pytest.mark.parametrize("source", ["folder", "pbix"])
async def test_a_dataset_is_made_bound_and_removed_whatever_its_template_is(
    source: str, request: pytest.FixtureRequest, ctx: StepContext, make_acme: Callable[..., str], open_ctx: OpenCtx,
    vendors: Callable[[], Any], folder: dict[str, Any], pbix: dict[str, Any],
) -> None:  # fmt: skip
    before = vendors()
    changes = folder if source == "folder" else pbix
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **changes) as mine:
        for _ in range(2):
            await powerbi_dataset.ensure(mine)
            assert await passes(mine)
        assert [artifact async for artifact in remove_created(mine)]
    assert vendors() == before


async def test_an_imported_dataset_brings_no_report_and_bears_our_mark(
    make_acme: Callable[..., str], open_ctx: OpenCtx, world: Any, pbix: dict[str, Any]
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **pbix) as ctx:
        await powerbi_dataset.ensure(ctx)
        row = await dataset_row(ctx)
        workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
        assert workspace is not None
        items = await ctx.vendors.fabric.list_items(str(workspace.vendor_id))

    assert [(item.id, item.type, item.description) for item in items] == [(row.vendor_id, "SemanticModel", ctx.mark)]


@pytest.mark.parametrize("kind", ["lost_response", "error_before", "still_publishing"])
async def test_an_import_whose_answer_was_lost_is_taken_up_and_not_begun_again(
    kind: str, make_acme: Callable[..., str], open_ctx: OpenCtx, world: Any, pbix: dict[str, Any]
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **pbix) as ctx:
        if kind == "still_publishing":
            world.control("PUT", "latency", {"profile": "realistic", "scale": 0.08})
        fault = "error_before" if kind == "error_before" else "lost_response"
        world.fault("powerbi.import", fault, **({"status": 503} if kind == "error_before" else {}))
        with pytest.raises(VendorUnavailable):
            await powerbi_dataset.ensure(ctx)
        assert (await dataset_row(ctx)).vendor_id is None

        await powerbi_dataset.ensure(ctx)

        assert await passes(ctx)
        name = dataset_name(ctx.organization.name)
        spaces = world.snapshot()["fabric"]["workspaces"]
        assert [item["displayName"] for space in spaces for item in space["items"]].count(name) == 1


async def test_a_crash_before_our_mark_was_put_on_leaves_an_import_that_is_ours(
    make_acme: Callable[..., str], open_ctx: OpenCtx, world: Any, pbix: dict[str, Any]
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **pbix) as ctx:
        world.fault("fabric.update_item", "error_before", status=503)
        with pytest.raises(VendorUnavailable):
            await powerbi_dataset.ensure(ctx)

        await powerbi_dataset.ensure(ctx)

        assert await passes(ctx)
        assert (await dataset_row(ctx)).created


async def test_a_strangers_dataset_of_the_same_name_is_left_alone(
    make_acme: Callable[..., str], open_ctx: OpenCtx, pbix: dict[str, Any]
) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **pbix) as ctx:
        workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
        assert workspace is not None
        await ctx.vendors.powerbi.import_pbix(
            str(workspace.vendor_id), dataset_name(ctx.organization.name), pbix["dataset_template_path"], deadline=20
        )

        with pytest.raises(OwnershipConflict):
            await powerbi_dataset.ensure(ctx)


async def test_a_pbix_without_the_parameters_is_explained(
    make_acme: Callable[..., str], open_ctx: OpenCtx, tmp_path: Path, pbix: dict[str, Any]
) -> None:
    pbix["dataset_template_path"] = template_pbix(tmp_path / "other.pbix")
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **pbix) as ctx:
        with pytest.raises(SetupError, match="DATASET_SERVER_PARAMETER"):
            await powerbi_dataset.ensure(ctx)


@pytest.mark.parametrize("path", [None, Path("/nowhere")])
async def test_a_folder_that_is_none_is_explained(
    path: Path | None, make_acme: Callable[..., str], open_ctx: OpenCtx, world: Any
) -> None:
    changes = {"dataset_source": "folder", "dataset_template_path": path}
    async with open_ctx(await asyncio.to_thread(make_acme, *BEFORE), **changes) as ctx:
        with pytest.raises(SetupError, match="DATASET_TEMPLATE_PATH"):
            await powerbi_dataset.ensure(ctx)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Login failed for user '<token-identified principal>'.", "CONNECTION_CLIENT_SECRET"),
        ("A network-related error occurred while connecting.", "run the data store step again"),
        ("The key didn't match any rows in the table.", "DATA_STORE_TABLES"),
        ("Something that nobody has seen before.", "refresh history"),
    ],
)
async def test_a_refresh_that_fails_says_why_and_what_to_do(
    message: str, said: str, reports_ctx: StepContext, world: Any
) -> None:
    world.fault("powerbi.refresh_dataset", "refresh_failed", message=message)

    with pytest.raises(VendorRejected) as failure:
        await powerbi_dataset.ensure(reports_ctx)

    assert message.rstrip(".") in str(failure.value)
    assert said in str(failure.value)


async def test_a_refresh_is_not_waited_for_without_end(reports_acme: str, open_ctx: OpenCtx, world: Any) -> None:
    async with open_ctx(reports_acme, operation_deadline=1) as ctx:
        world.control("PUT", "latency", {"profile": "realistic", "scale": 0.3})
        with pytest.raises(VendorUnavailable, match="not finished after 1 seconds"):
            await powerbi_dataset._refresh(ctx, *[str(row.vendor_id) for row in await places(ctx)])


async def places(ctx: StepContext) -> list[Any]:
    """Workspace and dataset in the ledger."""
    kinds = (ArtifactKind.POWERBI_WORKSPACE, ArtifactKind.DATASET)
    return [await artifacts.find_artifact(ctx.db, ctx.organization.id, kind) for kind in kinds]
