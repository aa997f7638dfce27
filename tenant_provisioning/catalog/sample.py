"""The sample catalog of 400 template reports, for the embedded default and for trying the manifest format out.

The same bytes every time, on every machine; nothing that a person put into the folder is ever overwritten. What the
reports are is `sample_reports`.
"""

import hashlib
import itertools
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tenant_provisioning.catalog.manifest import CATALOG_FILE, REPORTS_FOLDER, load_catalog
from tenant_provisioning.catalog.sample_pbix import pbix_bytes
from tenant_provisioning.catalog.sample_reports import MODULES, PROVIDERS, Feature
from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.errors import SetupError

SOURCE_REPORTS = uuid.UUID("0b8f4d0e-2a53-5a53-9c0f-3f0d1f6f6a10")  # namespace of the ids in the template workspace
WRITTEN = ".sample"  # sha256 and name of every file as it was written, in the format of sha256sum
PARTIAL = ".sample-partial"


def write_sample(folder: Path) -> Catalog:
    """Write the sample catalog and return it; SetupError when the folder holds more than an untouched sample."""
    files = _files()
    foreign, stale = _present(folder, files)
    if foreign:
        told = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise SetupError(
            f"the sample catalog is not written to {folder}: the folder holds files of yours ({told}). "
            "Choose another folder, or move them away."
        )
    try:
        for name in stale:
            (folder / name).unlink()
        for name, data in files.items():
            _write(folder / name, data)
    except OSError as error:
        raise SetupError(f"the sample catalog cannot be written to {folder}: {error.strerror}") from error
    return load_catalog(folder)


def _present(folder: Path, files: dict[str, bytes]) -> tuple[list[str], list[str]]:
    """Names of the folder's files that are not ours, and of those that an older sample left behind."""
    if not folder.exists():
        return [], []
    if not folder.is_dir():
        return [folder.name], []
    written = _written(folder / WRITTEN)
    foreign, stale = [], []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for path in [Path(parent, name) for name in [*links, *names] if not name.startswith(PARTIAL)]:
            name = path.relative_to(folder).as_posix()
            data = b"" if path.is_symlink() or not path.is_file() else path.read_bytes()
            if name == WRITTEN or data == files.get(name):
                continue
            if written.get(name) != hashlib.sha256(data).hexdigest():
                foreign.append(name)
            elif name not in files:
                stale.append(name)
    return sorted(foreign), stale


def _written(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}


def _write(path: Path, data: bytes) -> None:
    """Replace the file in one go, so that an interruption leaves the old bytes or the new ones."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}-{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def _files() -> dict[str, bytes]:
    """Every file of the sample by name; the list of what was written comes last, when all of it is there."""
    files = {CATALOG_FILE: _catalog_yaml().encode()}
    for module, features in MODULES.items():
        entries = []
        for feature in features:
            for needs in _combinations(feature):
                entry, package = _report(feature, needs)
                entries.append(entry)
                files |= package
        if entries:
            files[f"{REPORTS_FOLDER}/{_key(module)}.yaml"] = "\n".join(entries).encode()
    listing = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return files | {WRITTEN: "".join(listing).encode()}


def _combinations(feature: Feature) -> Iterator[dict[str, str]]:
    """The needs of each report that serves this feature."""
    if feature.by is None:
        return
    offered = [[key for key in PROVIDERS[category] if key not in feature.without] for category in feature.by]
    for keys in itertools.product(*offered):
        yield dict(zip(feature.by, keys, strict=True))


def _report(feature: Feature, needs: dict[str, str]) -> tuple[str, dict[str, bytes]]:
    """The YAML of one report, and its package by file name where it is imported."""
    key = "_".join([*(provider.lower() for provider in needs.values()), feature.key])
    names = ", ".join(PROVIDERS[category][provider] for category, provider in needs.items())
    title = f"{feature.title} ({names})" if names else feature.title
    lines = [f"{key}:", f"  title: {title}", f"  feature: {feature.key}"]
    if needs:
        lines += ["  needs:", *(f"    {category}: {provider}" for category, provider in needs.items())]
    else:
        lines.append("  needs: {}")
    if not feature.imported:
        lines += ["  clone:", f"    report_id: {uuid.uuid5(SOURCE_REPORTS, key)}", "    version: 1", ""]
        return "\n".join(lines), {}
    name, data = f"pbix/{key}.pbix", pbix_bytes(title)
    lines += ["  import:", f"    file: {name}", f"    sha256: {hashlib.sha256(data).hexdigest()}", ""]
    return "\n".join(lines), {name: data}


def _catalog_yaml() -> str:
    lines = [
        "# What reports may refer to. Keys stay for ever: customers' rows name them. Texts may change.",
        "providers:",
    ]
    for category, providers in PROVIDERS.items():
        lines += [f"  {category}:", *(f"    {key}: {name}" for key, name in providers.items())]
    lines += ["", "modules:"]
    for module, features in MODULES.items():
        lines += [f"  {_key(module)}:", f"    title: {module}", "    features:"]
        lines += [f"      {feature.key}: {feature.title}" for feature in features]
    return "\n".join([*lines, ""])


def _key(title: str) -> str:
    return title.lower().replace(" ", "_")
