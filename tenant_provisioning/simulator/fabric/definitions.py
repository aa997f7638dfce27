"""Reading a semantic model's definition: TMDL files or one model.bim, as far as they say where the data comes from.

Only what the service itself has to understand is read: data sources, parameters, tables with their columns, roles.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenant_provisioning.simulator.fabric.records import ModelTable, Parameter, Part
from tenant_provisioning.simulator.fabric.refusals import Refusal

BROKEN = "Dataset_Import_FailedToImportDataset"
QUOTED = re.compile(r'^"([^"]*)"')
COMMENT = re.compile(r'("(?:[^"\n]|"")*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
DATABASE_CALL = re.compile(r'Sql\.Databases?\s*\(\s*("[^"]*"|#?"?[\w ]+"?)\s*(?:,\s*("[^"]*"|#?"?[\w ]+"?))?')
READ_ITEM = re.compile(r'Item\s*=\s*"([^"]+)"')
ENTITY = re.compile(r"^\s*entityName:\s*(.+?)\s*$", re.MULTILINE)
EXPRESSION = re.compile(r"^expression\s+('(?:[^']|'')+'|[\w.]+)\s*=\s*(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^table\s+('(?:[^']|'')+'|[\w.]+)", re.MULTILINE)
COLUMN = re.compile(r"^\s+column\s+('(?:[^']|'')+'|[\w.]+)", re.MULTILINE)
MODE = re.compile(r"^\s+mode:\s*(\w+)", re.MULTILINE)
META_TYPE = re.compile(r'Type\s*=\s*"([^"]+)"')


@dataclass(frozen=True)
class Place:
    """Where a data source is, and the parameters that say so, None where the definition does itself."""

    server: str
    database: str
    server_from: str | None = None
    database_from: str | None = None


@dataclass(frozen=True)
class Shape:
    """What a definition says: where its data is, tables, parameters, and whether rows are secured by roles."""

    sources: tuple[Place, ...]
    tables: tuple[ModelTable, ...]
    parameters: tuple[Parameter, ...]
    has_roles: bool


def text_of(part: Part) -> str:
    """The part's content; refused when its payload is no base64 or no text."""
    try:
        return base64.b64decode(part.payload, validate=True).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError) as broken:
        raise Refusal("CorruptedPayload", f"The payload of '{part.path}' is corrupted.") from broken


def encoded(path: str, text: str) -> Part:
    """A part with this content."""
    return Part(path, base64.b64encode(text.encode()).decode())


def read_model(parts: Iterable[Part]) -> Shape:
    """The shape of a model's definition; refused when a required file is missing or cannot be read."""
    by_path = {part.path: part for part in parts}
    if "definition.pbism" not in by_path:
        raise Refusal(BROKEN, "Required artifact is missing in 'definition.pbism'.")
    if "model.bim" in by_path:
        return read_bim(text_of(by_path["model.bim"]))
    if "definition/model.tmdl" not in by_path:
        raise Refusal(BROKEN, "Required artifact is missing: 'model.bim' or 'definition/model.tmdl'.")
    return read_tmdl({path: text_of(part) for path, part in by_path.items() if path.endswith(".tmdl")})


def read_tmdl(files: Mapping[str, str]) -> Shape:
    """The shape that TMDL files (path to text) describe."""
    expressions = dict(_expressions(files.get("definition/expressions.tmdl", "")))
    tables, partitions = [], []
    for path, text in files.items():
        if path.startswith("definition/tables/"):
            found = TABLE.search(text)
            if found is None:
                raise Refusal(BROKEN, f"TMDL Format Error: '{path}' describes no table.")
            partitions.append(text)
            tables.append(_tmdl_table(_unquoted(found.group(1)), text))
    has_roles = any(path.startswith("definition/roles/") for path in files)
    return _shape(expressions, partitions, tables, has_roles)


def read_bim(text: str) -> Shape:
    """The shape that a model.bim (or a package's DataModelSchema) describes."""
    try:
        model: dict[str, Any] = json.loads(text)["model"]
        expressions = {entry["name"]: _joined(entry["expression"]) for entry in model.get("expressions", [])}
        tables, partitions = [], []
        for table in model.get("tables", []):
            partition: dict[str, Any] = next(iter(table.get("partitions", [])), {})
            source = _joined(partition.get("source", {}).get("expression", ""))
            partitions.append(source)
            item = READ_ITEM.search(source)
            columns = tuple(column["name"] for column in table.get("columns", []))
            tables.append(
                ModelTable(table["name"], columns, item.group(1) if item else None, partition.get("mode", "import"))
            )
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise Refusal(BROKEN, "Import from JSON supported for V3 models only: the model cannot be read.") from broken
    return _shape(expressions, partitions, tables, bool(model.get("roles")))


def _shape(
    expressions: Mapping[str, str], partitions: Iterable[str], tables: list[ModelTable], has_roles: bool
) -> Shape:
    parameters = tuple(_parameters(expressions))
    values = {parameter.name: parameter.value for parameter in parameters}
    sources: dict[Place, None] = {}
    for text in (*expressions.values(), *partitions):
        for server, database in DATABASE_CALL.findall(COMMENT.sub(lambda found: found[1] or " ", text)):
            sources[
                Place(
                    _value(server, values), _value(database, values) if database else "", _name(server), _name(database)
                )
            ] = None
    return Shape(tuple(sources), tuple(tables), parameters, has_roles)


def _expressions(text: str) -> Iterator[tuple[str, str]]:
    for found in EXPRESSION.finditer(text):
        yield _unquoted(found.group(1)), found.group(2).strip()


def _parameters(expressions: Mapping[str, str]) -> Iterator[Parameter]:
    for name, text in expressions.items():
        value = QUOTED.match(text)
        if value and "IsParameterQuery=true" in text.replace(" ", ""):
            kind = META_TYPE.search(text)
            yield Parameter(
                name,
                kind.group(1) if kind else "Text",
                value.group(1),
                "IsParameterQueryRequired=true" in text.replace(" ", ""),
            )


def _tmdl_table(name: str, text: str) -> ModelTable:
    item = READ_ITEM.search(text) or ENTITY.search(text)
    mode = MODE.search(text)
    columns = tuple(_unquoted(column) for column in COLUMN.findall(text))
    return ModelTable(name, columns, item.group(1) if item else None, mode.group(1) if mode else "import")


def _value(argument: str, parameters: Mapping[str, str]) -> str:
    if argument.startswith('"'):
        return argument.strip('"')
    name = _name(argument)
    if name is None or name not in parameters:
        raise Refusal(BROKEN, f"Expression.Error: The name '{name}' wasn't recognized.")
    return parameters[name]


def _name(argument: str) -> str | None:
    """The parameter that an argument names; None when it is a text itself, or there is none."""
    return None if not argument or argument.startswith('"') else argument.removeprefix('#"').removesuffix('"').strip()


def _unquoted(name: str) -> str:
    return name[1:-1].replace("''", "'") if name.startswith("'") else name


def _joined(expression: str | list[str]) -> str:
    return expression if isinstance(expression, str) else "\n".join(expression)
