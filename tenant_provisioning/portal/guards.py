"""Who gets in, and what a browser may do with what it gets: the session cookie, the role, the form token, the headers.

Sign-in itself, the only talk with a vendor, is `sign_in`.
"""

import hashlib
import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from itsdangerous import TimestampSigner
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions

View = Callable[[Request], Awaitable[Response]]
ADMIN_ROLE = "platform_admin"
COOKIE = "portal_session"
LARGEST_BODY = 256 * 1024  # bytes; the longest form has fifty people
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class Admin:
    """The super admin who is signed in."""

    user_id: UUID
    email: str


def admin(path: str, view: View, method: str = "GET", name: str | None = None) -> Route:
    """A page or an action for super admins alone."""
    return Route(path, require_admin(view), methods=[method], name=name)


def public(path: str, view: View, method: str = "GET", name: str | None = None) -> Route:
    """A page or an action on the way to being signed in."""
    return Route(path, _checked(view), methods=[method], name=name)


def require_admin(view: View) -> View:
    """The view for whoever is signed in; others are sent to sign in and come back, a script of theirs is told 401."""
    checked = _checked(view)

    @wraps(view)
    async def guarded(request: Request) -> Response:
        token = request.session.get("token")
        session = await portal_sessions.find_session(request.state.db, token) if token else None
        if session is None or not await request.app.state.still_belongs(request, token, session):
            return _to_sign_in(request)
        request.state.admin = Admin(session.user_id, session.email)
        return await checked(request)

    return guarded


def csrf_token(request: Request) -> str:
    """The token that this browser's posts must carry."""
    if "csrf" not in request.session:
        request.session["csrf"] = secrets.token_urlsafe(24)
    return str(request.session["csrf"])


def middleware(settings: Settings) -> list[Middleware]:
    """What stands before every route, outermost first."""
    address = urlsplit(settings.portal_url)
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=[address.hostname or "", "127.0.0.1", "localhost"]),
        Middleware(SecurityHeaders, https=address.scheme == "https"),
        Middleware(
            SessionMiddleware,
            secret_key=_cookie_key(settings),
            session_cookie=COOKIE,
            max_age=int(portal_sessions.LIFETIME.total_seconds()),
            same_site="lax",
            https_only=address.scheme == "https",
        ),
    ]


class SecurityHeaders:
    """Puts the headers on every response, streams included; pages are not kept by anybody, static files are."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                static = scope["path"].startswith("/static/") and message["status"] == 200
                headers.setdefault("Cache-Control", "public, max-age=31536000, immutable" if static else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _checked(view: View) -> View:
    """The view, which a post reaches only with this session's token and from a page of ours."""

    @wraps(view)
    async def checked(request: Request) -> Response:
        if request.method == "POST":
            await _check_post(request)
        return await view(request)

    return checked


async def _check_post(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise HTTPException(413, "This form is larger than any of ours.")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form came from another site.")
    given = request.headers.get("x-csrf-token") or (await request.form()).get("csrf")
    expected = request.session.get("csrf", "")
    if not isinstance(given, str) or not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise HTTPException(403, "This page was open for too long. Go back, reload it, and try again.")


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("x-csrf-token") or "text/event-stream" in request.headers.get("accept", ""):
        return Response("Sign in first.", 401, media_type="text/plain")
    sign_in = request.url_for("sign_in").path
    if request.method != "GET":
        return RedirectResponse(sign_in, 303)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{sign_in}?next={quote(back, safe='')}", 303)


def signed_cookie(settings: Settings, session: Mapping[str, Any]) -> str:
    """The cookie that holds this session, in the form of Starlette's middleware; for what drives the portal from outside."""
    signer = TimestampSigner(_cookie_key(settings))
    return signer.sign(b64encode(json.dumps(session).encode())).decode()


def _cookie_key(settings: Settings) -> str:
    """The key that signs the cookie: derived, so that there is one secret less to keep; rotating SECRETS_KEY signs all out."""
    ring: Any = settings.secrets_key.get_secret_value()
    return hmac.new(ring.encode(), b"tenant-provisioning portal cookie", hashlib.sha256).hexdigest()
