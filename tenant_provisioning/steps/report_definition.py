"""What a tenant's report is defined by: the template's definition (PBIR), bound to the tenant's dataset from its first moment."""

import asyncio
import json
from pathlib import Path

from tenant_provisioning.catalog.definitions import BOND, DefinitionInvalid, read_definition
from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.vendors.fabric_records import DefinitionPart

SCHEMA = "https://developer.microsoft.com/json-schemas/fabric/item/report/definitionProperties/2.0.0/schema.json"


async def bound_definition(ctx: StepContext, template: TemplateReport, dataset_id: str) -> tuple[DefinitionPart, ...]:
    """The template's definition with its bond replaced; SetupError when the template cannot be read or is none."""
    if template.definition_path is not None:
        parts = await asyncio.to_thread(_read, Path(template.definition_path))
    else:
        parts = await ctx.vendors.fabric.get_definition(
            str(ctx.settings.template_workspace_id),
            str(template.source_report_id),
            deadline=ctx.settings.operation_deadline,
        )
    kept = tuple(
        part for part in parts if part.path not in {BOND, ".platform"}
    )  # which carries the template's own identity
    return (bond(dataset_id), *kept)


def bond(dataset_id: str) -> DefinitionPart:
    """The file that binds a report to the dataset with this id, of whatever workspace."""
    content = {
        "$schema": SCHEMA,
        "version": "4.0",
        "datasetReference": {"byConnection": {"connectionString": f"semanticmodelid={dataset_id}"}},
    }
    return DefinitionPart(BOND, json.dumps(content, indent=2).encode())


def _read(folder: Path) -> tuple[DefinitionPart, ...]:
    try:
        return tuple(DefinitionPart(path, content) for path, content in read_definition(folder).items())
    except DefinitionInvalid as invalid:
        raise SetupError(
            f"the report definition {folder.name} cannot be used: {invalid}. Run catalog check."
        ) from invalid
