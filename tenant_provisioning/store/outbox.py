"""Mail to be sent: queued beside the rows it speaks of, sent later, once. The mail server is `vendors.mail`'s.

A mail that is claimed and neither sent nor failed stays `sending`: the sender died in between, and nobody knows whether
the mail went out. It is not sent again by itself: a second welcome is worse than a question to a person.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from tenant_provisioning.store.database import Database


class MailState(StrEnum):
    """`email_outbox.state`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class Mail:
    """A row of the outbox. `attempts` counts the claims; `id` can make a Message-ID that every attempt shares."""

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


async def queue_mail(
    db: Database, organization_id: UUID, *, kind: str, recipient: str, subject: str, text: str, html: str
) -> bool:
    """True when the mail was queued, False when this organization already has one of this kind for this recipient."""
    async with db.connection() as connection:
        queued = await connection.execute(
            """insert into email_outbox (organization_id, kind, recipient, subject, body_text, body_html)
               values (%s, %s, %s, %s, %s, %s) on conflict on constraint email_outbox_once do nothing""",
            (organization_id, kind, recipient, subject, text, html),
        )
        return queued.rowcount == 1


async def claim_next(db: Database, organization_id: UUID | None = None) -> Mail | None:
    """The next mail that is due, of one organization or of any, for the caller alone to send; None without one."""
    async with db.connection() as connection:
        rows = await connection.execute(
            """update email_outbox set state = 'sending', attempts = attempts + 1
               where id = (
                 select id from email_outbox
                 where state = 'queued' and not_before <= now() and (%(of)s::uuid is null or organization_id = %(of)s)
                 order by not_before, created_at limit 1 for update skip locked
               ) returning *""",
            {"of": organization_id},
        )
        row = await rows.fetchone()
    return _mail(row) if row else None


async def mark_sent(db: Database, mail_id: UUID, message_id: str) -> None:
    """The mail server has accepted the mail under this Message-ID."""
    async with db.connection() as connection:
        await connection.execute(
            """update email_outbox set state = 'sent', message_id = %s, sent_at = now(), last_error = null
               where id = %s and state = 'sending'""",
            (message_id, mail_id),
        )


async def mark_failed(db: Database, mail_id: UUID, error: str, *, retry_in: timedelta | None = None) -> None:
    """The mail was certainly not accepted: it is due again after `retry_in`, or has failed for good without."""
    async with db.connection() as connection:
        await connection.execute(
            """update email_outbox set last_error = %(error)s,
                 state = case when %(wait)s::interval is null then 'failed' else 'queued' end,
                 not_before = coalesce(now() + %(wait)s::interval, not_before)
               where id = %(id)s and state = 'sending'""",
            {"error": error, "wait": retry_in, "id": mail_id},
        )


async def list_mail(db: Database, organization_id: UUID) -> list[Mail]:
    """The organization's mail in every state, oldest first."""
    async with db.connection() as connection:
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
    )
