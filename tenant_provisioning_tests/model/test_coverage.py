"""Which combinations of providers get how many reports."""

from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.catalog import CATEGORIES, Catalog, Provider, matches
from tenant_provisioning.model.coverage import Combination, coverage

PROVIDERS = (
    Provider("APTEM", "lms", "Aptem"), Provider("BUD", "lms", "Bud"), Provider("BKSB", "english_maths", "bksb"),
    Provider("HUBSPOT", "crm", "HubSpot"), Provider("ZOHO", "crm", "Zoho"), Provider("BREATHE", "hr", "Breathe"),
)  # fmt: skip
of_category = {category: [each.key for each in PROVIDERS if each.category == category] for category in CATEGORIES}
needs = st.fixed_dictionaries({}, optional={name: st.sampled_from(keys) for name, keys in of_category.items()})


def test_every_choice_is_there_and_hr_may_be_left_out() -> None:
    choices = [each.choices for each in coverage([], PROVIDERS)]

    assert len(choices) == len(set(choices)) == 2 * 1 * 2 * 2
    assert ("APTEM", "BKSB", "ZOHO", None) in choices
    assert all(None not in each[:3] for each in choices)


def test_a_template_for_everybody_matches_everywhere_and_is_nobodys_own() -> None:
    found = coverage([{}, {"lms": "BUD"}], PROVIDERS)

    assert Combination(("BUD", "BKSB", "ZOHO", None), 2, 1) in found
    assert Combination(("APTEM", "BKSB", "ZOHO", None), 1, 0) in found


@given(st.lists(needs, max_size=30))
def test_it_counts_what_matching_would_find(templates: list[dict[str, str]]) -> None:
    for each in coverage(templates, PROVIDERS):
        chosen = dict(zip(CATEGORIES, each.choices, strict=True))
        assert each.matching == sum(matches(template, chosen) for template in templates)


def test_acme_gets_42_of_the_sample(sample_catalog: Catalog) -> None:
    found = coverage([report.needs for report in sample_catalog.reports], sample_catalog.providers)

    acme = next(each for each in found if each.choices == ("APTEM", "BKSB", "HUBSPOT", None))
    assert acme.matching == 42
