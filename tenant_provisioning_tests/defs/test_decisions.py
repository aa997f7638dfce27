"""The sensors' decisions, with plain values."""

import pytest

from tenant_provisioning.defs.decisions import Decision, RunState, Situation, decide
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status


def test_a_request_without_a_run_is_launched() -> None:
    assert decide(Situation(Status.REQUESTED, holder=None, attempt=None)) is Decision.LAUNCH


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.PROVISIONING, Status.FAILED])
@pytest.mark.parametrize("holder", [None, RunState.ALIVE])
def test_while_a_run_lives_nothing_is_launched_beside_it(status: Status, holder: RunState | None) -> None:
    assert decide(Situation(status, holder=holder, attempt=RunState.ALIVE)) is Decision.LEAVE


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.GONE])
def test_a_run_that_died_while_provisioning_leaves_a_failed_organization(state: RunState) -> None:
    assert decide(Situation(Status.PROVISIONING, holder=state, attempt=RunState.SUCCEEDED)) is Decision.FAIL


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.GONE])
def test_a_run_that_died_before_its_first_step_does_not_leave_the_request_waiting_for_ever(state: RunState) -> None:
    assert decide(Situation(Status.REQUESTED, holder=None, attempt=state)) is Decision.FAIL


@pytest.mark.parametrize("attempt", [RunState.FAILED, RunState.CANCELED])
def test_what_has_failed_waits_for_a_person(attempt: RunState) -> None:
    assert decide(Situation(Status.FAILED, holder=None, attempt=attempt)) is Decision.LEAVE


def test_a_persons_retry_is_a_new_attempt_and_is_launched() -> None:
    assert decide(Situation(Status.FAILED, holder=None, attempt=None)) is Decision.LAUNCH


def test_a_run_of_a_few_assets_that_a_person_started_is_followed_by_one_of_the_rest() -> None:
    by_hand = Situation(Status.PROVISIONING, holder=RunState.SUCCEEDED, attempt=RunState.FAILED)

    assert decide(by_hand) is Decision.CONTINUE


def test_a_run_started_by_hand_that_lives_keeps_the_sensor_away_though_the_attempts_own_run_is_dead() -> None:
    assert decide(Situation(Status.PROVISIONING, holder=RunState.ALIVE, attempt=RunState.FAILED)) is Decision.LEAVE


def test_a_retry_is_launched_even_when_a_dead_run_still_holds_the_organization() -> None:
    assert decide(Situation(Status.PROVISIONING, holder=RunState.FAILED, attempt=None)) is Decision.LAUNCH
