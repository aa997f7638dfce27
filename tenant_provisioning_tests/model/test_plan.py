"""The order in which a person sees the steps."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.plan import STEP_NAMES, STEPS, planned_steps, report_step

KEYS = st.lists(st.from_regex(r"[a-z0-9_]+", fullmatch=True), unique=True, max_size=10)


def test_every_step_has_a_name_and_a_title_of_its_own() -> None:
    assert len(set(STEP_NAMES)) == len(STEPS)
    assert len({step.title for step in STEPS}) == len(STEPS)
    assert all(step.title for step in STEPS)


def test_every_check_guards_one_step() -> None:
    checks = Counter(check for step in STEPS for check in step.checks)

    assert set(checks.values()) == {1}


@given(KEYS)
def test_the_reports_stand_in_their_order_right_before_their_roll_up(keys: list[str]) -> None:
    steps = planned_steps(iter(keys))

    reports = [report_step(key) for key in keys]
    at = steps.index("deployed_reports")
    assert list(steps[at - len(keys) : at]) == reports
    assert tuple(step for step in steps if step not in reports) == STEP_NAMES


@given(KEYS)
def test_no_report_is_mistaken_for_another_step(keys: list[str]) -> None:
    assert not {report_step(key) for key in keys} & set(STEP_NAMES)


def test_each_step_comes_after_those_it_builds_on() -> None:
    order = [
        ("hosting_domain", "dns_record"),
        ("fabric_workspace", "data_store_shell"),
        ("data_store_shell", "fabric_data_store"),
        ("data_store_shell", "dataset_shell"),
        ("fabric_data_store", "powerbi_dataset"),
        ("dataset_shell", "powerbi_dataset"),
        ("dataset_shell", "deployed_reports"),
        ("powerbi_workspace", "powerbi_dataset"),
        ("powerbi_dataset", "deployed_reports"),
        ("deployed_reports", "module_configuration"),
        ("super_users", "organization_record"),
    ]

    assert [pair for pair in order if STEP_NAMES.index(pair[0]) >= STEP_NAMES.index(pair[1])] == []
