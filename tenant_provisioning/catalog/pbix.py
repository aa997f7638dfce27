"""Facts of a .pbix package, read without unpacking it and without trusting it.

A .pbix is a zip (an OPC package) of named parts; text parts are UTF-16LE. Only the small parts that tell what the
package is are read, in bounded pieces; the data model, which may be gigabytes, is never touched.
Writing packages is `sample_pbix`.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenant_provisioning.model.errors import ProvisioningError

MAX_PACKAGE_BYTES = 10 * 1024**3  # what Power BI takes; over 1 GB by way of a temporary upload location
MAX_MEMBERS = 2_000  # custom visuals bring a few hundred
MAX_UNPACKED_BYTES = 10 * 1024**3  # the largest model that Power BI takes
MAX_LAYOUT_BYTES = 64 * 1024**2
MAX_DIRECTORY_BYTES = 1024**2
VERSION, LAYOUT, LAYOUT_PBIR = "Version", "Report/Layout", "Report/definition/report.json"
CONTENT_TYPES = "[Content_Types].xml"
MODELS = frozenset({"DataModel", "DataModelSchema"})


class PbixInvalid(ProvisioningError):
    """This file is not a report package that can be imported; the text says why."""


@dataclass(frozen=True)
class PbixFacts:
    """What a package is. `has_model` means its import brings a dataset of its own; `sha256` is of the whole file."""

    size: int
    sha256: str
    version: str
    pages: int
    has_model: bool


def inspect_pbix(path: Path) -> PbixFacts:
    """The facts of this package, or PbixInvalid."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size > MAX_PACKAGE_BYTES:
                raise PbixInvalid(f"the file is over {MAX_PACKAGE_BYTES // 1024**3} GB, more than an import takes")
            _check_magic(file)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with _BoundedReads(path) as bounded, zipfile.ZipFile(bounded) as package:
            names = _check_members(package)
            version, pages = _version(package, names), _pages(package, names)
    except OSError as error:
        raise PbixInvalid(f"the file cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        # RuntimeError: an encrypted member; NotImplementedError: a compression that zipfile does not know
        raise PbixInvalid(f"the package is damaged: {error}") from None
    return PbixFacts(size, sha256, version, pages, bool(MODELS & names))


class _BoundedReads(io.FileIO):
    """A file that refuses big reads: zipfile reads the directory in one go, before its members can be counted."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = MAX_DIRECTORY_BYTES  # zipfile reads a trailing comment like this: 64 kB at most
        if size > MAX_DIRECTORY_BYTES:
            raise PbixInvalid(f"the package's directory is over {MAX_DIRECTORY_BYTES // 1024} kB")
        return super().read(size) or b""


def _check_magic(file: io.BufferedReader) -> None:
    file.seek(0)
    start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise PbixInvalid("this is a Git LFS pointer and not the package itself; run `git lfs pull`")
    if not start.startswith(b"PK\x03\x04"):
        raise PbixInvalid("this is not a .pbix: it does not begin like a zip package")


def _check_members(package: zipfile.ZipFile) -> frozenset[str]:
    members = package.infolist()
    if len(members) > MAX_MEMBERS:
        raise PbixInvalid(f"the package has {len(members)} members, more than {MAX_MEMBERS}")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise PbixInvalid(f"the package unpacks to over {MAX_UNPACKED_BYTES // 1024**3} GB")
    twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if twice:
        raise PbixInvalid(f"the package has two members named “{twice[0][:80]}”")
    names = frozenset(member.filename for member in members)
    if CONTENT_TYPES not in names:
        raise PbixInvalid(f"this is not a .pbix: the package has no {CONTENT_TYPES}")
    if not names & {LAYOUT, LAYOUT_PBIR}:
        raise PbixInvalid("the package holds no report layout")
    return names


def _version(package: zipfile.ZipFile, names: frozenset[str]) -> str:
    if VERSION not in names:
        raise PbixInvalid("the package has no Version")
    return _read(package, VERSION, 1024).decode("utf-16-le").strip("\ufeff\0 ")


def _pages(package: zipfile.ZipFile, names: frozenset[str]) -> int:
    if LAYOUT in names:
        sections = _json(_read(package, LAYOUT, MAX_LAYOUT_BYTES).decode("utf-16-le")).get("sections")
        pages = len(sections) if isinstance(sections, list) else 0
    else:  # the newer format: a folder of JSON files, one a page
        _json(_read(package, LAYOUT_PBIR, MAX_LAYOUT_BYTES).decode("utf-8"))
        pages = sum(name.startswith("Report/definition/pages/") and name.endswith("/page.json") for name in names)
    if not pages:
        raise PbixInvalid("the report has no page")
    return pages


def _json(text: str) -> dict[str, Any]:
    try:
        layout = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise PbixInvalid("the report layout is not JSON") from None
    if not isinstance(layout, dict):
        raise PbixInvalid("the report layout is not a JSON object")
    return layout


def _read(package: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes, counted while they are unpacked: the size that the directory claims may be a lie."""
    data = bytearray()
    with package.open(name) as member:
        while piece := member.read(64 * 1024):
            data += piece
            if len(data) > limit:
                raise PbixInvalid(f"“{name}” unpacks to over {limit // 1024} kB")
    return bytes(data)
