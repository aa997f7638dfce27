"""A dataset made from a template .pbix: Power BI imports it, and its parameters say where it reads. Made from definitions is
`powerbi_dataset`, which also binds and refreshes what is made here."""

from contextlib import suppress
from pathlib import Path

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.model.naming import dataset_name
from tenant_provisioning.steps._item import find_item
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.ownership import Found, ensure_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.sql import SqlDatabase

ITEM = "SemanticModel"


async def ensure_imported(ctx: StepContext, workspace_id: str, path: Path) -> Artifact:
    """The dataset that the .pbix brings exists, without its report; our mark is put on it afterwards, as an import takes none."""
    powerbi, name, deadline = ctx.vendors.powerbi, dataset_name(ctx.organization.name), ctx.settings.operation_deadline

    async def find(row: Artifact | None) -> Found | None:
        found = await find_item(ctx, row, workspace_id, ITEM, name)
        if found is None and row is not None:
            await _let_imports_end(ctx, row, workspace_id, name)
            found = await find_item(ctx, row, workspace_id, ITEM, name)
        return found if found is None or found.ours else await _as_intended(ctx, workspace_id, found)

    async def create(row: Artifact) -> Found:
        async def remember(import_id: str) -> None:
            await artifacts.note(ctx.db, row.id, import_id=import_id)

        done = await powerbi.import_pbix(
            workspace_id, name, path, name_conflict="Abort", skip_report=True, deadline=deadline, on_import=remember
        )
        made = next((dataset for dataset in done.datasets if dataset.name == name), None)
        if made is None:
            raise VendorRejected(
                "Power BI", "import dataset", f"the import of {path.name} brought no dataset of its own"
            )
        return Found(made.id, ours=True)

    row = await ensure_artifact(ctx, ArtifactKind.DATASET, thing=f"the dataset “{name}”", find=find, create=create)
    await ctx.vendors.fabric.describe_item(workspace_id, str(row.vendor_id), ctx.mark)
    return row


async def _as_intended(ctx: StepContext, workspace_id: str, found: Found) -> Found:
    """The dataset as nobody's while it carries no mark at all: then the ledger's intent decides whether it is ours."""
    items = await ctx.vendors.fabric.list_items(workspace_id, ITEM)
    unmarked = any(item.id == found.vendor_id and not item.description for item in items)
    return Found(found.vendor_id, ours=None) if unmarked else found


async def _let_imports_end(ctx: StepContext, row: Artifact, workspace_id: str, name: str) -> None:
    """Wait for what an earlier attempt began, also where its answer was lost."""
    powerbi = ctx.vendors.powerbi
    begun = {
        one.id for one in await powerbi.list_imports(workspace_id) if one.name == name and one.state == "Publishing"
    }
    if row.details.get("import_id"):
        begun.add(str(row.details["import_id"]))
    for import_id in sorted(begun):
        with suppress(VendorRejected):  # it came to nothing
            await powerbi.wait_for_import(workspace_id, import_id, deadline=ctx.settings.operation_deadline)


async def point_imported(ctx: StepContext, workspace_id: str, dataset_id: str, source: SqlDatabase) -> None:
    """The dataset's parameters name this source; SetupError where the .pbix has no such parameters."""
    settings = ctx.settings
    values = {settings.dataset_server_parameter: source.server, settings.dataset_database_parameter: source.database}
    try:
        await ctx.vendors.powerbi.update_parameters(workspace_id, dataset_id, values)
    except VendorRejected as refusal:
        raise SetupError(
            f"the template .pbix does not take the parameters {' and '.join(values)}: {refusal.message}. "
            "Look at DATASET_SERVER_PARAMETER and DATASET_DATABASE_PARAMETER."
        ) from refusal
