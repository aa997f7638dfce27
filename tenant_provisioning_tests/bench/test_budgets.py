"""P4 in small: it says what it should say, whatever the figures are on this machine."""

from tenant_provisioning_tests.bench.budgets import QUICK, measure, most_within


def test_a_queue_of_tenants_is_made_and_every_figure_is_told() -> None:
    found = {one.measure: one for one in measure(quick=True)}

    assert found.keys() >= {"P4", "P4 throttled", "P4 starved", "P4 cost"}
    assert found["P4"].facts["tenants"] == QUICK.tenants
    assert found["P4"].facts["calls_of_tightest"] >= 2 * QUICK.tenants
    assert found["P4"].value <= 1.0


def test_the_most_in_a_window_is_found_wherever_the_window_begins() -> None:
    assert most_within(1.0, [0.0, 0.5, 0.9, 1.1, 1.2, 1.95, 3.0]) == 4
