"""What every page needs of a request, and how it answers: templates, redirects with a message, errors in words."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, ProvisioningError
from tenant_provisioning.portal.guards import HEADERS, Admin, csrf_token
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.database import Database

HERE = Path(__file__).parent
MOST_FLASHES = 4  # they travel in the cookie, which browsers cut at 4096 bytes
STATUS_TITLES = {
    "requested": "Requested",
    "provisioning": "Provisioning",
    "failed": "Failed",
    "pending_qa": "Waiting for QA",
    "active": "Live",
    "suspended": "Suspended",
    "rolling_back": "Rolling back",
    "rolled_back": "Rolled back",
}
WRONG = {
    403: "Not allowed",
    404: "Not found",
    405: "Not possible",
    409: "Not possible now",
    413: "Too large",
    500: "Something went wrong",
    503: "Not available",
}


def db(request: Request) -> Database:
    """The platform's database."""
    found: Database = request.state.db
    return found


def settings(request: Request) -> Settings:
    """The portal's settings."""
    found: Settings = request.state.settings
    return found


def admin(request: Request) -> Admin:
    """Who is signed in; only behind `guards.admin`."""
    found: Admin = request.state.admin
    return found


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page."""
    return HTMLResponse(_environment().get_template(template).render(_context(request) | values), status)


def partial(request: Request, template: str, **values: Any) -> str:
    """A part of a page, for events and for scripts that replace it; the page includes the same template."""
    return _environment().get_template(template).render(_context(request) | values)


def see_other(request: Request, route: str, /, *, query: str = "", **parameters: Any) -> RedirectResponse:
    """The answer to a post: look there."""
    return RedirectResponse(str(request.app.url_path_for(route, **parameters)) + (f"?{query}" if query else ""), 303)


def flash(request: Request, text: str, *, kind: str = "info") -> None:
    """Say this on the next page that is shown; kinds are good, info, warn and bad."""
    waiting = request.session.get("flashes", [])
    request.session["flashes"] = [*waiting, [kind, text[:500]]][-MOST_FLASHES:]


def exception_handlers() -> Mapping[Any, Any]:
    """Every error as a page in words."""

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        detail = "" if error.status_code == 404 and error.detail == "Not Found" else error.detail
        return _wrong(request, error.status_code, detail)

    async def refused(request: Request, error: Exception) -> Response:
        status = 404 if isinstance(error, NoSuchTenant) else 409 if isinstance(error, LifecycleError) else 503
        told = str(error)
        return _wrong(request, status, told[:1].upper() + told[1:])

    async def failed(request: Request, _: Exception) -> Response:
        page = _wrong(request, 500, "The error is in the portal's log. Nothing you entered on other pages is lost.")
        page.headers.update(HEADERS)  # this one answer is made outside all middleware
        return page

    return {HTTPException: http, ProvisioningError: refused, Exception: failed}


def when(moment: datetime | None, *, style: str = "full") -> Markup:
    """A time that scripts put into the reader's zone; `style` is full, day or ago."""
    if moment is None:
        return Markup("")
    utc = moment.astimezone(UTC)
    shown = {"day": f"{utc:%d %b %Y}", "ago": age(datetime.now(UTC) - utc)}.get(style, f"{utc:%d %b %Y, %H:%M} UTC")
    return Markup('<time datetime="{}" data-when="{}" title="{}">{}</time>').format(
        utc.isoformat(timespec="seconds").replace("+00:00", "Z"), style, f"{utc:%d %b %Y, %H:%M:%S} UTC", shown
    )


def age(span: timedelta) -> str:
    """How long ago, as a person says it: "3 min ago"."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def duration(span: timedelta | float | None) -> str:
    """A length of time: "42 s", "3 min 05 s", "2 h 10 min"."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _wrong(request: Request, status: int, text: str) -> Response:
    return render(request, "error.html", status, code=status, title=WRONG.get(status, "Not possible"), text=text)


def _context(request: Request) -> dict[str, Any]:
    session = request.scope.get("session", {})
    link = _linker(request)
    return {
        "request": request,
        "admin": getattr(request.state, "admin", None),
        "platform_name": settings(request).platform_name,
        "navigation": request.app.state.navigation,
        # read only when a page is really shown: a redirect leaves them for the next one
        "flashes": lambda: session.pop("flashes", []),
        "csrf_token": lambda: csrf_token(request),
        "csrf_field": lambda: Markup('<input type="hidden" name="csrf" value="{}">').format(csrf_token(request)),
        "link": link,
        "asset": lambda name: f"/static/{name}?v={_version(name)}",
    }


def _linker(request: Request) -> Callable[..., str]:
    def link(route: str, /, **parameters: Any) -> str:
        return str(request.app.url_path_for(route, **parameters))

    return link


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"when": when, "duration": duration, "age": age, "status_titles": STATUS_TITLES, "page": ""}
    return environment


@lru_cache
def _version(name: str) -> str:
    """Changes with the file, so that browsers may keep it for ever."""
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
