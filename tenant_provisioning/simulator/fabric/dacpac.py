"""Reading the schema that a SQL database is created with: a .dacpac, or the .sql files of a project."""

import base64
import binascii
import io
import re
import zipfile
from collections.abc import Iterable

from tenant_provisioning.simulator.fabric.records import Part, TableData
from tenant_provisioning.simulator.fabric.refusals import Refusal

COLUMN_ELEMENT = re.compile(r'Type="SqlSimpleColumn"\s+Name="\[\w+\]\.\[(\w+)\]\.\[(\w+)\]"')
TABLE_ELEMENT = re.compile(r'Type="SqlTable"\s+Name="\[\w+\]\.\[(\w+)\]"')
CREATE = re.compile(
    r"create\s+table\s+(?:\[?\w+\]?\.)?\[?(\w+)\]?\s*\((.*?)\)\s*(?:;|$|go\b)", re.IGNORECASE | re.DOTALL
)
INSERT = re.compile(
    r"insert\s+(?:into\s+)?(?:\[?\w+\]?\.)?\[?(\w+)\]?\s*(?:\([^)]*\)\s*)?values\s*\(([^)]*)\)", re.IGNORECASE
)
CONSTRAINTS = ("constraint", "primary", "foreign", "unique", "check")
LARGEST_MODEL = 16 * 1024 * 1024


def read_schema(format: str, parts: Iterable[Part]) -> dict[str, TableData]:  # noqa: A002 - the vendor's word
    """The tables that the definition describes, with the rows that its post-deployment script inserts."""
    found: dict[str, TableData] = {}
    if format == "dacpac":
        packages = [part for part in parts if part.path.endswith(".dacpac")]
        if len(packages) != 1:
            raise Refusal(
                "InvalidDefinition", "A definition in the format dacpac has exactly one part that ends in .dacpac."
            )
        found = _from_package(packages[0])
    elif format == "sqlproj":
        for part in parts:
            if part.path.endswith(".sql"):
                found |= _from_script(_bytes(part).decode(errors="replace"))
    else:
        raise Refusal("InvalidDefinitionFormat", f"The definition format '{format}' is not supported.")
    return found


def _from_package(part: Part) -> dict[str, TableData]:
    try:
        with zipfile.ZipFile(io.BytesIO(_bytes(part))) as package:
            if package.getinfo("model.xml").file_size > LARGEST_MODEL:
                raise Refusal("CorruptedPayload", f"The payload of '{part.path}' is too large.")
            model = package.read("model.xml").decode()
            script = package.read("postdeploy.sql").decode() if "postdeploy.sql" in package.namelist() else ""
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as broken:
        raise Refusal("CorruptedPayload", f"The payload of '{part.path}' is no valid dacpac.") from broken
    columns: dict[str, list[str]] = {name: [] for name in TABLE_ELEMENT.findall(model)}
    for table, column in COLUMN_ELEMENT.findall(model):
        columns.setdefault(table, []).append(column)
    return _inserted({name: TableData(tuple(names)) for name, names in columns.items()}, script)


def _from_script(script: str) -> dict[str, TableData]:
    tables = {}
    for name, inside in CREATE.findall(script):
        lines = [line.split() for line in re.split(r",(?![^(]*\))", inside) if line.strip()]
        tables[name] = TableData(
            tuple(words[0].strip("[]") for words in lines if words[0].casefold() not in CONSTRAINTS)
        )
    return _inserted(tables, script)


def _inserted(tables: dict[str, TableData], script: str) -> dict[str, TableData]:
    for name, values in INSERT.findall(script):
        if name in tables:
            row = tuple(value.strip().removeprefix("N").strip("'") for value in values.split(","))
            tables[name] = TableData(tables[name].columns, (*tables[name].rows, row))
    return tables


def _bytes(part: Part) -> bytes:
    try:
        return base64.b64decode(part.payload, validate=True)
    except binascii.Error as broken:
        raise Refusal("CorruptedPayload", f"The payload of '{part.path}' is corrupted.") from broken
