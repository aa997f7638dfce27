import pytest

from tenant_provisioning.model.lifecycle import DeploymentStatus as S
from tenant_provisioning.model.next_action import Situation, Turn, next_action


@pytest.mark.parametrize(
    ("situation", "turn", "text"),
    [
        (Situation(S.REQUESTED), Turn.PLATFORM, "Begins within seconds"),
        (Situation(S.PROVISIONING, at_work=True), Turn.PLATFORM, "Being provisioned"),
        (Situation(S.FAILED, steps_failed=1), Turn.PERSON, "Look at the failure and retry"),
        (Situation(S.FAILED, steps_failed=3), Turn.PERSON, "Look at 3 failed steps and retry"),
        (Situation(S.PENDING_QA, at_work=True, checks_failed=1), Turn.PLATFORM, "Checks are running"),
        (Situation(S.PENDING_QA, at_work=True, approved=True), Turn.PLATFORM, "Going live"),
        (Situation(S.PENDING_QA, checks_failed=1, items_open=3), Turn.PERSON, "Look at 1 failed check"),
        (
            Situation(S.PENDING_QA, checks_open=2, items_open=3),
            Turn.PERSON,
            "Run the checks again: 2 without a verdict",
        ),
        (Situation(S.PENDING_QA, items_open=3), Turn.PERSON, "Tick 3 items of the checklist"),
        (Situation(S.PENDING_QA), Turn.PERSON, "Approve and go live"),
        (Situation(S.PENDING_QA, approved=True), Turn.PLATFORM, "Goes live within a minute"),
        (Situation(S.PENDING_QA, approval_lapsed=True), Turn.PERSON, "Approve again: something has changed"),
        (Situation(S.ACTIVE), Turn.NOBODY, "Nothing"),
        (Situation(S.ACTIVE, mails_failed=1), Turn.PERSON, "Send 1 mail again"),
        (Situation(S.ACTIVE, checks_failed=2), Turn.PERSON, "Look at 2 failed checks"),
        (Situation(S.SUSPENDED), Turn.NOBODY, "Suspended until somebody resumes it"),
        (Situation(S.FAILED, steps_failed=1, rollback_wished=True), Turn.PLATFORM, "Being taken away"),
        (Situation(S.ROLLING_BACK, rollback_wished=True), Turn.PLATFORM, "Being taken away"),
        (
            Situation(S.ROLLING_BACK, rollback_wished=True, rollback_stopped=True),
            Turn.PERSON,
            "Look why the rollback stopped, and ask again",
        ),
        (Situation(S.ROLLED_BACK, rollback_wished=True), Turn.NOBODY, "Nothing"),
    ],
)
def test_a_person_is_told_the_one_thing_to_do_next(situation: Situation, turn: Turn, text: str) -> None:
    action = next_action(situation)

    assert (action.turn, action.text) == (turn, text)


@pytest.mark.parametrize("status", S)
def test_every_status_has_an_answer(status: S) -> None:
    assert next_action(Situation(status)).text
