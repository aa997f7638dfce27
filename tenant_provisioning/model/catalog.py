"""Template reports and which of them a customer gets. Reading them from files is `catalog.manifest`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CATEGORIES = ("lms", "english_maths", "crm", "hr")
REQUIRED_CATEGORIES = ("lms", "english_maths", "crm")


class ReportStrategy(StrEnum):
    """How a template becomes a tenant's report."""

    CLONE = "clone"
    IMPORT = "import"
    DEFINITION = "definition"


@dataclass(frozen=True)
class Provider:
    """A piece of software a customer may use, such as APTEM in the category `lms`."""

    key: str
    category: str
    name: str


@dataclass(frozen=True)
class TemplateReport:
    """One report of the catalog.

    `needs` maps a category to the provider key it requires; a category that is absent does not matter. `source_report_id` is set
    for clones, `pbix_path` (absolute) for imports, one of `source_report_id` and `definition_path` (a folder, absolute) for
    definitions. `content_hash` changes whenever the template's content does.
    """

    key: str
    title: str
    strategy: ReportStrategy
    feature_key: str
    content_hash: str
    needs: Mapping[str, str] = field(default_factory=dict)
    source_report_id: str | None = None
    pbix_path: str | None = None
    definition_path: str | None = None


@dataclass(frozen=True)
class ModuleFeature:
    """A feature of a module of the platform, which a report may serve."""

    key: str
    title: str


@dataclass(frozen=True)
class Module:
    """A module of the platform's application, with its features in their order."""

    key: str
    title: str
    features: tuple[ModuleFeature, ...]


@dataclass(frozen=True)
class Catalog:
    """Everything the platform can deploy, in a stable order."""

    providers: tuple[Provider, ...]
    modules: tuple[Module, ...]
    reports: tuple[TemplateReport, ...]

    def report(self, key: str) -> TemplateReport:
        """The template report with this key; KeyError when there is none."""
        return {report.key: report for report in self.reports}[key]


def matches(needs: Mapping[str, str], choices: Mapping[str, str | None]) -> bool:
    """True when every category that the template names equals the customer's choice."""
    return all(choices.get(category) == provider for category, provider in needs.items())


def matching_reports(
    reports: Iterable[TemplateReport], choices: Mapping[str, str | None]
) -> tuple[TemplateReport, ...]:
    """The template reports this customer gets, in the catalog's order."""
    return tuple(report for report in reports if matches(report.needs, choices))


@dataclass(frozen=True)
class NearMiss:
    """How many more reports there would be if the customer used `provider` in `category`, everything else being as chosen."""

    category: str
    provider: str
    more: int


def near_misses(needs: Iterable[Mapping[str, str]], choices: Mapping[str, str | None]) -> list[NearMiss]:
    """What a single other choice would add, the most first. `needs` are those of every template."""
    more: Counter[tuple[str, str]] = Counter()
    for each in needs:
        unmet = [(category, provider) for category, provider in each.items() if choices.get(category) != provider]
        if len(unmet) == 1:
            more[unmet[0]] += 1
    found = [NearMiss(category, provider, count) for (category, provider), count in more.items()]
    return sorted(found, key=lambda miss: (-miss.more, miss.category, miss.provider))
