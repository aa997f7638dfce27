"""The wish to roll an organization back: from where it may begin, who is asked to confirm, and what it keeps others from."""

from typing import Any

import psycopg
import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import artifacts, audit, organizations, outbox, requests, rollbacks
from tenant_provisioning.store.database import Database

SUPER_ADMIN = "sam@yourplatform.com"
P, F, Q, A, SUSPENDED = Status.PROVISIONING, Status.FAILED, Status.PENDING_QA, Status.ACTIVE, Status.SUSPENDED
AT_ONCE = {F: [P, F], Q: [P, Q], A: [P, Q, A]}


async def bring(db: Database, organization: Organization, *path: Status) -> None:
    for status in path:
        await organizations.move(db, organization.id, status, actor="test")


async def wish(db: Database, organization: Organization, **known: Any) -> Organization:
    return await rollbacks.request_rollback(db, organization.id, actor=SUPER_ADMIN, **known)


@pytest.mark.parametrize("status", AT_ONCE)
async def test_where_the_lifecycle_allows_it_the_way_back_begins_with_the_wish(
    db: Database, acme: Organization, status: Status
) -> None:
    await bring(db, acme, *AT_ONCE[status])

    now = await wish(db, acme, confirmed=acme.name)

    assert now.status is Status.ROLLING_BACK
    move = (await audit.list_audit(db, acme.id))[-1]
    assert (move.actor, move.from_status, move.to_status) == (SUPER_ADMIN, status, Status.ROLLING_BACK)


@pytest.mark.parametrize("path", [(), (P,)])
async def test_before_that_the_wish_is_on_record_and_waits(
    db: Database, acme: Organization, path: tuple[Status, ...]
) -> None:
    await bring(db, acme, *path)

    now = await wish(db, acme)

    assert now.status is (path[-1] if path else Status.REQUESTED)
    assert now.is_on_its_way_back
    assert (await audit.list_audit(db, acme.id))[-1].action == "rollback_requested"
    assert [work.organization.id for work in await rollbacks.list_rollbacks(db)] == [acme.id]


@pytest.mark.parametrize("path", [(), (P,), (P, F), (P, Q)])
async def test_from_every_status_the_way_back_begins_through_moves_that_the_lifecycle_knows(
    db: Database, acme: Organization, path: tuple[Status, ...]
) -> None:
    await bring(db, acme, *path)
    await wish(db, acme)

    for _ in range(2):
        now = await rollbacks.begin_rollback(db, acme.id)

    assert now.status is Status.ROLLING_BACK
    moves = [entry for entry in await audit.list_audit(db, acme.id) if entry.to_status is Status.ROLLING_BACK]
    assert [entry.actor for entry in moves] == [SUPER_ADMIN]


async def test_what_nobody_wished_to_roll_back_does_not_begin(db: Database, acme: Organization) -> None:
    await bring(db, acme, P, F)

    with pytest.raises(LifecycleError, match="nobody has asked"):
        await rollbacks.begin_rollback(db, acme.id)


@pytest.mark.parametrize("confirmed", [None, "", "acme training", "Acme"])
async def test_an_active_organization_is_not_rolled_back_without_its_exact_name(
    db: Database, acme: Organization, confirmed: str | None
) -> None:
    await bring(db, acme, P, Q, A)

    with pytest.raises(LifecycleError):
        await wish(db, acme, confirmed=confirmed)

    now = await organizations.get_organization(db, acme.id)
    assert (now.status, now.is_on_its_way_back) == (A, False)


async def test_a_wrong_name_is_refused_whatever_the_status(db: Database, acme: Organization) -> None:
    with pytest.raises(LifecycleError, match="is not the name of acme: nothing was done"):
        await wish(db, acme, confirmed="Beta Learning")


async def test_a_suspended_organization_is_resumed_first(db: Database, acme: Organization) -> None:
    await bring(db, acme, P, Q, A, SUSPENDED)

    with pytest.raises(LifecycleError, match=r"resume it first \(`tenant-provisioning resume acme`\)"):
        await wish(db, acme, confirmed=acme.name)


async def test_what_has_been_rolled_back_cannot_be_again(db: Database, acme: Organization) -> None:
    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)
    await rollbacks.forget(db, acme.id, actor="run run-1")

    with pytest.raises(LifecycleError, match="rolled back already"):
        await wish(db, acme)


async def test_a_wish_repeated_changes_nothing_while_attempts_are_left(db: Database, acme: Organization) -> None:
    first = await wish(db, acme)

    second = await wish(db, acme)

    assert second.rollback_requested_at == first.rollback_requested_at
    asked = [entry for entry in await audit.list_audit(db, acme.id) if entry.action == "rollback_requested"]
    assert len(asked) == 1


