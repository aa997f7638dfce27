"""When tenants that share a budget have had their calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.call_budget import CallBudget, done_in
from tenant_provisioning.model.estimate import Estimate

needs = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 100), min_size=1, max_size=8)


def test_one_that_runs_alone_takes_as_long_as_its_calls() -> None:
    assert done_in({"a": 30}, [], rate=2) == {"a": 15}


def test_what_is_free_can_be_called_at_once() -> None:
    assert done_in({"a": 30}, [], rate=2, free=40) == {"a": 0}
    assert done_in({"a": 30}, [], rate=2, free=20) == {"a": 5}


def test_those_that_run_share_alike_so_a_short_one_does_not_wait_for_a_long_one() -> None:
    assert done_in({"long": 100, "short": 10}, [], rate=1) == {"short": 20, "long": 110}


def test_who_waits_begins_when_another_has_ended() -> None:
    assert done_in({"a": 10, "b": 20}, [("c", 5), ("d", 5)], rate=1) == {"a": 20, "c": 30, "b": 40, "d": 40}


def test_while_nobody_runs_the_first_who_waits_begins() -> None:
    assert done_in({}, [("a", 10), ("b", 10)], rate=1) == {"a": 10, "b": 20}
    assert done_in({}, [], rate=1) == {}


@given(needs, needs, st.floats(0.1, 10))
def test_the_last_is_done_when_all_calls_are_made_whatever_their_order(
    running: dict[str, float], waiting: dict[str, float], rate: float
) -> None:
    line = [(f"w{name}", calls) for name, calls in waiting.items()]
    done = done_in(running, line, rate)

    assert done.keys() == {*running, *(name for name, _ in line)}
    assert max(done.values()) == pytest.approx((sum(running.values()) + sum(waiting.values())) / rate)


def test_a_token_comes_back_after_the_window_and_the_time_a_call_may_be_on_its_way() -> None:
    budget = CallBudget(60, "us", seconds=60, slack=1)

    assert budget.returns_in == 61
    assert budget.rate == pytest.approx(60 / 61)


def test_an_estimate_is_not_before_the_calls_have_been_let_through() -> None:
    alone = Estimate(60, 50, 90, runs=5)

    assert alone.not_before(30) == alone
    assert alone.not_before(80) == Estimate(80, 80, 90, runs=5, in_line=True)
    assert not Estimate(0, 0, 0, runs=5, overdue=True).not_before(80).overdue
