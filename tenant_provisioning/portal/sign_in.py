"""Signing in and out: Supabase Auth says who somebody is, this module whether they belong here.

The one place of the portal that calls a vendor. What a browser holds afterwards is `guards`', the sessions are rows of `store`.
"""

from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tenant_provisioning.model.errors import VendorError, VendorRejected
from tenant_provisioning.portal import forms, pages
from tenant_provisioning.portal.forms import Form
from tenant_provisioning.portal.guards import ADMIN_ROLE
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.supabase import Session, SupabaseAuth

__all__ = ["SupabaseAuth", "open_supabase", "page", "sign_in", "sign_out"]
FEW_FOR_ADDRESS, MANY_FROM_PLACE, WITHIN = 5, 30, timedelta(minutes=15)
WRONG = "Address and password do not belong together."
NOT_ONE_OF_US = (
    "You have signed in, but this account is no super admin: in Supabase its app_metadata must hold the role "
    f"{ADMIN_ROLE}. Your own platform is at its own address."
)
NO_ANSWER = "Supabase Auth does not answer. Try again in a moment."
REFUSALS = {
    "invalid_credentials": WRONG,
    "email_not_confirmed": "This address has not been confirmed yet: follow the link in the mail that Supabase sent.",
    "user_banned": "This account is blocked.",
}


def open_supabase(settings: Settings) -> SupabaseAuth:
    """The client that people are signed in with; whoever opens it closes it."""
    return SupabaseAuth(
        settings.supabase_url,
        settings.supabase_service_role_key.get_secret_value(),
        settings.supabase_anon_key.get_secret_value(),
        verify=trust(settings.tls_ca_file),
        timeout=settings.call_timeout,
        attempts=2,  # a person waits in front of the page
        patience=10,
    )


async def page(request: Request) -> Response:
    """The door; whoever is in already goes on."""
    token = request.session.get("token")
    if token and await portal_sessions.find_session(pages.db(request), token):
        return RedirectResponse(_inside(request.query_params.get("next", "")), 303)
    return pages.render(request, "sign_in.html", form=Form({"next": request.query_params.get("next", "")}))


async def sign_in(request: Request) -> Response:
    """Signed in with address and password, or told why not."""
    given = forms.texts(await forms.posted(request), ("email", "next"))
    password = str((await forms.posted(request)).get("password", ""))[:500]
    if not given["email"] or not password:
        return _refused(request, given, "Enter your address and your password.", 422)
    if wait := await _too_often(request, given["email"]):
        return _refused(request, given, _patience(wait), 429)
    try:
        session = await _supabase(request).sign_in(given["email"], password)
        if not _belongs_here(session):
            await _supabase(request).end_session(session)
            return _refused(request, given, NOT_ONE_OF_US, 403)
    except VendorRejected as refusal:
        return _refused(request, given, REFUSALS.get(refusal.code or "", WRONG), 403)
    except VendorError:
        return _refused(request, given, NO_ANSWER, 503)
    await _let_in(request, session)
    return RedirectResponse(_inside(given["next"]), 303)


async def sign_out(request: Request) -> Response:
    """Nobody is signed in here any more, with this cookie or a copy of it."""
    if token := request.session.get("token"):
        await portal_sessions.end_session(pages.db(request), token)
    request.session.clear()
    pages.flash(request, "You have signed out.")
    return pages.see_other(request, "sign_in")


def _supabase(request: Request) -> SupabaseAuth:
    client: SupabaseAuth = request.state.supabase
    return client


async def _let_in(request: Request, session: Session) -> None:
    """This browser is signed in. What its cookie held before is gone, so nobody can have planted it."""
    email = str(session.claims.get("email", "")).lower()
    request.session.clear()
    request.session["token"] = await portal_sessions.begin_session(pages.db(request), session.user_id, email)
    await portal_sessions.forget_attempts(pages.db(request), f"address:{email}")


async def _too_often(request: Request, email: str) -> timedelta | None:
    """How long to wait, when this address or this place has been tried too often; the attempt is counted otherwise."""
    db = pages.db(request)
    place = request.client.host if request.client else "unknown"
    return await portal_sessions.count_attempt(
        db, f"place:{place}", most=MANY_FROM_PLACE, within=WITHIN
    ) or await portal_sessions.count_attempt(db, f"address:{email.lower()}", most=FEW_FOR_ADDRESS, within=WITHIN)


def _belongs_here(session: Session) -> bool:
    metadata = session.claims.get("app_metadata") or {}
    return metadata.get("role") == ADMIN_ROLE


def _refused(request: Request, given: dict[str, str], sentence: str, status: int) -> Response:
    return pages.render(request, "sign_in.html", status, form=Form(given, {"": [sentence]}))


def _patience(wait: timedelta) -> str:
    minutes = max(1, round(wait.total_seconds() / 60))
    return f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."


def _inside(wished: str) -> str:
    """The wished page, if it is one of ours."""
    parts = urlsplit(wished)
    ours = wished.startswith("/") and not wished.startswith(("//", "/\\")) and not parts.netloc and "\\" not in wished
    return wished if ours else "/organizations"
