"""Who is signed in to the portal, and how often somebody has tried to be.

The rows hold hashes of what the cookies hold. Sign-in itself is Supabase's; these rows let a sign-out end a session for good, and
let a limit on attempts hold over every process of the portal.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tenant_provisioning.store.database import Database

LIFETIME = timedelta(hours=10)  # a working day
KEPT_FOR = timedelta(days=1)  # rows older than any limit looks back


@dataclass(frozen=True)
class PortalSession:
    """A super admin who is signed in; `confirmed_at` is when Supabase last said so (UTC)."""

    user_id: UUID
    email: str
    created_at: datetime
    confirmed_at: datetime


async def begin_session(db: Database, user_id: UUID, email: str) -> str:
    """The new session's token, which is kept nowhere but with whoever signed in."""
    token = secrets.token_urlsafe(32)
    async with db.connection() as connection:
        await connection.execute("delete from portal_sessions where expires_at < now()")
        await connection.execute(
            "insert into portal_sessions (token_hash, user_id, email, expires_at) values (%s, %s, %s, now() + %s)",
            (_hashed(token), user_id, email, LIFETIME),
        )
    return token


async def find_session(db: Database, token: str) -> PortalSession | None:
    """The session of this token, or None when it has ended or never was."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select user_id, email, created_at, confirmed_at from portal_sessions
               where token_hash = %s and expires_at > now()""",
            (_hashed(token),),
        )
        row = await rows.fetchone()
    return PortalSession(**row) if row else None


async def confirm_session(db: Database, token: str) -> None:
    """The session's owner is still a super admin, as of now."""
    async with db.statement() as connection:
        await connection.execute(
            "update portal_sessions set confirmed_at = now() where token_hash = %s", (_hashed(token),)
        )


async def end_session(db: Database, token: str) -> None:
    """The token opens nothing any more."""
    async with db.statement() as connection:
        await connection.execute("delete from portal_sessions where token_hash = %s", (_hashed(token),))


async def count_attempt(db: Database, subject: str, *, most: int, within: timedelta) -> timedelta | None:
    """None when this attempt of `subject` may go on, and it is counted; else how long to wait until one may."""
    async with db.connection() as connection:
        # one at a time for a subject, so that many attempts at once do not all see the same count
        await connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (subject,))
        await connection.execute("delete from portal_sign_in_attempts where attempted_at < now() - %s", (KEPT_FOR,))
        rows = await connection.execute(
            """select count(*) as count, min(attempted_at) + %(within)s - now() as wait from (
                 select attempted_at from portal_sign_in_attempts
                 where subject_hash = %(subject)s and attempted_at > now() - %(within)s
                 order by attempted_at desc limit %(most)s) recent""",
            {"subject": _hashed(subject), "within": within, "most": most},
        )
        row = await rows.fetchone()
        if row and row["count"] >= most:
            wait: timedelta = row["wait"]
            return max(timedelta(seconds=1), wait)
        await connection.execute("insert into portal_sign_in_attempts (subject_hash) values (%s)", (_hashed(subject),))
    return None


async def forget_attempts(db: Database, subject: str) -> None:
    """Whoever has signed in begins to count anew."""
    async with db.statement() as connection:
        await connection.execute("delete from portal_sign_in_attempts where subject_hash = %s", (_hashed(subject),))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
