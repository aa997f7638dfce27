"""The catalog of template reports as a folder of files that people keep in git.

    catalog.yaml       providers: {lms: {APTEM: Aptem, …}, …}
                       modules: {learners: {title: Learners, features: {learner_progress: Learner progress, …}}, …}
    reports/*.yaml     mappings; the key of an entry is the template's key:
        aptem_learner_progress:
          title: Learner Progress (Aptem)
          feature: learner_progress
          needs: {lms: APTEM}                       # {} where every customer gets it
          clone: {report_id: <uuid>, version: 1}    # or  import: {file: pbix/….pbix, sha256: <of the file>}
                                                    # or  definition: {folder: definitions/….Report, sha256: <of its files>}
                                                    # or  definition: {report_id: <uuid>, version: 1}

The catalog's order is that of the file names, then that of the entries. The `version` of a report in the template
workspace is raised by hand when that changes. What fields mean is `entries`; who gets which template is `model.catalog`.
"""

from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.catalog.clashes import find_clashes
from tenant_provisioning.catalog.definitions import DefinitionInvalid, inspect_definition
from tenant_provisioning.catalog.entries import Definition, Entry, is_inside, read_report
from tenant_provisioning.catalog.pbix import PbixFacts, PbixInvalid, inspect_pbix
from tenant_provisioning.catalog.vocabulary import Vocabulary, read_vocabulary
from tenant_provisioning.catalog.yaml_tree import Mistakes, Node, read_yaml
from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.errors import CatalogInvalid, CatalogMistake

CATALOG_FILE, REPORTS_FOLDER = "catalog.yaml", "reports"


def load_catalog(path: Path) -> Catalog:
    """The catalog in this folder, or CatalogInvalid with every mistake of its YAML files and of the paths in them.

    No .pbix and no definition is opened: that they hold what the manifest says is `check_catalog`.
    """
    read = _read(path)
    if read.mistakes:
        raise CatalogInvalid(_in_order(read.mistakes))
    providers = read.vocabulary.providers or {}
    return Catalog(
        tuple(provider for category in providers.values() for provider in category),
        read.vocabulary.modules or (),
        tuple(entry.report for entry in read.entries if entry.report),
    )


def check_catalog(path: Path) -> list[CatalogMistake]:
    """Every mistake: those of `load_catalog`, and those inside .pbix files and definitions, which are all opened and hashed."""
    read = _read(path)
    for definition in [entry.definition for entry in read.entries if entry.definition]:
        _check_definition(definition, read.mistakes)
    inspected: dict[Path, PbixFacts | PbixInvalid] = {}
    for package in [entry.package for entry in read.entries if entry.package]:
        facts = inspected.get(package.path) or inspected.setdefault(package.path, _inspected(package.path))
        if isinstance(facts, PbixInvalid):
            read.mistakes.at(package.path_node, str(facts))
        elif package.sha256 and facts.sha256 != package.sha256:
            message = f"the file's sha256 is {facts.sha256}; write that here if the change is meant"
            read.mistakes.at(package.sha256_node, message)
    return _in_order(read.mistakes)


def _check_definition(definition: Definition, mistakes: Mistakes) -> None:
    if definition.path is None:
        return
    try:
        found = inspect_definition(definition.path)
    except DefinitionInvalid as invalid:
        mistakes.at(definition.path_node, str(invalid))
        return
    if definition.content_hash and found.sha256 != definition.content_hash:
        message = f"the folder's sha256 is {found.sha256}; write that here if the change is meant"
        mistakes.at(definition.sha256_node, message)


@dataclass(frozen=True)
class _Reading:
    vocabulary: Vocabulary
    entries: list[Entry]
    mistakes: Mistakes


def _read(path: Path) -> _Reading:
    mistakes = Mistakes()
    root = path.resolve()
    if not root.is_dir():
        mistakes.append(CatalogMistake(CATALOG_FILE, 1, f"there is no catalog folder {path}"))
        return _Reading(Vocabulary(None, None), [], mistakes)
    vocabulary = read_vocabulary(_yaml(root, CATALOG_FILE, mistakes), mistakes)
    entries: list[Entry] = []
    first: dict[str, Node] = {}
    for name in _report_files(root, mistakes):
        document = _yaml(root, name, mistakes)
        if document is None or not isinstance(document.content, dict):
            continue
        for key, node in document.content.items():
            entry = read_report(key, node, root, vocabulary, mistakes)
            if key in first:
                mistakes.at(node, f"the report {key[:60]} stands here again; the first is at {first[key].place}")
                continue  # it would clash with the first in everything
            first[key] = node
            entries.append(entry)
    find_clashes(entries, mistakes)
    return _Reading(vocabulary, entries, mistakes)


def _report_files(root: Path, mistakes: Mistakes) -> list[str]:
    folder = root / REPORTS_FOLDER
    if not folder.is_dir():
        mistakes.append(
            CatalogMistake(REPORTS_FOLDER, 1, "there is no such folder; it holds the reports, as .yaml files")
        )
        return []
    names = []
    for name in sorted(found.name for found in folder.iterdir() if not found.name.startswith(".")):
        place = f"{REPORTS_FOLDER}/{name}"
        if name.endswith(".yaml"):
            names.append(place)
        else:
            # silently left alone, a misnamed file would take its reports out of the catalog
            message = "this is not read: reports stand in files that end in .yaml, right in this folder"
            mistakes.append(CatalogMistake(place, 1, message))
    if not names:
        mistakes.append(CatalogMistake(REPORTS_FOLDER, 1, "the folder holds no .yaml file, so there is no report"))
    return names


def _yaml(root: Path, name: str, mistakes: Mistakes) -> Node | None:
    if not is_inside(root / name, root):
        mistakes.append(CatalogMistake(name, 1, "this leads out of the catalog folder through a symbolic link"))
        return None
    return read_yaml(root / name, name, mistakes)


def _inspected(path: Path) -> PbixFacts | PbixInvalid:
    try:
        return inspect_pbix(path)
    except PbixInvalid as invalid:
        return invalid


def _in_order(mistakes: Mistakes) -> list[CatalogMistake]:
    return sorted(mistakes, key=lambda mistake: (mistake.file != CATALOG_FILE, mistake.file, mistake.line))
