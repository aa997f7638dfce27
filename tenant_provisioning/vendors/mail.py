"""Outgoing mail over SMTP. One call sends one message once.

What a mail says, whom it goes to and when it is tried again is not decided here: see `store.outbox` and the steps.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from uuid import UUID

import aiosmtplib

from tenant_provisioning.model.errors import SetupError, VendorError, VendorRejected, VendorUnavailable

VENDOR = "mail server"
OPERATION = "send mail"
ADDRESS = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;:()]+")  # servers like to repeat the recipient in their answer


@dataclass(frozen=True)
class OutgoingMail:
    """One message to one recipient; `message_id` as `message_id()` makes it."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str


def message_id(mail_id: UUID, sender: str) -> str:
    """The Message-ID of a mail: the same for every attempt, so a receiver can tell a repetition from a second mail."""
    return f"<{mail_id}@{_parsed(sender).domain}>"


class Mailer:
    """Sends through one SMTP server, always as `sender` ("Name <address>"); no username means no login.

    `timeout` is in seconds for a whole delivery. With `starttls` the connection must be upgraded before anything is
    said: there is no falling back to plain text. `implicit_tls` is for port 465, where TLS comes first.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        username: str = "",
        password: str = "",
        starttls: bool = True,
        implicit_tls: bool = False,
        tls: ssl.SSLContext | None = None,
        timeout: float = 30,
    ) -> None:
        if username and not (starttls or implicit_tls):
            raise SetupError("mail: SMTP_USERNAME needs SMTP_STARTTLS: without it the password travels in plain text.")
        self._sender = _parsed(sender)
        self._timeout = timeout
        self._starttls, self._login = starttls and not implicit_tls, (username, password)
        self._server = partial(
            aiosmtplib.SMTP,
            hostname=host,
            port=port,
            use_tls=implicit_tls,
            start_tls=False,
            tls_context=tls,
            timeout=timeout,
        )

    async def send(self, mail: OutgoingMail) -> None:
        """Hands the message to the server; returns when the server has taken it.

        Raises VendorUnavailable for 4xx, a lost connection or a timeout: the server may have taken the message even so,
        and the next attempt carries the same Message-ID. Raises VendorRejected for 5xx.
        """
        message = _message(self._sender, mail)
        try:
            async with asyncio.timeout(self._timeout), self._session() as server:
                await server.send_message(message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            # not chained: the library's errors hold the recipient's address, and a chain ends up in the run's events
            raise _error(failure) from None

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that is encrypted and logged in as far as the settings ask for it."""
        server = self._server()
        await server.connect()
        transport = server.transport
        try:
            if self._starttls:
                await server.starttls()
            if self._login[0]:
                await server.login(*self._login)
            yield server
            with suppress(aiosmtplib.SMTPException, OSError):
                await server.quit()
        finally:
            server.close()
            if isinstance(transport, asyncio.WriteTransport):
                # a polite TLS farewell takes longer than the loop of a short Dagster op may live
                transport.abort()
                await asyncio.sleep(0)


def _parsed(sender: str) -> Address:
    name, address = parseaddr(sender)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        raise SetupError("mail: MAIL_FROM is not a sender such as: Training Platform <welcome@yourplatform.com>")
    return Address(name, local, domain)


def _message(sender: Address, mail: OutgoingMail) -> EmailMessage:
    local, _, domain = mail.to.rpartition("@")
    message = EmailMessage()
    try:
        message["From"] = sender
        # given in parts: parsed as text, a comma in it would make two recipients
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = mail.subject
        message["Message-ID"] = mail.message_id
    except ValueError:
        told = "a line break in the recipient, the subject or the Message-ID"
        raise VendorRejected(VENDOR, OPERATION, told) from None
    message["Date"] = datetime.now(UTC)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps holiday notices away
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _error(failure: Exception) -> VendorError:
    kind: type[VendorError] = VendorRejected
    match failure:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
            return _error(first)
        case aiosmtplib.SMTPAuthenticationError(code=code) if code >= 500:
            told = f"refused the login: check SMTP_USERNAME and SMTP_PASSWORD (SMTP {code})"
        case aiosmtplib.SMTPResponseException(code=code, message=said):
            kind = VendorRejected if code >= 500 else VendorUnavailable
            told = f"{ADDRESS.sub('<address>', said)} (SMTP {code})"
        case ssl.SSLCertVerificationError() | aiosmtplib.SMTPConnectError(__cause__=ssl.SSLCertVerificationError()):
            told = "its TLS certificate is not trusted: check SMTP_HOST, or name its CA in TLS_CA_FILE"
        case TimeoutError():
            kind, told = VendorUnavailable, "no answer in time"
        case OSError():  # the library's connection errors are OSErrors too
            kind, told = VendorUnavailable, f"the connection failed ({type(failure).__name__})"
        case aiosmtplib.SMTPException(message=said):
            told = ADDRESS.sub("<address>", said)
        case _:
            told = "the message or an address in it cannot be sent"
    return kind(VENDOR, OPERATION, told)
