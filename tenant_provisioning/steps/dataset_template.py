"""What a tenant's dataset is made from: a template workspace's definition, or a TMDL definition kept in a folder.

A template .pbix is no definition: Power BI imports it, see `powerbi_dataset`.
"""

import asyncio
from pathlib import Path

from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.steps import tmdl
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.vendors.fabric_records import DefinitionPart
from tenant_provisioning.vendors.sql import SqlDatabase

LARGEST_FILE = 16 * 1024**2
Template = tuple[DefinitionPart, ...]


async def own_definition(ctx: StepContext, source: SqlDatabase, template: Template = ()) -> Template:
    """What the tenant's dataset is to be defined by: the template, fetched where it is not given, reading this source."""
    origin = "DATASET_TEMPLATE_PATH" if ctx.settings.dataset_source == "folder" else "TEMPLATE_DATASET_ID"
    return pointed_at(template or await fetch_template(ctx), source, origin=origin)


async def fetch_template(ctx: StepContext) -> Template:
    """The template's definition, as it is; of one that is a .pbix, nothing."""
    settings = ctx.settings
    if settings.dataset_source == "pbix":
        return ()
    if settings.dataset_source == "folder":
        return await asyncio.to_thread(read_folder, _path(ctx))
    return await ctx.vendors.fabric.get_definition(
        str(settings.template_workspace_id), str(settings.template_dataset_id), deadline=settings.operation_deadline
    )


def pbix_path(ctx: StepContext) -> Path | None:
    """The .pbix that datasets are imported from; None where they are made from a definition."""
    return _path(ctx) if ctx.settings.dataset_source == "pbix" else None


def read_folder(folder: Path) -> Template:
    """The files of a definition as Power BI Desktop and git integration lay them out: `definition.pbism`, `definition/…`."""
    if not (folder / "definition.pbism").is_file() or not (folder / "definition").is_dir():
        raise SetupError(f"DATASET_TEMPLATE_PATH: {folder} holds no definition.pbism, or no folder definition")
    paths = [folder / "definition.pbism", *sorted((folder / "definition").rglob("*"))]
    parts = []
    for path in paths:
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise SetupError(f"DATASET_TEMPLATE_PATH: {path} is over {LARGEST_FILE // 1024**2} MB")
            parts.append(DefinitionPart(relative.as_posix(), path.read_bytes()))
        except OSError as error:
            raise SetupError(f"DATASET_TEMPLATE_PATH: {path} cannot be read: {error.strerror}") from None
    return tuple(parts)


def pointed_at(
    template: tuple[DefinitionPart, ...], source: SqlDatabase, *, origin: str = "TEMPLATE_DATASET_ID"
) -> tuple[DefinitionPart, ...]:
    """The template's definition, reading this source. SetupError, naming `origin`, when it has no data source to replace."""
    try:
        files = {part.path: part.content.decode() for part in template if part.path.endswith(".tmdl")}
        rewritten, replaced = tmdl.repoint(files, source.server, source.database)
    except (UnicodeDecodeError, tmdl.NotUnderstood) as mistake:
        raise SetupError(
            f"the template dataset cannot be pointed at a tenant's data: {mistake}. Look at {origin}."
        ) from mistake
    if not replaced:
        raise SetupError(
            f"the template dataset names no Sql.Database(…) in its definition: {origin} must be a model that reads one"
        )
    return tuple(
        DefinitionPart(part.path, rewritten[part.path].encode() if part.path in rewritten else part.content)
        for part in template
        if part.path != ".platform"  # carries the template's own name and identity
    )


def _path(ctx: StepContext) -> Path:
    path = ctx.settings.dataset_template_path
    if path is None:
        raise SetupError(f"DATASET_TEMPLATE_PATH is not set, which DATASET_SOURCE={ctx.settings.dataset_source} needs")
    return path
