"""Where an organization may go from where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import MOVES, DeploymentStatus, check_move

STATUSES = st.sampled_from(DeploymentStatus)
SPECIFIED = {
    ("requested", "provisioning"),
    ("provisioning", "pending_qa"),
    ("provisioning", "failed"),
    ("failed", "provisioning"),
    ("pending_qa", "active"),
    ("active", "suspended"),
    ("suspended", "active"),
    ("failed", "rolling_back"),
    ("pending_qa", "rolling_back"),
    ("active", "rolling_back"),
    ("rolling_back", "rolled_back"),
}


def test_the_moves_are_those_of_the_specification() -> None:
    assert {(current.value, wanted.value) for current in MOVES for wanted in MOVES[current]} == SPECIFIED
    assert set(MOVES) == set(DeploymentStatus)


@given(STATUSES, STATUSES)
def test_a_move_is_refused_exactly_when_it_is_not_in_the_table(
    current: DeploymentStatus, wanted: DeploymentStatus
) -> None:
    if wanted in MOVES[current]:
        check_move(current, wanted)
        return
    with pytest.raises(LifecycleError) as refused:
        check_move(current, wanted)
    said = str(refused.value)
    assert f"an organization that is {current} cannot become {wanted}" in said
    assert all(allowed in said for allowed in MOVES[current])


@given(STATUSES)
def test_no_status_is_a_move_to_itself(status: DeploymentStatus) -> None:
    assert status not in MOVES[status]


def test_only_a_rolled_back_organization_can_go_nowhere() -> None:
    assert [status for status in MOVES if not MOVES[status]] == [DeploymentStatus.ROLLED_BACK]
    with pytest.raises(LifecycleError, match="none: this is an end"):
        check_move(DeploymentStatus.ROLLED_BACK, DeploymentStatus.PROVISIONING)


def test_nobody_becomes_active_without_quality_assurance() -> None:
    to_active = {status for status in MOVES if DeploymentStatus.ACTIVE in MOVES[status]}

    assert to_active == {DeploymentStatus.PENDING_QA, DeploymentStatus.SUSPENDED}
    assert {status for status in MOVES if DeploymentStatus.SUSPENDED in MOVES[status]} == {DeploymentStatus.ACTIVE}
