"""What the embedded default makes data stores from: the platform's tables as a .dacpac, such as a SQL database project builds.

The real templates are the platform engineer's; where they lie is in `settings`.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

TABLES: Mapping[str, tuple[str, ...]] = {
    "tenant": ("organization_id",),
    "learners": ("id", "full_name", "email", "started_on"),
    "courses": ("id", "title", "level"),
    "enrolments": ("id", "learner_id", "course_id", "status", "enrolled_on"),
    "assessments": ("id", "enrolment_id", "subject", "score", "taken_on"),
    "attendance": ("id", "enrolment_id", "session_on", "minutes"),
}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest moment a zip can hold: the same tables give the same bytes
DAC = "http://schemas.microsoft.com/sqlserver/dac/Serialization/2012/02"
CONTENT_TYPES = (
    '<?xml version="1.0" encoding="utf-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="text/xml" /></Types>'
)


def dacpac_path(data_dir: Path) -> Path:
    """Where the .dacpac of the embedded default lies."""
    return data_dir / "templates" / "data_store.dacpac"


def write_dacpac(path: Path, tables: Mapping[str, tuple[str, ...]] = TABLES) -> Path:
    """The path, where there is now a .dacpac with these tables, all columns text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_dacpac(tables))
    return path


def _dacpac(tables: Mapping[str, tuple[str, ...]]) -> bytes:
    model = (
        f'<?xml version="1.0" encoding="utf-8"?><DataSchemaModel FileFormatVersion="1.2" SchemaVersion="2.9" '
        f'DspName="Microsoft.Data.Tools.Schema.Sql.SqlDbFabricDatabaseSchemaProvider" xmlns="{DAC}"><Model>'
        + "".join(_table(name, columns) for name, columns in tables.items())
        + "</Model></DataSchemaModel>"
    )
    checksum = hashlib.sha256(model.encode()).hexdigest().upper()
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "model.xml": model,
        "DacMetadata.xml": f'<DacType xmlns="{DAC}"><Name>data_store</Name><Version>1.0.0.0</Version></DacType>',
        "Origin.xml": f'<DacOrigin xmlns="{DAC}"><PackageProperties><Version>3.1.0.0</Version></PackageProperties>'
        f'<Checksums><Checksum Uri="/model.xml">{checksum}</Checksum></Checksums></DacOrigin>',
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return whole.getvalue()


def _table(name: str, columns: tuple[str, ...]) -> str:
    described = "".join(
        f'<Entry><Element Type="SqlSimpleColumn" Name="[dbo].[{name}].[{column}]">'
        '<Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier"><Property Name="Length" Value="400" />'
        '<Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[nvarchar]" /></Entry></Relationship>'
        "</Element></Entry></Relationship></Element></Entry>"
        for column in columns
    )
    return (
        f'<Element Type="SqlTable" Name="[dbo].[{name}]"><Relationship Name="Columns">{described}</Relationship>'
        '<Relationship Name="Schema"><Entry><References ExternalSource="BuiltIns" Name="[dbo]" /></Entry></Relationship></Element>'
    )
