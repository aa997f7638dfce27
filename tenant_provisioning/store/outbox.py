"""Mail to be sent: queued beside the rows it speaks of, sent later, once. The mail server is `vendors.mail`'s.

    queued ── claim ──► sending ── hand over ──► sending, handed over ── the server's answer ──► sent | failed
      ▲                    │                              │
      └── the sender died ─┘                              └── no answer: uncertain, until a person decides

No protocol can tell whether a mail whose answer was lost has arrived. Until a sender hands the text over it has certainly
sent nothing, so its mail is given to another; from then on a mail goes out at most once by itself. One that is uncertain
stays so, visibly: a person who knows that it did not arrive has it sent again (`requeue`). `kind` and recipient are unique
in an organization, so whatever is repeated, nobody is queued a second mail.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import sql

from tenant_provisioning.store.database import Database, acting

# a mail of one organization or of any
DUE = sql.SQL("""
    from email_outbox mail join organizations organization on organization.id = mail.organization_id
    where state = 'queued' and not_before <= now() and (%(of)s::uuid is null or organization_id = %(of)s)
      and deployment_status not in ('rolling_back', 'rolled_back')
      and (kind <> 'platform_ready' or deployment_status = 'active')""")
CLAIM = sql.SQL("""
    update email_outbox set state = 'sending', attempts = attempts + 1, claimed_at = now(), handed_over_at = null
    where id = (select mail.id {due} order by not_before, mail.created_at limit 1 for update of mail skip locked)
    returning *""").format(due=DUE)


class MailState(StrEnum):
    """`email_outbox.state`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class Mail:
    """A row of the outbox. `attempts` counts the claims; `id` makes the Message-ID that every attempt shares.

    The texts of some kinds have a place for a single-use link. The link itself is never kept: it is made while sending.
    """

    id: UUID
    organization_id: UUID
    kind: str
    recipient: str
    subject: str
    text: str
    html: str
    state: MailState
    attempts: int
    message_id: str | None
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None
    claimed_at: datetime | None = None
    handed_over_at: datetime | None = None

    @property
    def is_uncertain(self) -> bool:
        """True while the mail server has been given the mail and nobody knows what it answered."""
        return self.state is MailState.SENDING and self.handed_over_at is not None

    @property
    def told_state(self) -> str:
        """The state as people are told it."""
        return "uncertain" if self.is_uncertain else self.state.value


async def queue_mail(
    db: Database, organization_id: UUID, *, kind: str, recipient: str, subject: str, text: str, html: str
) -> bool:
    """True when the mail was queued, False when this organization already has one of this kind for this recipient."""
    async with db.statement() as connection:
        queued = await connection.execute(
            """insert into email_outbox (organization_id, kind, recipient, subject, body_text, body_html)
               values (%s, %s, %s, %s, %s, %s) on conflict on constraint email_outbox_once do nothing""",
            (organization_id, kind, recipient, subject, text, html),
        )
        return queued.rowcount == 1


async def claim_next(db: Database, organization_id: UUID | None = None) -> Mail | None:
    """The next mail that is due, of one organization or of any, for the caller alone to send; None without one.

    What an organization that is being rolled back would have been told is not due, nor a credential before it is live.
    """
    async with db.statement() as connection:
        rows = await connection.execute(CLAIM, {"of": organization_id})
        row = await rows.fetchone()
    return _mail(row) if row else None


async def is_due(db: Database) -> bool:
    """Whether any mail waits to be sent now."""
    async with db.statement() as connection:
        rows = await connection.execute(sql.SQL("select exists (select {}) as due").format(DUE), {"of": None})
        row = await rows.fetchone()
    return row is not None and bool(row["due"])


async def hand_over(db: Database, mail: Mail) -> bool:
    """True when this claim still holds and the text may be given to the mail server now; False when another has it.

    From here on, nobody else sends the mail by himself.
    """
    async with db.statement() as connection:
        ours = await connection.execute(
            """update email_outbox set handed_over_at = now()
               where id = %s and state = 'sending' and attempts = %s and handed_over_at is null""",
            (mail.id, mail.attempts),
        )
        return ours.rowcount == 1


