"""Power BI packages (.pbix): reading what an uploaded one brings, and making one for a report that never had any."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from tenant_provisioning.simulator.fabric.definitions import Shape, read_bim
from tenant_provisioning.simulator.fabric.refusals import Refusal

CORRUPTED = "RequestedFileIsEncryptedOrCorrupted"
LARGEST_PART = 64 * 1024 * 1024
EMPTY = Shape((), (), (), has_roles=False)


@dataclass(frozen=True)
class Package:
    """What a package brings: a model of its own, or the id of the dataset that it shows live."""

    model: Shape | None
    live_dataset_id: str | None


def key_of(content: bytes) -> str:
    """The key under which a package's bytes are kept once, however often they are uploaded."""
    return hashlib.sha256(content).hexdigest()


def read_package(content: bytes) -> Package:
    """What the package brings; refused when it is no zip, or no .pbix."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() is not None:
                raise Refusal(CORRUPTED, "The file is damaged.")
            names = set(archive.namelist())
            missing = {"[Content_Types].xml", "Version"} - names
            if missing or not any(name.startswith("Report/") for name in names):
                raise Refusal(CORRUPTED, "The file is not a Power BI Desktop package.")
            if "DataModelSchema" in names:
                return Package(read_bim(_text(archive, "DataModelSchema")), None)
            if "DataModel" in names:
                return Package(EMPTY, None)
            if "Connections" in names:
                return Package(None, _live_dataset(json.loads(_text(archive, "Connections"))))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as broken:
        raise Refusal(CORRUPTED, "The file is encrypted or corrupted.") from broken
    raise Refusal(CORRUPTED, "The package has neither a model nor a connection to one.")


def thin_package(title: str, dataset_id: str) -> bytes:
    """A package that shows a dataset live; the same bytes for the same report."""
    layout = {
        "id": 0,
        "resourcePackages": [],
        "sections": [{"name": "ReportSection", "displayName": title, "visualContainers": []}],
    }
    bond = {"Version": 3, "Connections": [], "RemoteArtifacts": [{"DatasetId": dataset_id}]}
    types = '<?xml version="1.0" encoding="utf-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    parts = {
        "[Content_Types].xml": types.encode(),
        "Version": "1.28".encode("utf-16-le"),
        "Report/Layout": json.dumps(layout).encode("utf-16-le"),
        "Connections": json.dumps(bond).encode(),
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return whole.getvalue()


def _live_dataset(connections: dict[str, Any]) -> str:
    artifacts = connections.get("RemoteArtifacts") or connections["Connections"]
    first = artifacts[0]
    return str(first.get("DatasetId") or first["PbiModelDatabaseName"]).lower()


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > LARGEST_PART:
        raise Refusal(CORRUPTED, "A part of the package is too large.")
    content = archive.read(name)
    if content.startswith(b"\xff\xfe"):
        return content.decode("utf-16")
    return content.decode("utf-16-le" if content[1:2] == b"\x00" else "utf-8-sig")
