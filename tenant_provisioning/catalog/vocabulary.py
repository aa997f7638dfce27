"""The words that template reports may use, from `catalog.yaml`: providers by category, modules with their features."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tenant_provisioning.catalog.fields import did_you_mean, fields, mapping, text
from tenant_provisioning.catalog.yaml_tree import Mistakes, Node
from tenant_provisioning.model.catalog import CATEGORIES, REQUIRED_CATEGORIES, Module, ModuleFeature, Provider

KEY = re.compile(r"[a-z0-9_]{1,100}")  # also a part of a Dagster asset key
PROVIDER_KEY = re.compile(r"[A-Z0-9_]{1,50}")


@dataclass(frozen=True)
class Vocabulary:
    """What reports may refer to. A part that could not be read is None, and nothing is held against it."""

    providers: Mapping[str, tuple[Provider, ...]] | None
    modules: tuple[Module, ...] | None


def read_vocabulary(root: Node | None, mistakes: Mistakes) -> Vocabulary:
    """Providers and modules of `catalog.yaml`."""
    if root is None:
        return Vocabulary(None, None)
    found = fields(root, "the catalog", mistakes, required=("providers", "modules"))
    return Vocabulary(_providers(found.get("providers"), mistakes), _modules(found.get("modules"), mistakes))


def check_key(key: str, node: Node, what: str, mistakes: Mistakes) -> None:
    """Add a mistake unless `key` can be the key of a report, module or feature."""
    if not KEY.fullmatch(key):
        rule = "use 1 to 100 lower-case letters, digits and underscores"
        mistakes.at(node, f"“{key[:60]}” is no {what} key: {rule}")


def _providers(node: Node | None, mistakes: Mistakes) -> dict[str, tuple[Provider, ...]] | None:
    categories = mapping(node, "“providers”", mistakes)
    if node is None or categories is None:
        return None
    found: dict[str, tuple[Provider, ...]] = dict.fromkeys(CATEGORIES, ())
    for category, entries in categories.items():
        if category in CATEGORIES:
            found[category] = _category(category, entries, mistakes)
        else:
            known = did_you_mean(category, CATEGORIES)
            mistakes.at(entries, f"there is no category “{category[:60]}”{known}")
    for category in REQUIRED_CATEGORIES:
        if category not in categories or categories[category].content == {}:
            place = categories.get(category, node)
            mistakes.at(place, f"the category {category} has no provider, but every customer chooses one")
    return found


def _category(category: str, node: Node, mistakes: Mistakes) -> tuple[Provider, ...]:
    providers = []
    for key, value in (mapping(node, f"the category {category}", mistakes) or {}).items():
        if not PROVIDER_KEY.fullmatch(key):
            rule = "use 1 to 50 capital letters, digits and underscores"
            mistakes.at(value, f"“{key[:60]}” is no provider key: {rule}")
        name = text(value, f"the name of the provider {key[:60]}", mistakes, limit=100)
        # one with a bad name still counts as known, or every report that needs it would be a mistake too
        providers.append(Provider(key, category, name or ""))
    return tuple(providers)


def _modules(node: Node | None, mistakes: Mistakes) -> tuple[Module, ...] | None:
    entries = mapping(node, "“modules”", mistakes)
    if entries is None:
        return None
    modules: list[Module] = []
    owners: dict[str, str] = {}
    for key, module in entries.items():
        check_key(key, module, "module", mistakes)
        found = fields(module, f"the module {key[:60]}", mistakes, required=("title", "features"))
        title = text(found.get("title"), "the title", mistakes)
        features = []
        for feature, value in (mapping(found.get("features"), "“features”", mistakes) or {}).items():
            check_key(feature, value, "feature", mistakes)
            if feature in owners:
                mistakes.at(value, f"the feature {feature} is in the module {owners[feature]} already")
            owners.setdefault(feature, key)
            feature_title = text(value, f"the title of the feature {feature[:60]}", mistakes)
            features.append(ModuleFeature(feature, feature_title or ""))
        modules.append(Module(key, title or "", tuple(features)))
    return tuple(modules)
