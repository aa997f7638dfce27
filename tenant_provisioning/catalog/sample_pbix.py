"""Small .pbix packages for the sample catalog: the same title gives the same bytes, on every machine.

Real packages come from Power BI Desktop, whose binary DataModel nobody else writes; the model here is the JSON form
that Power BI's own template files carry. Reading packages is `pbix`.
"""

import io
import json
import zipfile
from pathlib import Path

CONTENT_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="json" ContentType=""/>
<Override PartName="/Version" ContentType=""/>
<Override PartName="/Report/Layout" ContentType=""/>
<Override PartName="/Settings" ContentType="application/json"/>
<Override PartName="/Metadata" ContentType="application/json"/>
<Override PartName="/DataModelSchema" ContentType=""/>
</Types>"""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest moment a zip can hold


def write_pbix(path: Path, title: str, *, table: str = "learners") -> None:
    """Write a package with one page that shows one card over `table`, and a dataset of its own."""
    path.write_bytes(pbix_bytes(title, table=table))


def pbix_bytes(title: str, *, table: str = "learners") -> bytes:
    """The bytes of `write_pbix`."""
    parts = {
        "[Content_Types].xml": CONTENT_TYPES.encode("utf-8"),
        "Version": "1.28".encode("utf-16-le"),
        "Report/Layout": _utf16(_layout(title, table)),
        "Settings": _utf16({"Version": 4, "ReportSettings": {}, "QueriesSettings": {"TypeDetectionEnabled": True}}),
        "Metadata": _utf16({"Version": 5, "AutoCreatedRelationships": [], "CreatedFrom": "Cloud"}),
        "DataModelSchema": _utf16(_model(title, table)),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, data in parts.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system = 3  # the default differs between operating systems
            member.compress_type = zipfile.ZIP_STORED  # compressed bytes differ between versions of zlib
            package.writestr(member, data)
    return buffer.getvalue()


def _utf16(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-16-le")


def _layout(title: str, table: str) -> dict[str, object]:
    position = {"x": 40, "y": 40, "z": 0, "width": 320, "height": 180}
    count = {
        "Aggregation": {
            "Expression": {"Column": {"Expression": {"SourceRef": {"Source": "t"}}, "Property": "id"}},
            "Function": 2,
        }
    }
    visual = {
        "name": "card",
        "layouts": [{"id": 0, "position": position}],
        "singleVisual": {
            "visualType": "card",
            "projections": {"Values": [{"queryRef": f"Count({table}.id)"}]},
            "prototypeQuery": {
                "Version": 2,
                "From": [{"Name": "t", "Entity": table, "Type": 0}],
                "Select": [{**count, "Name": f"Count({table}.id)"}],
            },
        },
    }
    page = {
        "id": 0, "name": "page1", "displayName": title, "ordinal": 0, "width": 1280, "height": 720, "displayOption": 1,
        "filters": "[]", "config": "{}",
        "visualContainers": [{**position, "filters": "[]", "config": json.dumps(visual, sort_keys=True)}],
    }  # fmt: skip
    return {
        "id": 0,
        "layoutOptimization": 0,
        "config": '{"version":"5.50"}',
        "resourcePackages": [],
        "sections": [page],
    }


def _model(title: str, table: str) -> dict[str, object]:
    source = (
        'Sql.Database("template-endpoint.datawarehouse.fabric.microsoft.com", "77777777-7777-4777-8777-777777777777")'
    )
    partition = {
        "name": table,
        "mode": "directQuery",
        "source": {
            "type": "m",
            "expression": [
                f"let Source = {source},",
                f'Data = Source{{[Schema="dbo",Item="{table}"]}}[Data]',
                "in Data",
            ],
        },
    }
    columns = [{"name": "id", "dataType": "string", "sourceColumn": "id"}]
    return {
        "name": title,
        "compatibilityLevel": 1567,
        "model": {"culture": "en-GB", "tables": [{"name": table, "columns": columns, "partitions": [partition]}]},
    }
