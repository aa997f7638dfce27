"""What the page says of an organization's progress, from rows alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tenant_provisioning.model.estimate import REPORTS, PastRun
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import STEP_NAMES
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.model.tenant import DataStoreKind, Organization
from tenant_provisioning.portal.progress import Progress, Rows, progress_of
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.progress import StepProgress, StepState
from tenant_provisioning.store.qa_results import RecordedVerdict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = Organization(
    UUID(int=1),
    "Acme Training",
    "acme",
    "yourplatform.com",
    Status.PROVISIONING,
    {"lms": "APTEM"},
    DataStoreKind.LAKEHOUSE,
)
TITLES = {"a": "Attendance", "b": "Board", "c": "Costs", "d": "Drafts"}
RUN = PastRun({**dict.fromkeys(STEP_NAMES, 10.0), REPORTS: 40.0})


def step(name: str, state: StepState, began: float = 10, took: float = 4, **known: Any) -> StepProgress:
    """A step that began so many seconds ago."""
    start = NOW - timedelta(seconds=began)
    ended = None if state is StepState.RUNNING else start + timedelta(seconds=took)
    row: dict[str, Any] = {"run_id": "run-1", "attempt": 1, "reason": ""} | known
    return StepProgress(name, state, started_at=start, finished_at=ended, **row)


@pytest.fixture
def settings(make_settings: Any) -> Settings:
    """No vendor and no database is asked here."""
    from tenant_provisioning_tests.conftest import World

    found: Settings = make_settings(World("http://127.0.0.1:9", None, 9, 9, None), "postgresql://nowhere/x")  # type: ignore[arg-type]
    return found.model_copy(update={"dagster_url": "http://dagster.test/"})


@pytest.fixture
def told(settings: Settings) -> Any:
    """What the page says of these steps."""

    def tell(*steps: StepProgress, **rows: Any) -> Progress:
        given: dict[str, Any] = {
            "organization": ACME, "verdicts": [], "titles": TITLES, "past": [RUN] * 3,
        } | rows  # fmt: skip
        return progress_of(Rows(steps=steps, **given), settings, NOW)

    return tell


def test_every_step_is_there_in_its_order_from_the_beginning(told: Any) -> None:
    shown = told(organization=replace(ACME, status=Status.REQUESTED))

    assert [line.name for line in shown.steps] == list(STEP_NAMES)
    assert {line.state for line in shown.steps} == {"waiting"}
    assert shown.summary == "0 of 13 steps done."


def test_a_step_shows_how_long_it_took_or_has_taken_and_leads_to_its_run_and_its_thing(told: Any) -> None:
    shown = told(
        step("fabric_workspace", StepState.DONE, url="https://app.fabric.microsoft.com/groups/fw-1"),
        step("powerbi_workspace", StepState.DONE, url="javascript:alert(1)"),
        step("fabric_data_store", StepState.RUNNING, began=7, reason="waiting"),
    )

    done, running = shown.steps[2], shown.steps[4]
    assert (done.state, done.seconds, done.run_url) == ("done", 4, "http://dagster.test/runs/run-1")
    assert done.thing_url == "https://app.fabric.microsoft.com/groups/fw-1"
    assert (running.state, running.seconds, running.note) == ("running", 7, "waiting")
    assert shown.steps[5].thing_url == ""
    assert shown.summary == "2 of 13 steps done; now: Data store."


def test_the_reports_are_one_step_and_each_is_told_by_its_state(told: Any) -> None:
    shown = told(
        step("reports/a", StepState.DONE), step("reports/b", StepState.RUNNING, began=3),
        step("reports/c", StepState.FAILED, reason="damaged"),
    )  # fmt: skip

    line = next(line for line in shown.steps if line.name == "deployed_reports")
    assert (line.state, line.seconds) == ("running", 10)
    assert [(each.title, each.state) for each in shown.reports] == [
        ("Attendance", "done"), ("Board", "running"), ("Costs", "failed"), ("Drafts", "waiting"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("can_help", "advice"),
    [(True, "A retry can help"), (False, "A retry alone will not help"), (None, "Nobody can tell")],
)
def test_a_failure_names_its_cause_whether_a_retry_helps_and_what_the_retry_is_about(
    told: Any, can_help: bool | None, advice: str
) -> None:
    failed = replace(ACME, status=Status.FAILED, status_reason="it failed")
    shown = told(
        step("reports/c", StepState.FAILED, reason="damaged", a_rerun_can_help=can_help),
        step("deployed_reports", StepState.FAILED, reason="1 is missing"),
        organization=failed,
    )

    (failure,) = shown.failures
    assert (failure.title, failure.cause, failure.selection) == ("Report “Costs”", "damaged", ("reports/c",))
    assert failure.advice.startswith(advice)


def test_a_blocking_check_that_did_not_pass_is_a_failure_that_its_steps_retry_mends(told: Any) -> None:
    found = Verdict("schema_is_ready", Outcome.FAILED, "6 tables", "5 tables", "attendance is missing")
    verdicts = [RecordedVerdict("fabric_data_store", found, True, "run-1", 1, NOW)]

    (failure,) = told(organization=replace(ACME, status=Status.FAILED), verdicts=verdicts).failures

    assert (failure.title, failure.cause) == ("Check “schema is ready”", "attendance is missing")
    assert failure.selection == ("fabric_data_store",)
    assert told(organization=ACME, verdicts=verdicts).failures == []


def test_a_run_that_ended_without_a_word_is_told_by_the_organizations_reason(told: Any) -> None:
    (failure,) = told(organization=replace(ACME, status=Status.FAILED, status_reason="The run ended.")).failures

    assert (failure.cause, failure.selection) == ("The run ended.", ())


def test_the_estimate_is_of_what_is_left_and_takes_what_the_step_at_work_has_had(told: Any) -> None:
    steps = [step(name, StepState.DONE, began=100, took=90) for name in STEP_NAMES[:9]]
    shown = told(
        *steps, step("reports/a", StepState.DONE, began=10, took=4), step("reports/b", StepState.RUNNING, began=6)
    )

    # three of four reports, less the six seconds since one was done, and the four steps after them
    assert shown.estimate.seconds == 0.75 * 40 - 6 + 4 * 10


def test_who_stands_in_line_for_the_vendors_budgets_is_not_done_before_its_calls_were_let_through(told: Any) -> None:
    alone = told().estimate
    in_line = told(done_in=alone.seconds + 600).estimate

    assert not alone.in_line
    assert in_line.in_line
    assert in_line.seconds == alone.seconds + 600
    assert told(done_in=1.0).estimate == alone


def test_there_is_no_estimate_without_a_past_or_when_nothing_is_under_way(told: Any) -> None:
    assert told(past=[RUN]).estimate is None
    assert told(organization=replace(ACME, status=Status.PENDING_QA)).estimate is None


def test_on_the_way_back_the_steps_are_those_of_the_rollback(told: Any) -> None:
    back = replace(ACME, status=Status.ROLLING_BACK)
    shown = told(
        step("rollback/sign_in", StepState.DONE), step("fabric_workspace", StepState.FAILED, reason="stopped"),
        organization=back,
    )  # fmt: skip

    assert shown.goes_back
    assert shown.steps[0].title == "Sign-in closed"
    assert all(line.name.startswith("rollback/") for line in shown.steps)
    assert shown.failures == []
