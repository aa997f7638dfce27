"""Matching: a template is deployed when every category it names equals the customer's choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.catalog import (
    CATEGORIES,
    Catalog,
    ReportStrategy,
    TemplateReport,
    matches,
    matching_reports,
)

PROVIDERS = st.sampled_from(["APTEM", "BUD", "BKSB", "HUBSPOT"])
NEEDS = st.dictionaries(st.sampled_from(CATEGORIES), PROVIDERS)
CHOICES = st.dictionaries(st.sampled_from(CATEGORIES), st.one_of(st.none(), PROVIDERS))


def template(key: str, needs: dict[str, str]) -> TemplateReport:
    return TemplateReport(key, key.title(), ReportStrategy.CLONE, "feature", "hash", needs, source_report_id="id")


@given(NEEDS, CHOICES)
def test_a_template_matches_exactly_when_every_category_it_names_equals_the_choice(
    needs: dict[str, str], choices: dict[str, str | None]
) -> None:
    differing = {category for category in CATEGORIES if category in needs and needs[category] != choices.get(category)}

    assert matches(needs, choices) == (not differing)


@given(CHOICES)
def test_a_template_without_needs_matches_everyone(choices: dict[str, str | None]) -> None:
    assert matches({}, choices)


@given(NEEDS, CHOICES, st.sampled_from(CATEGORIES), PROVIDERS)
def test_another_need_never_adds_a_match(
    needs: dict[str, str], choices: dict[str, str | None], category: str, provider: str
) -> None:
    more = {category: provider, **needs}

    assert matches(needs, choices) or not matches(more, choices)


@given(NEEDS, CHOICES, st.sampled_from(CATEGORIES), PROVIDERS)
def test_a_category_that_was_open_before_only_adds_matches_when_chosen(
    needs: dict[str, str], choices: dict[str, str | None], category: str, provider: str
) -> None:
    without = {key: value for key, value in choices.items() if key != category}

    assert matches(needs, {**without, category: provider}) or not matches(needs, without)


@given(st.lists(NEEDS, max_size=12), CHOICES)
def test_matching_reports_keep_the_catalogs_order_and_lose_none(
    many: list[dict[str, str]], choices: dict[str, str | None]
) -> None:
    reports = tuple(template(f"r{number}", needs) for number, needs in enumerate(many))

    found = matching_reports(iter(reports), choices)

    assert found == tuple(report for report in reports if matches(report.needs, choices))
    assert [reports.index(report) for report in found] == sorted(reports.index(report) for report in found)


def test_a_report_is_found_by_its_key() -> None:
    reports = (template("one", {}), template("two", {"lms": "APTEM"}))
    catalog = Catalog((), (), reports)

    assert catalog.report("two") is reports[1]
    with pytest.raises(KeyError):
        catalog.report("three")
