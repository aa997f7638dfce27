"""The mailer against a real SMTP server on loopback."""
# ruff: noqa: ARG002, N802 - the sink's methods are named and called as aiosmtpd wants it

import email
import email.policy
import logging
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from uuid import UUID

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.mail import Mailer, OutgoingMail, message_id

SENDER = "Training Platform <welcome@yourplatform.com>"
MAIL = OutgoingMail(
    to="ada@acme.example",
    subject="Your platform is being prepared: Ørsted Training",
    text="We are preparing it.",
    html="<p>We are <b>preparing</b> it.</p>",
    message_id="<0b5b0f3e-7a39-4a2c-9a92-6f7a0f0d8a11@yourplatform.com>",
)


class Sink:
    """Keeps what it receives; `refusals` maps an SMTP command to the answer it gets instead."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[tuple[list[str], EmailMessage]] = []
        self.encrypted: list[bool] = []
        self.refusals: dict[str, str] = {}

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"platform", b"right"), handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" not in self.refusals:
            envelope.rcpt_tos.append(address)
        return self.refusals.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append((envelope.rcpt_tos, message))
        self.encrypted.append(session.ssl is not None)
        return "250 2.0.0 queued"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def start() -> Iterator[Callable[..., Sink]]:
    running: list[Controller] = []

    def start_sink(**options: object) -> Sink:
        sink = Sink()
        if options.pop("login", False):
            options |= {"authenticator": sink.login, "auth_required": True}
        controller = Controller(sink, hostname="localhost", port=sink.port, **options)
        controller.start()
        running.append(controller)
        return sink

    yield start_sink
    for controller in running:
        controller.stop()


def plain(sink: Sink, **changes: float) -> Mailer:
    return Mailer("localhost", sink.port, sender=SENDER, starttls=False, **changes)


async def test_a_mail_arrives_with_both_bodies_its_sender_and_its_message_id(start: Callable[..., Sink]) -> None:
    sink = start()
    await plain(sink).send(MAIL)
    [(recipients, message)] = sink.received
    assert recipients == [MAIL.to]
    assert (message["To"], message["From"], message["Subject"]) == (MAIL.to, SENDER, MAIL.subject)
    assert message["Message-ID"] == MAIL.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert {part.get_content_type(): part.get_content().strip() for part in message.iter_parts()} == {
        "text/plain": MAIL.text,
        "text/html": MAIL.html,
    }


async def test_a_second_attempt_carries_the_same_message_id(start: Callable[..., Sink]) -> None:
    sink = start()
    for _ in range(2):
        await plain(sink).send(MAIL)
    assert len({message["Message-ID"] for _, message in sink.received}) == 1


def test_the_message_id_follows_from_the_mail_and_the_senders_domain() -> None:
    mail_id = UUID("0b5b0f3e-7a39-4a2c-9a92-6f7a0f0d8a11")
    assert message_id(mail_id, SENDER) == "<0b5b0f3e-7a39-4a2c-9a92-6f7a0f0d8a11@yourplatform.com>"


async def test_starttls_with_a_login_sends_over_an_encrypted_connection(
    start: Callable[..., Sink], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    sink = start(tls_context=server_tls, require_starttls=True, login=True)
    await Mailer("localhost", sink.port, sender=SENDER, username="platform", password="right", tls=client_tls).send(
        MAIL
    )
    assert sink.encrypted == [True]


async def test_implicit_tls_is_spoken_from_the_first_byte(
    start: Callable[..., Sink], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    sink = start(ssl_context=server_tls)
    await Mailer("localhost", sink.port, sender=SENDER, implicit_tls=True, tls=client_tls).send(MAIL)
    assert len(sink.received) == 1


async def test_a_wrong_password_is_rejected_and_names_the_settings(
    start: Callable[..., Sink], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    sink = start(tls_context=server_tls, login=True)
    mailer = Mailer("localhost", sink.port, sender=SENDER, username="platform", password="wrong", tls=client_tls)
    with pytest.raises(VendorRejected, match="SMTP_PASSWORD"):
        await mailer.send(MAIL)
    assert sink.received == []


async def test_a_server_without_starttls_gets_nothing_where_starttls_is_asked_for(start: Callable[..., Sink]) -> None:
    sink = start()
    with pytest.raises(VendorRejected, match="STARTTLS"):
        await Mailer("localhost", sink.port, sender=SENDER).send(MAIL)
    assert sink.received == []


async def test_an_unknown_certificate_is_rejected_with_what_to_do(
    start: Callable[..., Sink], server_tls: ssl.SSLContext
) -> None:
    sink = start(tls_context=server_tls)
    with pytest.raises(VendorRejected, match="TLS_CA_FILE"):
        await Mailer("localhost", sink.port, sender=SENDER).send(MAIL)
    assert sink.received == []


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [("451 4.3.0 try again later", VendorUnavailable), ("550 5.1.1 mailbox unavailable", VendorRejected)],
)
async def test_4xx_is_worth_another_attempt_and_5xx_is_not(
    start: Callable[..., Sink], command: str, answer: str, kind: type[Exception]
) -> None:
    sink = start()
    sink.refusals[command] = answer
    with pytest.raises(kind, match=answer[4:]) as refused:
        await plain(sink).send(MAIL)
    assert type(refused.value) is kind


async def test_a_refusal_names_no_address_anywhere_even_where_the_server_repeats_it(
    start: Callable[..., Sink], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tenant_provisioning")
    sink = start()
    sink.refusals["RCPT"] = "550 5.1.1 <ada@acme.example>: user ada@acme.example unknown"
    with pytest.raises(VendorRejected) as refused:
        await plain(sink).send(MAIL)
    told = "".join(traceback.format_exception(refused.value))
    assert "user <address> unknown" in told
    assert "ada@acme" not in told
    assert "ada@acme" not in caplog.text


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(VendorUnavailable, match="connection failed"):
        await Mailer("127.0.0.1", free_port(), sender=SENDER, starttls=False).send(MAIL)


async def test_a_server_that_says_nothing_is_given_up_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailer = Mailer("127.0.0.1", silent.getsockname()[1], sender=SENDER, starttls=False, timeout=0.1)
        with pytest.raises(VendorUnavailable, match="no answer in time"):
            await mailer.send(MAIL)


@pytest.mark.parametrize(
    "change", [{"to": "ada@acme.example\nBcc: x@y.example"}, {"subject": "Hello\r\nBcc: x@y.example"}]
)
async def test_a_line_break_cannot_smuggle_in_a_header(start: Callable[..., Sink], change: dict[str, str]) -> None:
    sink = start()
    fields = {name: getattr(MAIL, name) for name in MAIL.__dataclass_fields__} | change
    with pytest.raises(VendorRejected, match="line break"):
        await plain(sink).send(OutgoingMail(**fields))
    assert sink.received == []


async def test_a_comma_does_not_make_a_second_recipient(start: Callable[..., Sink]) -> None:
    sink = start()
    fields = {name: getattr(MAIL, name) for name in MAIL.__dataclass_fields__} | {
        "to": "eve@evil.example,ada@acme.example"
    }
    await plain(sink).send(OutgoingMail(**fields))
    assert [recipients for recipients, _ in sink.received] == [['"eve@evil.example,ada"@acme.example']]


def test_a_password_is_never_sent_without_tls() -> None:
    with pytest.raises(SetupError, match="SMTP_STARTTLS"):
        Mailer("localhost", 25, sender=SENDER, username="platform", password="right", starttls=False)


def test_a_sender_without_an_address_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(SetupError, match="MAIL_FROM"):
        Mailer("localhost", 25, sender="Training Platform")


async def test_checking_greets_and_logs_in_and_sends_nothing(
    start: Callable[..., Sink], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    sink = start(tls_context=server_tls, require_starttls=True, login=True)
    options = {"sender": SENDER, "username": "platform", "tls": client_tls}
    await Mailer("localhost", sink.port, password="right", **options).check()
    with pytest.raises(VendorRejected, match="SMTP_PASSWORD") as refusal:
        await Mailer("localhost", sink.port, password="wrong", **options).check()
    assert refusal.value.operation == "greet"
    assert sink.received == []
