"""What is left of a run, by what past runs took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.estimate import FEWEST, REPORTS, PastRun, estimate, past_run

STEPS = ("hosting_domain", "powerbi_dataset", REPORTS, "organization_record")
RUN = PastRun({"hosting_domain": 5, "powerbi_dataset": 20, REPORTS: 60, "organization_record": 5})
SLOWER = PastRun({step: 2 * seconds for step, seconds in RUN.seconds.items()})
runs = st.lists(
    st.fixed_dictionaries({step: st.floats(0, 1000) for step in STEPS}).map(PastRun), min_size=FEWEST, max_size=12
)


def test_a_step_kept_the_run_waiting_since_the_end_of_the_one_before() -> None:
    assert past_run({"b": 12.0, "a": 4.0, "c": 12.5}).seconds == {"a": 4.0, "b": 8.0, "c": 0.5}


@given(st.dictionaries(st.sampled_from(STEPS), st.floats(0, 10_000), min_size=1))
def test_the_steps_of_a_run_add_up_to_the_whole_run(finished: dict[str, float]) -> None:
    assert sum(past_run(finished).seconds.values()) == pytest.approx(max(finished.values()))


def test_fewer_than_three_runs_are_no_basis() -> None:
    assert estimate([RUN] * (FEWEST - 1), STEPS) is None
    assert estimate([RUN] * FEWEST, STEPS) is not None


def test_before_anything_is_done_the_whole_run_is_left() -> None:
    told = estimate([RUN, RUN, RUN], STEPS)

    assert told is not None
    assert (told.seconds, told.least, told.most, told.runs) == (90, 90, 90, 3)


def test_the_error_is_where_most_of_the_past_runs_lie() -> None:
    told = estimate([RUN, RUN, SLOWER], STEPS)

    assert told is not None
    assert told.seconds == 90
    assert told.least == 90
    assert told.most == pytest.approx(90 + 0.8 * 90)


def test_reports_count_by_the_share_that_is_left() -> None:
    told = estimate([RUN] * 3, (REPORTS, "organization_record"), reports_left=0.25)

    assert told is not None
    assert told.seconds == 0.25 * 60 + 5


def test_what_the_step_at_work_has_had_is_taken_from_it_and_from_no_other() -> None:
    halfway = estimate([RUN] * 3, ("powerbi_dataset", "organization_record"), waiting=8)
    late = estimate([RUN] * 3, ("powerbi_dataset", "organization_record"), waiting=500)

    assert halfway is not None
    assert late is not None
    assert (halfway.seconds, halfway.overdue) == (12 + 5, False)
    assert (late.seconds, late.overdue) == (5, True)


def test_a_retry_of_the_last_steps_takes_what_these_took() -> None:
    told = estimate([RUN, SLOWER, RUN], ("organization_record",))

    assert told is not None
    assert told.seconds == 5


def test_nothing_left_takes_no_time() -> None:
    told = estimate([RUN] * 3, ())

    assert told is not None
    assert (told.seconds, told.most, told.overdue) == (0, 0, False)


@given(runs, st.integers(0, len(STEPS) - 1), st.floats(0, 1), st.floats(0, 2000))
def test_the_estimate_lies_within_its_error_and_none_is_negative(
    past: list[PastRun], done: int, reports_left: float, waiting: float
) -> None:
    told = estimate(past, STEPS[done:], reports_left=reports_left, waiting=waiting)

    assert told is not None
    assert 0 <= told.least <= told.seconds + 1e-9
    assert told.seconds <= told.most + 1e-9


@given(runs, st.integers(1, len(STEPS) - 1))
def test_with_every_step_that_is_done_less_is_left(past: list[PastRun], done: int) -> None:
    before, after = estimate(past, STEPS[done - 1 :]), estimate(past, STEPS[done:])

    assert before is not None
    assert after is not None
    assert after.seconds <= before.seconds + 1e-9
