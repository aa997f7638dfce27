"""Where an organization is on its way, and the moves it may make. The database enforces the same table (see the migrations);
a test holds the two together."""

from datetime import timedelta
from enum import StrEnum

from tenant_provisioning.model.errors import LifecycleError


class DeploymentStatus(StrEnum):
    """`organizations.deployment_status`."""

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    FAILED = "failed"
    PENDING_QA = "pending_qa"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
MOST_WAITS = 30  # about a day
ROLLBACK_ATTEMPTS = 3  # runs that one wish for a rollback gets before a person has to look

S = DeploymentStatus
MOVES: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    S.REQUESTED: frozenset({S.PROVISIONING}),
    S.PROVISIONING: frozenset({S.PENDING_QA, S.FAILED}),
    S.FAILED: frozenset({S.PROVISIONING, S.ROLLING_BACK}),
    S.PENDING_QA: frozenset({S.ACTIVE, S.ROLLING_BACK}),
    S.ACTIVE: frozenset({S.SUSPENDED, S.ROLLING_BACK}),
    S.SUSPENDED: frozenset({S.ACTIVE}),
    S.ROLLING_BACK: frozenset({S.ROLLED_BACK}),
    S.ROLLED_BACK: frozenset(),
}


def check_move(current: DeploymentStatus, wanted: DeploymentStatus) -> None:
    """Raise LifecycleError, naming the moves that are allowed, unless `current → wanted` is one."""
    if wanted not in MOVES[current]:
        allowed = ", ".join(sorted(MOVES[current])) or "none: this is an end"
        raise LifecycleError(f"an organization that is {current} cannot become {wanted} (allowed from here: {allowed})")


def wait_before_attempt(waits: int) -> timedelta | None:
    """How long to wait before an attempt begins by itself, after so many that have; None when a person has to look first."""
    return None if waits >= MOST_WAITS else min(FIRST_WAIT * 2 ** min(waits, 10), LONGEST_WAIT)
