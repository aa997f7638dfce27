"""Who is calling, and where a link may lead: the gateway's API key, the bearer token, the project's redirect list."""

import re

from starlette.requests import Request

from tenant_provisioning.simulator.http import bearer, identify, origin
from tenant_provisioning.simulator.supabase.errors import AuthError, bad_jwt, no_api_key
from tenant_provisioning.simulator.supabase.sessions import Session
from tenant_provisioning.simulator.supabase.state import SupabaseState
from tenant_provisioning.simulator.supabase.users import User
from tenant_provisioning.simulator.world import DOMAIN, SUPABASE_ANON_KEY, SUPABASE_SERVICE_KEY, World

SITE_URL = f"https://app.{DOMAIN}"
REDIRECTS = re.compile(
    rf"https://([a-z0-9-]+\.)*{re.escape(DOMAIN)}(/.*)?|https?://(localhost|127\.0\.0\.1)(:\d+)?(/.*)?"
)
ROLES = {SUPABASE_SERVICE_KEY: "service_role", SUPABASE_ANON_KEY: "anon"}
ADMIN_ROLES = {"service_role", "supabase_admin"}


def state_of(request: Request) -> SupabaseState:
    """The project's state behind a request."""
    world: World = request.scope["world"]
    return world.supabase


def auth_url(request: Request) -> str:
    """The server's own address, which is also the issuer of its tokens."""
    return f"{origin(request)}/auth/v1"


def check_api_key(request: Request) -> None:
    """Let a request with one of the project's keys pass; the gateway's 401 otherwise."""
    key = request.headers.get("apikey") or request.query_params.get("apikey")
    if key not in ROLES:
        raise no_api_key(given=key is not None)
    identify(request, ROLES[key])


def check_admin(request: Request) -> None:
    """Let the service role pass: its key as bearer token, or a token of this project with its role."""
    token = _token(request)
    role = ROLES.get(token) or state_of(request).sessions.claims(token).get("role")
    if role not in ADMIN_ROLES:
        raise AuthError(403, "not_admin", "User not allowed")


def signed_in(request: Request) -> tuple[User, Session]:
    """The user whose access token the request carries."""
    token = _token(request)
    if token in ROLES:
        raise bad_jwt("invalid claim: missing sub claim")
    user, session = state_of(request).sessions.signed_in(token)
    identify(request, user.id)
    return user, session


def redirect_target(request: Request, wished: str | None = None) -> str:
    """Where a link leads: what was asked for when the project allows it, else the site's own address."""
    for target in (wished, request.query_params.get("redirect_to"), request.headers.get("redirect_to")):
        if target and REDIRECTS.fullmatch(target):
            return target
    return SITE_URL


def _token(request: Request) -> str:
    token = bearer(request)
    if token is None:
        raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
    return token
