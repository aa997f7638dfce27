"""Two who want different things of one organization in the same moment: one wins, the other is told so, and the rows are whole.

Runs that claim at once, forms that want one subdomain or email, and two supervisors on one directory are tested elsewhere.
"""

import asyncio

import pytest

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import approvals, organizations, requests, rollbacks
from tenant_provisioning.store.approvals import Approval
from tenant_provisioning.store.audit import list_audit
from tenant_provisioning.store.database import Database

SUPER_ADMIN = "sam@yourplatform.com"


@pytest.fixture
async def in_qa(db: Database, acme: Organization) -> Organization:
    """Acme, waiting for a person."""
    await organizations.claim(db, acme.id, "run-1", actor="run run-1")
    await organizations.release(db, acme.id, "run-1")
    return await organizations.move(db, acme.id, Status.PENDING_QA, actor="run run-1")


async def test_whatever_comes_first_nothing_is_made_after_a_wish_for_a_rollback(
    db: Database, acme: Organization
) -> None:
    wish, claim = await asyncio.gather(
        rollbacks.request_rollback(db, acme.id, actor=SUPER_ADMIN),
        organizations.claim(db, acme.id, "run-1", actor="run run-1"),
        return_exceptions=True,
    )

    assert isinstance(wish, Organization)
    assert isinstance(claim, Organization | LifecycleError)
    with pytest.raises(LifecycleError, match="to be rolled back"):  # also the next step of the run that was faster
        await organizations.claim(db, acme.id, "run-1", actor="run run-1")


@pytest.mark.parametrize("_again", range(3))
async def test_an_approval_and_a_run_that_makes_a_report_again_never_both_win_unseen(
    db: Database, in_qa: Organization, _again: int
) -> None:
    approved, claimed = await asyncio.gather(
        approvals.record_approval(
            db, in_qa.id, approved_by=SUPER_ADMIN, note="", evidence_hash="0" * 64, evidence={"work": {}}
        ),
        organizations.claim(db, in_qa.id, "run-2", actor="run run-2"),
        return_exceptions=True,
    )

    assert isinstance(claimed, Organization)
    if isinstance(approved, LifecycleError):
        assert "begun to change" in str(approved)
        assert await approvals.find_approval(db, in_qa.id) is None
    else:  # it came first; what the run then makes is other evidence than it names
        assert isinstance(approved, Approval)
        actions = [entry.action for entry in await list_audit(db, in_qa.id)]
        assert actions.index("approved") < len(actions) - 1 - actions[::-1].index("claimed")


async def test_two_approvals_at_once_leave_one_that_stands(db: Database, in_qa: Organization) -> None:
    given = await asyncio.gather(
        *(
            approvals.record_approval(db, in_qa.id, approved_by=who, note="", evidence_hash="0" * 64, evidence={})
            for who in (SUPER_ADMIN, "pat@yourplatform.com")
        )
    )

    standing = await approvals.find_approval(db, in_qa.id)
    assert standing is not None
    assert standing.id in {one.id for one in given}
    async with db.connection() as connection:
        rows = await connection.execute("select count(*) as standing from approvals where lapsed_at is null")
        assert await rows.fetchone() == {"standing": 1}


async def test_a_retry_and_the_time_for_one_that_come_together_begin_one_attempt(
    db: Database, acme: Organization
) -> None:
    await organizations.claim(db, acme.id, "run-1", actor="run run-1")
    await organizations.move(db, acme.id, Status.FAILED, actor="sensor", reason="GoDaddy is away")
    async with db.connection() as connection:
        await connection.execute("update organizations set next_attempt_at = now() - interval '1 second'")

    begun = await asyncio.gather(
        *(requests.begin_due_attempt(db, acme.id, actor="onboarding_sensor", reason="its time") for _ in range(3))
    )

    assert sorted(begun, key=str) == [2, None, None]


async def test_steps_of_one_run_that_begin_at_once_are_one_claim_and_audited_once(
    db: Database, in_qa: Organization
) -> None:
    await asyncio.gather(
        *(organizations.claim(db, in_qa.id, "run-2", actor="run run-2", audited_as="rematerialize") for _ in range(4))
    )

    actions = [entry.action for entry in await list_audit(db, in_qa.id) if entry.actor == "run run-2"]
    assert actions == ["claimed", "rematerialize"]
