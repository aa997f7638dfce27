"""The rows between QA and customers: approvals, ticked items, wishes for checks, and mail that only one sender may hand over."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import approvals, audit, check_requests, checklist, organizations, outbox
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.outbox import Mail, MailState
from tenant_provisioning.store.qa_results import record_verdict

ADA = "ada@acme.example"


async def move(db: Database, organization: Organization, *path: Status) -> None:
    for status in path:
        await organizations.move(db, organization.id, status, actor="test")


async def approve(db: Database, organization: Organization, by: str = "quinn") -> approvals.Approval:
    return await approvals.record_approval(
        db, organization.id, approved_by=by, note="", evidence_hash="h", evidence={"verdicts": {}}
    )


async def actions(db: Database, organization: Organization) -> list[str]:
    return [each.action for each in await audit.list_audit(db, organization.id)]


async def test_only_what_is_in_qa_is_approved_and_no_run_may_be_at_work(db: Database, acme: Organization) -> None:
    with pytest.raises(LifecycleError):
        await approve(db, acme)
    await move(db, acme, Status.PROVISIONING, Status.PENDING_QA)
    await organizations.claim(db, acme.id, "run-1", actor="test")
    with pytest.raises(LifecycleError):
        await approve(db, acme)
    await organizations.release(db, acme.id, "run-1")

    assert (await approve(db, acme)).lapsed_at is None
    assert [each.id for each in await approvals.list_approved(db)] == [acme.id]


async def test_one_approval_stands_at_a_time_and_the_newest_is_the_one_that_is_found(
    db: Database, acme: Organization
) -> None:
    await move(db, acme, Status.PROVISIONING, Status.PENDING_QA)
    await approve(db, acme)
    second = await approve(db, acme, "riley")

    found = await approvals.find_approval(db, acme.id)
    assert found == second
    async with db.connection() as connection:
        rows = await connection.execute("select approved_by, lapse_reason from approvals order by approved_at")
        assert [tuple(row.values()) async for row in rows] == [("quinn", "approved anew"), ("riley", None)]


async def test_an_approval_lapses_once(db: Database, acme: Organization) -> None:
    await move(db, acme, Status.PROVISIONING, Status.PENDING_QA)
    given = await approve(db, acme)

    for reason in ("first", "second"):
        await approvals.lapse(db, given, reason, noticed_by="sensor")

    found = await approvals.find_approval(db, acme.id)
    assert found is not None
    assert found.lapse_reason == "first"
    assert (await actions(db, acme)).count("approval_lapsed") == 1
    assert await approvals.list_approved(db) == []


async def test_ticking_names_who_and_is_audited_and_can_be_taken_back(db: Database, acme: Organization) -> None:
    await checklist.tick(db, acme.id, "reports_load", done_by="quinn")
    await checklist.tick(db, acme.id, "reports_load", done_by="riley", note="all 42")
    item = (await checklist.list_ticked(db, acme.id))["reports_load"]
    for _ in range(2):
        await checklist.untick(db, acme.id, "reports_load", undone_by="quinn")

    assert (item.done_by, item.note) == ("riley", "all 42")
    assert await checklist.list_ticked(db, acme.id) == {}
    assert (await actions(db, acme))[-3:] == ["checklist_ticked", "checklist_ticked", "checklist_unticked"]


async def test_a_wish_for_checks_stays_until_it_is_heard_and_a_newer_one_stays_longer(
    db: Database, acme: Organization
) -> None:
    await check_requests.request_checks(db, acme.id, actor="quinn")
    assert await check_requests.list_check_requests(db, repeat_after=0) == []  # nothing to check yet
    await move(db, acme, Status.PROVISIONING, Status.PENDING_QA)
    (first,) = await check_requests.list_check_requests(db, repeat_after=0)
    await check_requests.request_checks(db, acme.id, actor="quinn")
    (second,) = await check_requests.list_check_requests(db, repeat_after=0)

    await check_requests.forget_check_request(db, first)
    left = await check_requests.list_check_requests(db, repeat_after=0)
    await check_requests.forget_check_request(db, second)

    assert first.key != second.key
    assert left == [second]
    assert await check_requests.list_check_requests(db, repeat_after=0) == []
    assert (await actions(db, acme)).count("checks_requested") == 2


async def say(db: Database, organization: Organization, outcome: Outcome) -> None:
    verdict = Verdict("schema_is_ready", outcome, "e", "f", "r")
    await record_verdict(db, organization.id, run_id="r", step="fabric_data_store", verdict=verdict, blocking=True)


async def test_checks_that_could_not_be_carried_out_are_asked_for_again_after_a_while_until_they_are(
    db: Database, acme: Organization
) -> None:
    await move(db, acme, Status.PROVISIONING, Status.PENDING_QA)
    await say(db, acme, Outcome.NOT_CARRIED_OUT)
    (first,) = await check_requests.list_check_requests(db, repeat_after=-1)
    assert await check_requests.list_check_requests(db, repeat_after=60) == []
    await say(db, acme, Outcome.NOT_CARRIED_OUT)
    (second,) = await check_requests.list_check_requests(db, repeat_after=-1)

    await say(db, acme, Outcome.FAILED)

    assert first.key != second.key
    assert await check_requests.list_check_requests(db, repeat_after=-1) == []


async def queue(db: Database, organization: Organization, kind: str = "being_prepared") -> None:
    await outbox.queue_mail(db, organization.id, kind=kind, recipient=ADA, subject="Hello", text="t", html="<p>h</p>")


async def claim(db: Database) -> Mail:
    mail = await outbox.claim_next(db)
    assert mail is not None
    return mail


async def abandon(db: Database, mail: Mail) -> int:
    """The sender has been gone for an hour."""
    async with db.connection() as connection:
        await connection.execute(
            "update email_outbox set claimed_at = now() - interval '1 hour' where id = %s", (mail.id,)
        )
    return await outbox.release_abandoned(db, after=timedelta(minutes=1))


async def state(db: Database, organization: Organization) -> str:
    (mail,) = await outbox.list_mail(db, organization.id)
    return mail.told_state


async def test_a_mail_whose_sender_died_before_handing_it_over_is_due_again(db: Database, acme: Organization) -> None:
    await queue(db, acme)
    mail = await claim(db)
    assert await outbox.release_abandoned(db, after=timedelta(minutes=1)) == 0  # it may be at it

    assert await abandon(db, mail) == 1
    assert (await claim(db)).attempts == 2


async def test_a_sender_that_was_only_slow_may_no_longer_hand_the_mail_over(db: Database, acme: Organization) -> None:
    await queue(db, acme)
    slow = await claim(db)
    await abandon(db, slow)
    quick = await claim(db)

    assert not await outbox.hand_over(db, slow)
    assert await outbox.hand_over(db, quick)
    assert not await outbox.hand_over(db, quick)  # nor twice


async def test_a_mail_that_was_handed_over_is_nobodys_to_send_until_a_person_decides(
    db: Database, acme: Organization, other: Organization
) -> None:
    await queue(db, acme)
    mail = await claim(db)
    await outbox.hand_over(db, mail)
    await outbox.note_uncertain(db, mail.id, "no answer in time")

    assert await abandon(db, mail) == 0
    assert await outbox.claim_next(db) is None
    assert await state(db, acme) == "uncertain"
    assert not await outbox.requeue(db, other.id, mail.id, actor="quinn")
    assert await outbox.requeue(db, acme.id, mail.id, actor="quinn")
    again = await claim(db)
    assert (again.id, again.handed_over_at) == (mail.id, None)
    (entry,) = [each for each in await audit.list_audit(db, acme.id) if each.action == "mail_requeued"]
    assert (entry.actor, entry.details) == ("quinn", {"mail": str(mail.id)})


async def test_what_was_sent_or_waits_is_not_put_into_the_queue_again(db: Database, acme: Organization) -> None:
    await queue(db, acme)
    (mail,) = await outbox.list_mail(db, acme.id)
    assert not await outbox.requeue(db, acme.id, mail.id, actor="quinn")
    mail = await claim(db)
    await outbox.hand_over(db, mail)
    await outbox.mark_sent(db, mail.id, "<id@platform>")

    assert not await outbox.requeue(db, acme.id, mail.id, actor="quinn")
    assert await state(db, acme) == MailState.SENT


async def test_a_mail_that_was_refused_is_queued_again_for_later(db: Database, acme: Organization) -> None:
    await queue(db, acme)
    mail = await claim(db)
    await outbox.hand_over(db, mail)

    await outbox.mark_failed(db, mail.id, "busy", retry_in=timedelta(minutes=5))

    assert await state(db, acme) == MailState.QUEUED
    assert not await outbox.is_due(db)


@pytest.mark.parametrize(
    ("path", "due"),
    [
        ((Status.PROVISIONING, Status.PENDING_QA), False),
        ((Status.PROVISIONING, Status.PENDING_QA, Status.ACTIVE), True),
        ((Status.PROVISIONING, Status.PENDING_QA, Status.ACTIVE, Status.SUSPENDED), False),
        ((Status.PROVISIONING, Status.PENDING_QA, Status.ROLLING_BACK), False),
    ],
)
async def test_an_invitation_is_due_only_while_the_organization_is_live(
    db: Database, acme: Organization, path: tuple[Status, ...], due: bool
) -> None:
    await queue(db, acme, "platform_ready")
    await move(db, acme, *path)

    assert await outbox.is_due(db) is due
    assert (await outbox.claim_next(db) is not None) is due


async def test_a_move_from_anywhere_that_the_lifecycle_does_not_know_is_refused_with_the_reason(
    database_url: str, db: Database, acme: Organization
) -> None:
    await move(db, acme, Status.PROVISIONING)
    by_hand: Any
    with (
        psycopg.connect(database_url) as by_hand,
        pytest.raises(psycopg.errors.RaiseException, match="that is provisioning cannot become active"),
    ):
        by_hand.execute("update organizations set deployment_status = 'active' where id = %s", (acme.id,))
    with pytest.raises(LifecycleError, match="that is provisioning cannot become active"):
        await organizations.move(db, acme.id, Status.ACTIVE, actor="quinn")
