"""Sending what lies in the outbox, each mail once, and knowing whether a link we mailed may still be open.

What is certain and what is not, and who decides then, is drawn in `store.outbox`. What the mails say is `letters`.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import stamina

from tenant_provisioning.model.errors import DatabaseUnavailable, ProvisioningError, SetupError, VendorUnavailable
from tenant_provisioning.model.naming import host_name
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import letters
from tenant_provisioning.steps.context import Vendors, open_vendors
from tenant_provisioning.store import organizations, outbox
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.outbox import Mail, MailState
from tenant_provisioning.vendors.mail import OutgoingMail, Unanswered, message_id
from tenant_provisioning.vendors.supabase import User

ABANDONED_AFTER = timedelta(minutes=3)  # safe even for a sender that is only slow: it has to ask before it hands over
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
MOST_ATTEMPTS = 100  # about a day of a mail server that is away
NOTING_ATTEMPTS = 6
LINKS_LIVE = timedelta(hours=24)  # the longest life Supabase lets a project give its links


class _ClaimLost(Exception):
    """Another sender has the mail by now."""


async def deliver_due(
    db: Database, vendors: Vendors, settings: Settings, *, organization_id: UUID | None = None, most: int = 20
) -> int:
    """How many mails were sent of those that were due, at most `most`; of one organization, or of all.

    Raises nothing for a mail that could not be sent: its row says why, and when it is tried again.
    """
    await outbox.release_abandoned(db, after=ABANDONED_AFTER)
    sent = 0
    for _ in range(most):
        mail = await outbox.claim_next(db, organization_id)
        if mail is None:
            break
        try:
            sent += await _deliver(db, vendors, settings, mail)
        except VendorUnavailable:
            break  # what is away for one mail is away for all
    return sent


async def deliver_if_due(db: Database, settings: Settings, *, most: int = 10) -> int:
    """The same for all organizations; opens connections only when there is something to send.

    Vendors are asked once: the outbox itself tries again later.
    """
    await outbox.release_abandoned(db, after=ABANDONED_AFTER)
    if not await outbox.is_due(db):
        return 0
    admission = CallBudgets(db, settings.call_budgets)
    async with open_vendors(settings.model_copy(update={"call_attempts": 1}), admission) as vendors:
        return await deliver_due(db, vendors, settings, most=most)


async def _deliver(db: Database, vendors: Vendors, settings: Settings, mail: Mail) -> bool:
    """True when the mail went out. Every end is written down; VendorUnavailable is raised again after that."""

    async def hand_over() -> None:
        if not await outbox.hand_over(db, mail):
            raise _ClaimLost

    own_id = message_id(mail.id, settings.mail_from)
    try:
        text, html = await _written_out(db, vendors, mail)
        outgoing = OutgoingMail(to=mail.recipient, subject=mail.subject, text=text, html=html, message_id=own_id)
        await vendors.mailer.send(outgoing, before_text=hand_over)
    except _ClaimLost:
        return False
    except Unanswered as error:
        await outbox.note_uncertain(db, mail.id, str(error))
        raise
    except (VendorUnavailable, DatabaseUnavailable) as error:
        # what was handed over has been answered, so this one has certainly not gone out
        told = str(error)
        await _noted(lambda: outbox.mark_failed(db, mail.id, told, retry_in=_wait(mail.attempts)))
        raise
    except ProvisioningError as error:
        await outbox.mark_failed(db, mail.id, str(error))
        return False
    await _noted(lambda: outbox.mark_sent(db, mail.id, own_id))
    return True


async def _noted(note: Callable[[], Awaitable[None]]) -> None:
    """What became of a mail is written down, also past a connection that breaks: nobody else will ever know it."""
    async for attempt in stamina.retry_context(on=DatabaseUnavailable, attempts=NOTING_ATTEMPTS, timeout=60):
        with attempt:
            await note()


def _wait(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts; None when it has been tried often enough."""
    return None if attempts >= MOST_ATTEMPTS else min(FIRST_WAIT * 2 ** min(attempts - 1, 10), LONGEST_WAIT)


async def _written_out(db: Database, vendors: Vendors, mail: Mail) -> tuple[str, str]:
    """The mail's text and HTML, with a link made this moment where it has a place for one."""
    if mail.kind != letters.PLATFORM_READY:
        return mail.text, mail.html
    organization = await organizations.get_organization(db, mail.organization_id)
    wanted = set_password_page(host_name(organization.subdomain, organization.domain))
    link = await vendors.supabase.generate_link("recovery", mail.recipient, redirect_to=wanted)
    if link.redirect_to != wanted:
        raise SetupError(
            f"Supabase Auth would lead people to {link.redirect_to} instead of {wanted}: "
            f"add https://*.{organization.domain}/** to the project's redirect URLs, then send this mail again"
        )
    return letters.with_link(mail.text, mail.html, link.action_link)


def set_password_page(host: str) -> str:
    """Where the link of an invitation leads: to the app's page at the organization's own address."""
    return f"https://{host}/set-password"


async def mailed_link_may_be_open(db: Database, organization_id: UUID, user: User) -> bool:
    """Whether this user may hold a link of ours that is not used yet, or is about to be sent one.

    Another link made for the same user would void it. A sign-in since then has used it, or shows that it is not needed.
    """
    mail = await outbox.find_mail(db, organization_id, letters.PLATFORM_READY, user.email)
    if mail is None or mail.state is MailState.FAILED:
        return False
    out_since = mail.sent_at or mail.handed_over_at
    if out_since is None:
        return True
    used = user.last_sign_in_at is not None and user.last_sign_in_at >= out_since
    return not used and datetime.now(UTC) < out_since + LINKS_LIVE
