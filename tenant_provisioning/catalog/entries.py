"""What the fields of one template report's entry mean.

The words they may use are `vocabulary`; what two entries may not share is `clashes`; finding the files is `manifest`.
"""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.catalog.fields import did_you_mean, fields, mapping, text
from tenant_provisioning.catalog.pbix import MAX_PACKAGE_BYTES
from tenant_provisioning.catalog.vocabulary import Vocabulary, check_key
from tenant_provisioning.catalog.yaml_tree import Mistakes, Node
from tenant_provisioning.model.catalog import CATEGORIES, Provider, ReportStrategy, TemplateReport

REPORT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
STRATEGIES = ("clone", "import", "definition")


@dataclass(frozen=True)
class Clone:
    """A report of the template workspace, to copy. Power BI tells no hash of it, so people count its versions."""

    report_id: str
    content_hash: str


@dataclass(frozen=True)
class Package:
    """A .pbix as the manifest names it: absolute path, the sha256 it should have, and where that stands.

    `sha256` is "" where the manifest has a mistake.
    """

    path: Path
    sha256: str
    path_node: Node
    sha256_node: Node


@dataclass(frozen=True)
class Definition:
    """A report's definition: a folder with the sha256 it should have, or a report of the template workspace, like a clone's."""

    path: Path | None
    report_id: str | None
    content_hash: str
    path_node: Node
    sha256_node: Node


@dataclass(frozen=True)
class Entry:
    """One template report as far as it could be read: what has a mistake is None. The nodes place later mistakes."""

    key: str
    node: Node
    title: str | None
    title_node: Node
    needs: Mapping[str, str] | None
    package: Package | None
    definition: Definition | None
    report: TemplateReport | None


def read_report(key: str, node: Node, root: Path, vocabulary: Vocabulary, mistakes: Mistakes) -> Entry:
    """The template report under this key; what is wrong is added to `mistakes`. `root` is absolute and resolved."""
    before = len(mistakes)
    what = f"the report {key[:60]}"
    check_key(key, node, "report", mistakes)
    found = fields(node, what, mistakes, required=("title", "feature", "needs"), optional=STRATEGIES)
    title = text(found.get("title"), "the title", mistakes)
    feature = _feature(found.get("feature"), vocabulary, mistakes)
    needs = _needs(found.get("needs"), vocabulary, mistakes)
    clone, package = _clone(found.get("clone"), mistakes), _package(found.get("import"), root, mistakes)
    definition = _definition(found.get("definition"), root, mistakes)
    _check_strategy(what, node, mistakes)
    report = None
    if len(mistakes) == before and title and feature and needs is not None:
        report = _report(key, title, feature, needs, clone or package or definition)
    return Entry(key, node, title, found.get("title", node), needs, package, definition, report)


def _report(
    key: str, title: str, feature: str, needs: Mapping[str, str], content: Clone | Package | Definition | None
) -> TemplateReport | None:
    if isinstance(content, Clone):
        return TemplateReport(
            key, title, ReportStrategy.CLONE, feature, content.content_hash, needs, source_report_id=content.report_id
        )
    if isinstance(content, Package):
        return TemplateReport(
            key, title, ReportStrategy.IMPORT, feature, content.sha256, needs, pbix_path=str(content.path)
        )
    if isinstance(content, Definition):
        return TemplateReport(
            key, title, ReportStrategy.DEFINITION, feature, content.content_hash, needs,
            source_report_id=content.report_id, definition_path=str(content.path) if content.path else None,
        )  # fmt: skip
    return None


def _check_strategy(what: str, node: Node, mistakes: Mistakes) -> None:
    if not isinstance(node.content, dict):
        return
    told = [value for field, value in node.content.items() if field in STRATEGIES]
    if not told:
        mistakes.at(
            node,
            f"{what} needs either clone (a report id), import (a .pbix file) or definition (a folder or a report id)",
        )
    elif len(told) > 1:
        both = [field for field in node.content if field in STRATEGIES]
        mistakes.at(told[1], f"{what} has both {both[0]} and {both[1]}; remove one")


def _feature(node: Node | None, vocabulary: Vocabulary, mistakes: Mistakes) -> str | None:
    feature = text(node, "the feature", mistakes)
    if node is None or feature is None or vocabulary.modules is None:
        return feature
    known = [known.key for module in vocabulary.modules for known in module.features]
    if feature in known:
        return feature
    mistakes.at(node, f"no module has a feature “{feature[:60]}”{did_you_mean(feature, known)}")
    return None


