"""A report's definition as a folder (PBIR): `definition.pbir`, `report.json` or `definition/report.json`, and what belongs to it.

As Power BI Desktop saves a project and git integration lays it out. Hidden files are no part of it. What the definition shows is
opaque here; which dataset it is bound to is replaced for every tenant.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.model.errors import ProvisioningError

BOND, CONTENT = "definition.pbir", ("report.json", "definition/report.json")
MAX_FILES = 2_000
MAX_BYTES = 64 * 1024**2  # it travels as base64 within JSON


class DefinitionInvalid(ProvisioningError):
    """This folder is no report definition; the text says why."""


@dataclass(frozen=True)
class DefinitionFacts:
    """What a definition is: its files by their path within the folder, and one sha256 for all of them."""

    files: tuple[str, ...]
    sha256: str


def inspect_definition(folder: Path) -> DefinitionFacts:
    """The facts of this folder, or DefinitionInvalid."""
    content = read_definition(folder)
    try:
        if not isinstance(json.loads(content[BOND]), dict):
            raise DefinitionInvalid(f"{BOND} is no JSON object")
    except ValueError:
        raise DefinitionInvalid(f"{BOND} is no JSON") from None
    listed = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items())
    return DefinitionFacts(tuple(content), hashlib.sha256(listed.encode()).hexdigest())


def read_definition(folder: Path) -> dict[str, bytes]:
    """The definition's files, path to content, in the order of their paths; DefinitionInvalid when it lacks one or is too large."""
    content: dict[str, bytes] = {}
    size = 0
    try:
        for path in _files(folder):
            size += path.stat().st_size
            if len(content) >= MAX_FILES or size > MAX_BYTES:
                raise DefinitionInvalid(f"the folder holds over {MAX_FILES} files or over {MAX_BYTES // 1024**2} MB")
            content[path.relative_to(folder).as_posix()] = path.read_bytes()
    except OSError as error:
        raise DefinitionInvalid(f"the folder cannot be read: {error.strerror or error}") from None
    if BOND not in content:
        raise DefinitionInvalid(f"the folder holds no {BOND}")
    if not set(CONTENT) & set(content):
        raise DefinitionInvalid(f"the folder holds neither {' nor '.join(CONTENT)}")
    return dict(sorted(content.items()))


def _files(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root) / name for name in names if not name.startswith(".")]
    if any(path.is_symlink() for path in found):
        raise DefinitionInvalid("the folder holds a symbolic link")
    return found
