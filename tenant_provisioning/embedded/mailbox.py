"""A real SMTP server on loopback that keeps every mail as a Maildir, and a page to read them. It sends nothing on.

The page shows what others wrote: a mail's HTML runs no script and fetches nothing, and only this computer can open it.
"""

import asyncio
import contextlib
import email
import email.policy
import mailbox
import re
import socket
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tenant_provisioning.embedded.ports import LOOPBACK

LARGEST_MAIL = 32 * 1024 * 1024
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
# a link may be followed, in a new window; nothing else may happen
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
)
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
TEMPLATES = Environment(loader=PackageLoader("tenant_provisioning.embedded"), autoescape=True)


@dataclass(frozen=True)
class KeptMail:
    """One mail as the list shows it; `recipients` are those of the envelope, `received_at` is in UTC."""

    id: str
    sender: str
    recipients: str
    subject: str
    received_at: datetime


class MailSink:
    """Receives on one port and shows on another, both on loopback; runs in a thread of its own, as a context manager.

    0 chooses a free port. Mails lie in `directory` and stay there; `url` is the page's.
    """

    def __init__(self, directory: Path, *, smtp_port: int = 0, web_port: int = 0) -> None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.mails = Mails(directory)
        self._smtp = _listener(smtp_port)
        self._web = _listener(web_port)
        self.smtp_port = int(self._smtp.getsockname()[1])
        self.url = f"http://{LOOPBACK}:{self._web.getsockname()[1]}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mail sink", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        smtp = await loop.create_server(
            lambda: SMTP(
                self.mails, hostname="localhost", data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True, loop=loop
            ),
            sock=self._smtp,
        )
        config = uvicorn.Config(
            pages(self.mails), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._ready.set()  # both sockets listen already: a caller is served as soon as the loop turns
        try:
            await self._server.serve(sockets=[self._web])
        finally:
            smtp.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(smtp.wait_closed(), 1)


class Mails:
    """The mails received, newest first. Also the handler that the SMTP server calls."""

    def __init__(self, directory: Path) -> None:
        self._maildir = mailbox.Maildir(directory, create=True)
        self._alone = threading.Lock()  # a Maildir keeps a table of contents that is not made for threads

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keeps the mail before it answers, so that what was accepted is there."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        # where a mail really went is in its envelope, not in its headers
        route = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {', '.join(envelope.rcpt_tos)}\r\n"
        await asyncio.to_thread(self._keep, route.encode() + content)
        return "250 2.0.0 kept"

    def listed(self) -> list[KeptMail]:
        """Every mail, newest first."""
        with self._alone:
            keys = self._maildir.keys()
        return sorted(map(self._listing, keys), key=lambda mail: mail.received_at, reverse=True)

    def message(self, key: str) -> EmailMessage:
        """One mail as it came; KeyError when there is none with this id."""
        with self._alone:
            content = self._maildir.get_bytes(key)
        return email.message_from_bytes(content, policy=email.policy.default)

    def _keep(self, content: bytes) -> None:
        with self._alone:
            self._maildir.add(content)

    def _listing(self, key: str) -> KeptMail:
        message = self.message(key)
        return KeptMail(
            id=key,
            sender=str(message.get("From", message.get("Return-Path", ""))),
            recipients=str(message.get("Delivered-To", "")),
            subject=str(message.get("Subject", "")) or "(no subject)",
            received_at=_received_at(key),
        )


def _received_at(key: str) -> datetime:
    # a Maildir's keys are made of seconds, M, microseconds, P, process, Q, number
    seconds, microseconds = (int(number) for number in re.findall(r"\d+", key)[:2])
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def pages(mails: Mails) -> Starlette:
    """The page: the list, one mail, its HTML alone, and both as JSON."""

    def found(request: Request) -> EmailMessage:
        try:
            return mails.message(request.path_params["id"])
        except KeyError:
            raise HTTPException(404, "There is no such mail.") from None

    def show_list(_: Request) -> Response:
        return _page("mails.html", mails=mails.listed())

    def show_mail(request: Request) -> Response:
        message = found(request)
        return _page(
            "mail.html",
            id=request.path_params["id"],
            subject=message.get("Subject", "(no subject)"),
            headers=message.items(),
            text=_linked(_body(message, "plain")),
            has_html=bool(_body(message, "html")),
            attachments=[part.get_filename() or part.get_content_type() for part in message.iter_attachments()],
        )

    def show_html(request: Request) -> Response:
        html = '<!doctype html><base target="_blank">' + _body(found(request), "html")
        return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY, "Referrer-Policy": "no-referrer"})

    def list_json(_: Request) -> Response:
        return JSONResponse([_as_json(mail) for mail in mails.listed()])

    def mail_json(request: Request) -> Response:
        message = found(request)
        return JSONResponse({
            "id": request.path_params["id"],
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
        })  # fmt: skip

    return Starlette(
        routes=[
            Route("/", show_list),
            Route("/mails/{id}", show_mail),
            Route("/mails/{id}/html", show_html),
            Route("/api/mails", list_json),
            Route("/api/mails/{id}", mail_json),
        ],
        # a web site that resolves its own name to this address must not read the mails
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])],
    )


def _page(template: str, **values: object) -> HTMLResponse:
    html = TEMPLATES.get_template(template).render(values)
    return HTMLResponse(html, headers={"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer"})


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _linked(text: str) -> Markup:
    pieces, end = [], 0
    for link in LINK.finditer(text):
        pieces += [escape(text[end : link.start()]), _anchor(link[0])]
        end = link.end()
    return Markup("").join([*pieces, escape(text[end:])])


def _anchor(url: str) -> Markup:
    return Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(url)


def _as_json(mail: KeptMail) -> dict[str, Any]:
    return {**asdict(mail), "received_at": mail.received_at.isoformat()}


def _listener(port: int) -> socket.socket:
    listener = socket.create_server((LOOPBACK, port))
    listener.setblocking(False)
    return listener
