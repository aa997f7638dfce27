"""Signing in and out: Supabase Auth says who somebody is, this module whether they belong here.

The one place of the portal that calls a vendor. What a browser holds afterwards is `guards`', the sessions are rows of `store`.
"""

import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tenant_provisioning.model.errors import SetupError, VendorError, VendorRejected
from tenant_provisioning.portal import forms, pages
from tenant_provisioning.portal.forms import Form
from tenant_provisioning.portal.guards import ADMIN_ROLE
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.store.portal_sessions import PortalSession
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.supabase import Session, SupabaseAuth, User

__all__ = ["SupabaseAuth", "follow_link", "open_supabase", "page", "send_link", "sign_in", "sign_out", "still_belongs"]
logger = logging.getLogger(__name__)
FEW_FOR_ADDRESS, MANY_FROM_PLACE, WITHIN = 5, 30, timedelta(minutes=15)
CONFIRMED_FOR, AT_MOST = timedelta(minutes=10), timedelta(hours=1)
WRONG = "Address and password do not belong together."
NOT_ONE_OF_US = (
    "You have signed in, but this account is no super admin: in Supabase its app_metadata must hold the role "
    f"{ADMIN_ROLE}. Your own platform is at its own address."
)
NO_ANSWER = "Supabase Auth does not answer. Try again in a moment."
LINK_SENT = "If this address belongs to an account, a link is on its way. It works once, for an hour, in this browser."
LINK_ELSEWHERE = "Open the link in the browser where you asked for it, or ask for a new one here."
LINK_WORN_OUT = "This link has been used, replaced by a newer one, or is too old. Ask for a new one."
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


async def send_link(request: Request) -> Response:
    """A link is on its way, or perhaps not: the answer does not tell who has an account."""
    given = forms.texts(await forms.posted(request), ("email", "next"))
    if not given["email"]:
        return _refused(request, given, "Enter your address, and a link comes by mail.", 422)
    if wait := await _too_often(request, given["email"]):
        return _refused(request, given, _patience(wait), 429)
    back = pages.settings(request).portal_url.rstrip("/") + request.app.url_path_for("sign_in_link")
    try:
        verifier = await _supabase(request).send_magic_link(given["email"], redirect_to=back)
    except VendorRejected as refusal:
        logger.info(
            "no link was mailed: %s", refusal.code
        )  # unknown, or asked a minute ago: the older link still works
    except VendorError:
        return _refused(request, given, NO_ANSWER, 503)
    else:
        request.session["link"] = {"verifier": verifier, "next": given["next"][:500]}
    pages.flash(request, LINK_SENT)
    return pages.see_other(request, "sign_in")


async def follow_link(request: Request) -> Response:
    """Signed in by the link from the mail, or told why not."""
    asked, code = request.session.get("link"), request.query_params.get("code")
    if not code:
        return _refused(request, {}, LINK_WORN_OUT, 403)
    if not asked:
        return _refused(request, {}, LINK_ELSEWHERE, 403)
    try:
        session = await _supabase(request).exchange_code(code, asked["verifier"])
        if not _belongs_here(session):
            await _supabase(request).end_session(session)
            return _refused(request, {}, NOT_ONE_OF_US, 403)
    except VendorRejected as refusal:
        told = LINK_ELSEWHERE if refusal.code == "bad_code_verifier" else LINK_WORN_OUT
        return _refused(request, {}, REFUSALS.get(refusal.code or "", told), 403)
    except VendorError:
        return _refused(request, {}, NO_ANSWER, 503)
    await _let_in(request, session)
    return RedirectResponse(_inside(asked["next"]), 303)


async def still_belongs(request: Request, token: str, session: PortalSession) -> bool:
    """Whether who is signed in still is a super admin; Supabase is asked every ten minutes.

    While it does not answer, its last word holds for an hour.
    """
    since = datetime.now(UTC) - session.confirmed_at
    if since < CONFIRMED_FOR:
        return True
    try:
        user = await _supabase(request).find_user_by_id(session.user_id)
    except VendorError as silence:
        logger.warning("Supabase Auth was not to be asked about a session: %s", silence)
        return since < AT_MOST
    belongs = user is not None and not _is_banned(user) and user.app_metadata.get("role") == ADMIN_ROLE
    if belongs:
        await portal_sessions.confirm_session(pages.db(request), token)
    else:
        await portal_sessions.end_session(pages.db(request), token)
    return belongs


async def grant_admin(settings: Settings, email: str) -> str:
    """A sentence about the account, which is a super admin's from here on. A customer's user is refused: it would be both."""
    async with open_supabase(settings) as supabase:
        user = await supabase.find_user_by_email(email)
        if user is None:
            user = await supabase.create_user(uuid4(), email, app_metadata={"role": ADMIN_ROLE})
            return f"{user.email} is a super admin, and signs in at {settings.portal_url} with a link by mail."
        if user.app_metadata.get("organization_id"):
            raise SetupError(
                f"{user.email} is a user of a customer's organization: take another address for the portal"
            )
        await supabase.update_user(user.id, app_metadata={"role": ADMIN_ROLE})
    return f"{user.email} is a super admin from now on."


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


def _is_banned(user: User) -> bool:
    return user.banned_until is not None and user.banned_until > datetime.now(UTC)


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