async def release_abandoned(db: Database, *, after: timedelta) -> int:
    """How many mails are due again because their sender, claiming them so long ago, has not handed them over."""
    async with db.statement() as connection:
        released = await connection.execute(
            """update email_outbox set state = 'queued', last_error = 'the sender ended before it sent anything'
               where state = 'sending' and handed_over_at is null and coalesce(claimed_at, created_at) < now() - %s""",
            (after,),
        )
        return released.rowcount


async def note_uncertain(db: Database, mail_id: UUID, error: str) -> None:
    """The mail server has been given the mail and has not answered: it stays as it is until a person decides."""
    async with db.statement() as connection:
        await connection.execute(
            "update email_outbox set last_error = %s where id = %s and state = 'sending'", (error, mail_id)
        )


async def requeue(db: Database, organization_id: UUID, mail_id: UUID, *, actor: str, reason: str = "") -> bool:
    """True when the mail, failed or uncertain, is due again under its Message-ID; audited, without its recipient."""
    async with acting(db, actor) as connection:
        queued = await connection.execute(
            """update email_outbox set state = 'queued', not_before = now(), handed_over_at = null
               where id = %s and organization_id = %s
                 and (state = 'failed' or (state = 'sending' and handed_over_at is not null))""",
            (mail_id, organization_id),
        )
        if queued.rowcount:
            await connection.execute(
                """insert into audit_log (organization_id, actor, action, reason, details)
                   values (%s, %s, 'mail_requeued', %s, jsonb_build_object('mail', %s::text))""",
                (organization_id, actor, reason, mail_id),
            )
        return queued.rowcount == 1


async def mark_sent(db: Database, mail_id: UUID, message_id: str) -> None:
    """The mail server has accepted the mail under this Message-ID."""
    async with db.statement() as connection:
        await connection.execute(
            """update email_outbox set state = 'sent', message_id = %s, sent_at = now(), last_error = null
               where id = %s and state = 'sending'""",
            (message_id, mail_id),
        )


async def mark_failed(db: Database, mail_id: UUID, error: str, *, retry_in: timedelta | None = None) -> None:
    """The mail was certainly not accepted: it is due again after `retry_in`, or has failed for good without."""
    async with db.statement() as connection:
        await connection.execute(
            """update email_outbox set last_error = %(error)s,
                 state = case when %(wait)s::interval is null then 'failed' else 'queued' end,
                 not_before = coalesce(now() + %(wait)s::interval, not_before),
                 handed_over_at = null
               where id = %(id)s and state = 'sending'""",
            {"error": error, "wait": retry_in, "id": mail_id},
        )


async def find_mail(db: Database, organization_id: UUID, kind: str, recipient: str) -> Mail | None:
    """The organization's mail of this kind for this recipient, or None."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select * from email_outbox where organization_id = %s and kind = %s and recipient = %s",
            (organization_id, kind, recipient),
        )
        row = await rows.fetchone()
    return _mail(row) if row else None


async def list_mail(db: Database, organization_id: UUID) -> list[Mail]:
    """The organization's mail in every state, oldest first."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select * from email_outbox where organization_id = %s order by created_at, recipient, kind",
            (organization_id,),
        )
        return [_mail(row) async for row in rows]


def _mail(row: dict[str, Any]) -> Mail:
    return Mail(
        id=row["id"],
        organization_id=row["organization_id"],
        kind=row["kind"],
        recipient=row["recipient"],
        subject=row["subject"],
        text=row["body_text"],
        html=row["body_html"],
        state=MailState(row["state"]),
        attempts=row["attempts"],
        message_id=row["message_id"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        claimed_at=row["claimed_at"],
        handed_over_at=row["handed_over_at"],
    )