def _needs(node: Node | None, vocabulary: Vocabulary, mistakes: Mistakes) -> dict[str, str] | None:
    before = len(mistakes)
    needs: dict[str, str] = {}
    for category, value in (mapping(node, "“needs”", mistakes) or {}).items():
        if category not in CATEGORIES:
            known = did_you_mean(category, CATEGORIES)
            mistakes.at(value, f"there is no category “{category[:60]}”{known}")
            continue
        provider = text(value, f"the provider in the category {category}", mistakes)
        if provider is not None:
            _check_provider(provider, category, value, vocabulary.providers, mistakes)
            needs[category] = provider
        elif value.refused:
            return None
    return None if node is None or node.refused or len(mistakes) > before else needs


def _check_provider(
    provider: str,
    category: str,
    node: Node,
    providers: Mapping[str, tuple[Provider, ...]] | None,
    mistakes: Mistakes,
) -> None:
    known = [known.key for known in (providers or {}).get(category, ())]
    if providers is not None and provider not in known:
        mistakes.at(node, f"the category {category} has no provider “{provider[:60]}”{did_you_mean(provider, known)}")


def _clone(node: Node | None, mistakes: Mistakes) -> Clone | None:
    if node is None:
        return None
    found = fields(node, "“clone”", mistakes, required=("report_id", "version"))
    return _versioned(found, mistakes)


def _versioned(found: Mapping[str, Node], mistakes: Mistakes) -> Clone | None:
    report_id = text(found.get("report_id"), "report_id", mistakes)
    version = text(found.get("version"), "version", mistakes, limit=100)
    if report_id is not None and not REPORT_ID.fullmatch(report_id):
        example = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
        mistakes.at(found["report_id"], f"“{report_id[:60]}” is no report id such as {example}")
    elif report_id is not None and version is not None:
        content = f"{report_id.lower()}:{version}"
        return Clone(report_id.lower(), hashlib.sha256(content.encode()).hexdigest())
    return None


def _definition(node: Node | None, root: Path, mistakes: Mistakes) -> Definition | None:
    """A folder of the catalog or a report of the template workspace, whichever is named."""
    if node is None:
        return None
    of_folder = isinstance(node.content, dict) and "folder" in node.content
    found = fields(
        node, "“definition”", mistakes, required=("folder", "sha256") if of_folder else ("report_id", "version")
    )
    if not of_folder:
        report = _versioned(found, mistakes)
        return Definition(None, report.report_id, report.content_hash, node, node) if report else None
    relative = text(found.get("folder"), "folder", mistakes, limit=500)
    sha256 = _sha256(
        found.get("sha256"), "64 digits of 0-9 and a-f, as `tenant-provisioning catalog check` tells them", mistakes
    )
    if relative is None:
        return None
    problem = _path_problem(relative, root) or (None if (root / relative).is_dir() else "is no folder of the catalog")
    if problem:
        mistakes.at(found["folder"], f"“{relative[:80]}” {problem}")
        return None
    return Definition(root / relative, None, sha256 or "", found["folder"], found.get("sha256", node))


def _sha256(node: Node | None, rule: str, mistakes: Mistakes) -> str | None:
    sha256 = text(node, "sha256", mistakes)
    if node is not None and sha256 is not None and not SHA256.fullmatch(sha256):
        mistakes.at(node, f"sha256 must be {rule}")
        return None
    return sha256


def _package(node: Node | None, root: Path, mistakes: Mistakes) -> Package | None:
    if node is None:
        return None
    found = fields(node, "“import”", mistakes, required=("file", "sha256"))
    relative = text(found.get("file"), "file", mistakes, limit=500)
    sha256 = _sha256(found.get("sha256"), "64 digits of 0-9 and a-f, as `sha256sum FILE` prints them", mistakes)
    if relative is None:
        return None
    wrong_end = None if relative.endswith(".pbix") else "does not end in .pbix"
    problem = _path_problem(relative, root) or wrong_end or _file_problem(relative, root)
    if problem:
        mistakes.at(found["file"], f"“{relative[:80]}” {problem}")
        return None
    return Package(root / relative, sha256 or "", found["file"], found.get("sha256", node))


def _path_problem(relative: str, root: Path) -> str | None:
    if "\\" in relative or relative.startswith("/") or ":" in relative or ".." in relative.split("/"):
        return "must be a path inside the catalog folder, with / between its parts and no .."
    if not is_inside(root / relative, root):
        return "leads out of the catalog folder through a symbolic link"
    return None


def _file_problem(relative: str, root: Path) -> str | None:
    try:
        found = (root / relative).stat()
    except FileNotFoundError:
        return "does not exist in the catalog folder"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    if found.st_size > MAX_PACKAGE_BYTES:
        return f"is over {MAX_PACKAGE_BYTES // 1024**3} GB, more than an import takes"
    return None


def is_inside(path: Path, root: Path) -> bool:
    """True when `path`, with every symbolic link followed, lies under `root`, which is absolute and resolved."""
    return os.path.realpath(path).startswith(f"{root}{os.sep}")
