"""Outgoing mail over SMTP. One call sends one message once.

What a mail says, whom it goes to and when it is tried again is not decided here: see `store.outbox` and the steps.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from typing import Any
from uuid import UUID

import aiosmtplib

from tenant_provisioning.model.errors import SetupError, VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.admission import Admission

VENDOR = "mail server"
OPERATION = "send mail"
BUCKET = "mail"
ADDRESS = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;:()]+")  # servers like to repeat the recipient in their answer


@dataclass(frozen=True)
class OutgoingMail:
    """One message to one recipient; `message_id` as `message_id()` makes it."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str


class Unanswered(VendorUnavailable):
    """The server was given the whole message and did not answer: perhaps it has taken it. Any other error: it has not."""


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
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        if username and not (starttls or implicit_tls):
            raise SetupError("mail: SMTP_USERNAME needs SMTP_STARTTLS: without it the password travels in plain text.")
        self._sender = _parsed(sender)
        self._timeout = timeout
        self._starttls, self._login = starttls and not implicit_tls, (username, password)
        self._server = partial(
            _Server,
            hostname=host,
            port=port,
            use_tls=implicit_tls,
            start_tls=False,
            tls_context=tls,
            timeout=timeout,
        )

    async def send(self, mail: OutgoingMail, *, before_text: Callable[[], Awaitable[None]] | None = None) -> None:
        """Hands the message to the server; returns when the server has taken it.

        `before_text` is awaited when the server has accepted sender and recipient, right before it is given the text.
        Raises Unanswered when the answer to the text was lost: the next attempt carries the same Message-ID. Raises
        VendorUnavailable for 4xx and what goes wrong before, VendorRejected for 5xx: then it was not taken.
        """
        message, envelope = _message(self._sender, mail), _Envelope(before_text)
        turn = self._admission.let_through(BUCKET) if self._admission is not None else nullcontext()
        try:
            async with turn, asyncio.timeout(self._timeout), self._session(envelope) as server:
                await server.send_message(message)
                envelope.answered = True
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            # not chained: the library's errors hold the recipient's address, and a chain ends up in the run's events
            error = _error(failure)
            if not envelope.text_given or isinstance(failure, aiosmtplib.SMTPResponseException):
                raise error from None
            if not envelope.answered:  # a farewell that fails changes nothing
                raise Unanswered(VENDOR, OPERATION, f"{error.message}, after the text had been sent") from None

    async def check(self) -> None:
        """Quiet when the server greets us and takes our login; nothing is sent. VendorUnavailable, VendorRejected."""
        try:
            async with asyncio.timeout(self._timeout), self._session(_Envelope(None)) as server:
                await server.noop()
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            raise _error(failure, "greet") from None

    @asynccontextmanager
    async def _session(self, envelope: "_Envelope") -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that is encrypted and logged in as far as the settings ask for it."""
        server = self._server(envelope)
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


@dataclass
class _Envelope:
    """How far one message has come."""

    before_text: Callable[[], Awaitable[None]] | None
    text_given: bool = False
    answered: bool = False


class _Server(aiosmtplib.SMTP):
    """A connection that says when the text itself is about to go out: from then on a lost answer is a riddle."""

    def __init__(self, envelope: _Envelope, **options: Any) -> None:
        super().__init__(**options)
        self._envelope = envelope

    async def data(self, message: str | bytes, /, **options: Any) -> aiosmtplib.SMTPResponse:
        if self._envelope.before_text is not None:
            await self._envelope.before_text()
        self._envelope.text_given = True
        return await super().data(message, **options)


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


def _error(failure: Exception, operation: str = OPERATION) -> VendorError:
    kind: type[VendorError] = VendorRejected
    match failure:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
            return _error(first, operation)
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
    return kind(VENDOR, operation, told)