@pytest.mark.parametrize("path", [(), (P,), (P, F)])
async def test_from_the_wish_on_no_run_makes_anything_not_even_the_one_at_work(
    db: Database, acme: Organization, path: tuple[Status, ...]
) -> None:
    await bring(db, acme, *path)
    if path != (P, F):
        await organizations.claim(db, acme.id, "run-1", actor="run run-1")
    await wish(db, acme)

    with pytest.raises(LifecycleError, match="acme is to be rolled back: nothing is made for it any more"):
        await organizations.claim(db, acme.id, "run-1", actor="run run-1")


async def test_the_onboarding_sensor_is_not_told_of_what_goes_back(db: Database, acme: Organization) -> None:
    assert [work.organization_id for work in await requests.list_work(db)] == [acme.id]

    await wish(db, acme)

    assert await requests.list_work(db) == []


async def test_a_run_for_what_has_been_rolled_back_is_refused_in_words(db: Database, acme: Organization) -> None:
    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)
    await rollbacks.forget(db, acme.id, actor="run run-1")

    with pytest.raises(LifecycleError, match="acme is rolled_back: submit a new onboarding request"):
        await organizations.claim(db, acme.id, "run-2", actor="run run-2")


async def test_a_rollback_s_run_works_only_on_what_is_rolling_back(db: Database, acme: Organization) -> None:
    with pytest.raises(LifecycleError, match="acme is requested, not rolling_back"):
        await organizations.claim(db, acme.id, "run-1", actor="run run-1", for_rollback=True)

    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)
    now = await organizations.claim(db, acme.id, "run-1", actor="run run-1", for_rollback=True)
    assert now.claimed_by_run == "run-1"
    with pytest.raises(LifecycleError, match="another run is at work"):
        await organizations.claim(db, acme.id, "run-2", actor="run run-2", for_rollback=True)


async def test_an_organization_with_something_left_in_the_ledger_is_not_forgotten(
    db: Database, acme: Organization
) -> None:
    row = await artifacts.intend(db, acme.id, ArtifactKind.FABRIC_WORKSPACE)
    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)

    with pytest.raises(LifecycleError, match="fabric_workspace"):
        await rollbacks.forget(db, acme.id, actor="run run-1")

    await artifacts.record_removed(db, row.id)
    await rollbacks.forget(db, acme.id, actor="run run-1")
    assert (await organizations.get_organization(db, acme.id)).status is Status.ROLLED_BACK


async def test_mail_that_went_out_stays_on_record_and_mail_that_did_not_never_goes(
    db: Database, acme: Organization
) -> None:
    for recipient in ("sent@acme.example", "queued@acme.example"):
        await outbox.queue_mail(db, acme.id, kind="k", recipient=recipient, subject="s", text="t", html="h")
        if recipient.startswith("sent"):
            mail = await outbox.claim_next(db)
            assert mail is not None
            await outbox.mark_sent(db, mail.id, "<id@x>")
    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)

    await rollbacks.forget(db, acme.id, actor="run run-1")

    assert {mail.recipient: mail.state for mail in await outbox.list_mail(db, acme.id)} == {
        "sent@acme.example": outbox.MailState.SENT,
        "queued@acme.example": outbox.MailState.FAILED,
    }
    assert await outbox.claim_next(db) is None


async def test_a_failed_attempt_is_noted_once_and_not_after_somebody_has_asked_again(
    db: Database, acme: Organization
) -> None:
    await wish(db, acme)
    await rollbacks.begin_rollback(db, acme.id)
    (work,) = await rollbacks.list_rollbacks(db)

    for _ in range(2):
        await rollbacks.note_failed_attempt(db, work, "GoDaddy is away.", last=True)

    now = await organizations.get_organization(db, acme.id)
    assert (now.status_reason, now.rollback_has_stopped) == ("GoDaddy is away.", True)
    noted = [entry for entry in await audit.list_audit(db, acme.id) if entry.action == "rollback_failed"]
    assert [entry.reason for entry in noted] == ["GoDaddy is away."]

    again = await wish(db, acme)
    await rollbacks.note_failed_attempt(db, work, "too late")
    now = await organizations.get_organization(db, acme.id)
    assert (now.rollback_attempt, now.status_reason) == (again.rollback_attempt, None) == (1, None)


async def test_plain_sql_cannot_take_a_short_cut_back(db: Database, acme: Organization) -> None:
    with pytest.raises(
        psycopg.errors.RaiseException, match="an organization that is requested cannot become rolling_back"
    ):
        async with db.connection() as connection:
            await connection.execute("update organizations set deployment_status = 'rolling_back'")
