"""Users, the outbox and the results of checks."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from tenant_provisioning.model.errors import NoSuchTenant, OwnershipConflict
from tenant_provisioning.model.naming import user_id
from tenant_provisioning.model.qa import Outcome, Verdict, judged
from tenant_provisioning.model.tenant import Organization, SuperUser
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.outbox import claim_next, list_mail, mark_failed, mark_sent, queue_mail
from tenant_provisioning.store.qa_results import latest_verdicts, record_verdict
from tenant_provisioning.store.requests import next_attempt
from tenant_provisioning.store.users import delete_user, list_users, save_user

ADA = SuperUser("ada@acme.example", "Ada", "Admin")


async def test_a_user_is_saved_once_and_brought_up_to_date(db: Database, acme: Organization) -> None:
    ada = user_id(acme.id, ADA.email)
    await save_user(db, acme.id, ada, ADA)
    await save_user(db, acme.id, ada, SuperUser(ADA.email, "Ada", "Byron"), "member")
    (user,) = await list_users(db, acme.id)
    assert (user.id, user.email, user.first_name, user.last_name, user.role) == (
        ada,
        ADA.email,
        "Ada",
        "Byron",
        "member",
    )


async def test_a_user_of_another_organization_is_not_taken_over(
    db: Database, acme: Organization, other: Organization
) -> None:
    ada = user_id(acme.id, ADA.email)
    await save_user(db, acme.id, ada, ADA)
    with pytest.raises(OwnershipConflict):
        await save_user(db, other.id, ada, ADA)
    await delete_user(db, other.id, ada)
    assert [user.id for user in await list_users(db, acme.id)] == [ada]
    assert await list_users(db, other.id) == []


async def test_removing_a_user_twice_is_quiet(db: Database, acme: Organization) -> None:
    await save_user(db, acme.id, user_id(acme.id, ADA.email), ADA)
    for _ in range(2):
        await delete_user(db, acme.id, user_id(acme.id, ADA.email))
    assert await list_users(db, acme.id) == []


async def queue(db: Database, organization: Organization, recipient: str = ADA.email, kind: str = "welcome") -> bool:
    return await queue_mail(
        db, organization.id, kind=kind, recipient=recipient, subject="Hello", text="t", html="<p>h</p>"
    )


async def test_a_mail_is_queued_once_for_organization_kind_and_recipient(
    db: Database, acme: Organization, other: Organization
) -> None:
    assert await queue(db, acme)
    assert not await queue(db, acme)
    assert await queue(db, acme, kind="ready")
    assert await queue(db, other)
    assert len(await list_mail(db, acme.id)) == 2


async def test_a_mail_is_handed_to_one_sender_and_sent_once(db: Database, acme: Organization) -> None:
    for number in range(5):
        await queue(db, acme, f"p{number}@acme.example")
    claimed = await asyncio.gather(*(claim_next(db) for _ in range(8)))
    mails = [mail for mail in claimed if mail]
    assert sorted(mail.recipient for mail in mails) == [f"p{number}@acme.example" for number in range(5)]
    for mail in mails:
        await mark_sent(db, mail.id, f"<{mail.id}@platform>")
    assert await claim_next(db) is None
    sent = await list_mail(db, acme.id)
    assert {(mail.state, mail.attempts, mail.message_id == f"<{mail.id}@platform>") for mail in sent} == {
        ("sent", 1, True)
    }


async def test_a_mail_that_another_sender_is_about_to_claim_is_passed_over(db: Database, acme: Organization) -> None:
    for recipient in ("first@acme.example", "second@acme.example"):
        await queue(db, acme, recipient)
    async with db.connection() as rival:
        await rival.execute("update email_outbox set state = 'sending' where recipient = 'first@acme.example'")
        async with asyncio.timeout(5):
            mail = await claim_next(db)
    assert mail
    assert mail.recipient == "second@acme.example"
    assert await claim_next(db) is None


async def test_mail_is_claimed_for_one_organization_where_one_is_named(
    db: Database, acme: Organization, other: Organization
) -> None:
    await queue(db, other)
    assert await claim_next(db, acme.id) is None
    assert await claim_next(db, other.id)


async def test_a_mail_that_was_not_accepted_is_due_again_when_told_and_else_failed(
    db: Database, acme: Organization
) -> None:
    await queue(db, acme)
    first = await claim_next(db)
    assert first
    await mark_failed(db, first.id, "busy", retry_in=timedelta(0))
    second = await claim_next(db)
    assert second
    assert (second.id, second.attempts, second.last_error) == (first.id, 2, "busy")
    await mark_failed(db, first.id, "busy", retry_in=timedelta(hours=1))
    assert await claim_next(db) is None
    async with db.connection() as connection:
        await connection.execute("update email_outbox set not_before = now()")
    assert await claim_next(db)
    await mark_failed(db, first.id, "unknown recipient")
    (mail,) = await list_mail(db, acme.id)
    assert (mail.state, mail.last_error, mail.sent_at) == ("failed", "unknown recipient", None)


async def test_a_mail_whose_sender_died_is_not_sent_a_second_time(db: Database, acme: Organization) -> None:
    await queue(db, acme)
    await claim_next(db)
    assert await claim_next(db) is None
    assert [mail.state for mail in await list_mail(db, acme.id)] == ["sending"]


async def test_the_newest_verdict_of_each_check_counts(db: Database, acme: Organization) -> None:
    failed = judged("resolves", expected="a", found="b", reason="not there yet")
    passed = judged("resolves", expected="a", found="a", reason="")
    unknown = Verdict("answers", Outcome.NOT_CARRIED_OUT, "", "", "the vendor did not answer")
    for verdict in (failed, unknown):
        await record_verdict(db, acme.id, run_id="run 1", step="dns_record", verdict=verdict, blocking=True)
    await next_attempt(db, acme.id, actor="sam", reason="")
    await record_verdict(db, acme.id, run_id="run 2", step="dns_record", verdict=passed, blocking=False)
    latest = await latest_verdicts(db, acme.id)
    assert [(each.verdict, each.run_id, each.attempt, each.blocking) for each in latest] == [
        (unknown, "run 1", 1, True),
        (passed, "run 2", 2, False),
    ]


async def test_a_verdict_on_an_organization_without_a_request_is_refused(db: Database) -> None:
    with pytest.raises(NoSuchTenant, match="has no onboarding request"):
        await record_verdict(
            db, uuid4(), run_id="r", step="s", verdict=judged("c", expected=1, found=1, reason=""), blocking=True
        )
