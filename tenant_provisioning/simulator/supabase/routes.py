"""The calls of Supabase Auth, thin: who may, what the body says, and the state's answer.

Not simulated: sign-up by a person, sign-in by others than e-mail with password or link, MFA, OAuth clients, and PostgREST
(the platform's database is a real one).
"""

import asyncio
import smtplib
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.http import Handler, answer, operation
from tenant_provisioning.simulator.supabase import bodies
from tenant_provisioning.simulator.supabase.access import (
    auth_url,
    check_admin,
    check_api_key,
    redirect_target,
    signed_in,
    state_of,
)
from tenant_provisioning.simulator.supabase.errors import AuthError, invalid
from tenant_provisioning.simulator.supabase.flows import PREFIX
from tenant_provisioning.simulator.supabase.post import deliver
from tenant_provisioning.simulator.supabase.users import shown
from tenant_provisioning.simulator.world import World

HALF_DONE = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
OAUTH_ERRORS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}
Call = Callable[[Request], Awaitable[Response]]


def routes(world: World) -> list[Route]:  # noqa: ARG001 - the shape of every vendor's
    """Every route under /auth/v1."""
    return [
        _route("POST", "/admin/users", "create_user", create_user, admin=True),
        _route("GET", "/admin/users", "list_users", list_users, admin=True),
        _route("GET", "/admin/users/{user_id}", "get_user", get_user, admin=True),
        _route("PUT", "/admin/users/{user_id}", "update_user", update_user, admin=True),
        _route("DELETE", "/admin/users/{user_id}", "delete_user", delete_user, admin=True),
        _route("POST", "/admin/generate_link", "generate_link", generate_link, admin=True),
        _route("POST", "/invite", "invite", invite, admin=True),
        _route("POST", "/otp", "otp", otp),
        _route("POST", "/token", "token", token),
        _route("POST", "/verify", "verify", verify),
        _route("GET", "/verify", "follow_link", follow_link, key=False),
        _route("GET", "/user", "get_own_user", get_own_user),
        _route("PUT", "/user", "update_own_user", update_own_user),
        _route("POST", "/logout", "logout", logout),
        _route("GET", "/health", "health", health),
        _route("GET", "/.well-known/jwks.json", "jwks", jwks, key=False),
    ]


async def create_user(request: Request) -> Response:
    """POST admin/users."""
    given = bodies.parse(bodies.AdminUser, await request.body())
    return answer(shown(state_of(request).create_user(given)))


async def list_users(request: Request) -> Response:
    """GET admin/users, a page at a time."""
    page, per_page = (_number(request, name, usual) for name, usual in (("page", 1), ("per_page", 50)))
    users, total = state_of(request).list_users(page, per_page, request.query_params.get("filter", ""))
    last = -(-total // per_page)
    pages = ({"next": page + 1} if page < last else {}) | {"last": last}
    link = ", ".join(
        f'<{request.url.path}?page={number}&per_page={per_page}>; rel="{rel}"' for rel, number in pages.items()
    )
    headers = {"X-Total-Count": str(total), "Link": link}
    return answer({"users": [shown(user) for user in users], "aud": "authenticated"}, headers=headers)


async def get_user(request: Request) -> Response:
    """GET admin/users/{id}."""
    return answer(shown(state_of(request).get_user(request.path_params["user_id"])))


async def update_user(request: Request) -> Response:
    """PUT admin/users/{id}."""
    user = state_of(request).get_user(request.path_params["user_id"])
    given = bodies.parse(bodies.AdminUser, await request.body())
    return answer(shown(state_of(request).update_user(user, given)))


async def delete_user(request: Request) -> Response:
    """DELETE admin/users/{id}, whose body may be left out."""
    user = state_of(request).get_user(request.path_params["user_id"])
    given = bodies.parse(bodies.DeleteUser, await request.body() or b"{}")
    state_of(request).delete_user(user, soft=bool(given.should_soft_delete))
    return answer({})


async def generate_link(request: Request) -> Response:
    """POST admin/generate_link: a link, and no mail."""
    given = bodies.parse(bodies.GenerateLink, await request.body())
    target = redirect_target(request, given.redirect_to)
    return answer(state_of(request).links.generate(given, target, auth_url(request)))


async def otp(request: Request) -> Response:
    """POST otp: a mail with a link, after which nothing is told, except that a project may say who has no account."""
    given = bodies.parse(bodies.Otp, await request.body())
    letter = state_of(request).links.mail_magic_link(given, redirect_target(request), auth_url(request))
    world: World = request.scope["world"]
    if world.smtp_port:
        try:
            await asyncio.to_thread(deliver, letter, world.smtp_port)
        except (OSError, smtplib.SMTPException):
            raise AuthError(500, "unexpected_failure", "Error sending magic link email") from None
    return answer({})


async def invite(request: Request) -> Response:
    """POST invite: a mail from the vendor itself."""
    given = bodies.parse(bodies.Invite, await request.body())
    return answer(shown(state_of(request).links.invite(given)))


async def token(request: Request) -> Response:
    """POST token with a password or a refresh token."""
    state, body = state_of(request), await request.body()
    match request.query_params.get("grant_type"):
        case "password":
            return answer(state.sign_in(bodies.parse(bodies.Password, body), auth_url(request)))
        case "refresh_token":
            refresh = bodies.parse(bodies.Refresh, body).refresh_token
            if not refresh:
                raise invalid("refresh_token required")
            return answer(state.sessions.renew(refresh, auth_url(request)))
        case "pkce":
            user = state.get_user(state.flows.redeem(bodies.parse(bodies.CodeExchange, body)))
            return answer(state.start_session(user, "otp", auth_url(request)))
        case _:
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")


async def verify(request: Request) -> Response:
    """POST verify: a session for a one-time code or link."""
    given = bodies.parse(bodies.Verify, await request.body())
    if not given.type:
        raise invalid("Verify requires a verification type")
    if bool(given.token) == bool(given.token_hash):
        raise invalid("Verify requires either a token or a token hash")
    if given.token and (not given.email or given.phone):
        raise invalid("Only an email address or phone number should be provided on verify")
    if given.token_hash and (given.email or given.phone or given.redirect_to):
        raise invalid("Only the token_hash and type should be provided")
    user = state_of(request).links.redeem(given)
    if user is None:
        return answer({"msg": HALF_DONE, "code": "200"})
    return answer(state_of(request).start_session(user, "otp", auth_url(request)))


async def follow_link(request: Request) -> Response:
    """GET verify, as a browser follows an action link: a redirect with the session, or the error, in its fragment."""
    kind, hashed = request.query_params.get("type"), request.query_params.get("token")
    if not kind:
        raise invalid("Verify requires a verification type")
    if not hashed:
        raise invalid("Verify requires a token or a token hash")
    fragment: dict[str, object]
    query = dict[str, object]()
    with_code = hashed.startswith(PREFIX)
    try:
        user = state_of(request).links.redeem(bodies.Verify(type=kind, token_hash=hashed))
        code = state_of(request).flows.issue(user.id) if with_code and user is not None else None
    except AuthError as refusal:
        fragment = {
            "error": OAUTH_ERRORS.get(refusal.status, ""),
            "error_code": refusal.code,
            "error_description": refusal.message,
        }
        query = dict(fragment) if with_code else {}
    else:
        if code is not None:
            return Response(
                status_code=303, headers={"Location": _with_query(redirect_target(request), {"code": code})}
            )
        if user is None:
            fragment = {"message": HALF_DONE}
        else:
            session = state_of(request).start_session(user, "otp", auth_url(request))
            fragment = {name: value for name, value in session.items() if name != "user"} | {"type": kind}
    # the real server ends each of its fragments with an empty `sb`, so that an app can tell whose redirect it is
    location = f"{_with_query(redirect_target(request), query)}#{urlencode({**fragment, 'sb': ''})}"
    return Response(status_code=303, headers={"Location": location})


def _with_query(target: str, more: Mapping[str, object]) -> str:
    """The address with these parameters added to its own, in Go's order."""
    parts = urlsplit(target)
    parameters = {**dict(parse_qsl(parts.query)), **more}
    return urlunsplit(parts._replace(query=urlencode(sorted(parameters.items()))))


async def get_own_user(request: Request) -> Response:
    """GET user."""
    return answer(shown(signed_in(request)[0]))


async def update_own_user(request: Request) -> Response:
    """PUT user."""
    user, session = signed_in(request)
    given = bodies.parse(bodies.OwnUser, await request.body())
    return answer(shown(state_of(request).update_own(user, session, given)))


async def logout(request: Request) -> Response:
    """POST logout of this session, of the others, or of all."""
    user, session = signed_in(request)
    sessions = state_of(request).sessions
    match request.query_params.get("scope", "global"):
        case "global":
            sessions.end(user.id)
        case "local":
            sessions.end(user.id, only=session.id)
        case "others":
            sessions.end(user.id, keep=session.id)
        case scope:
            raise invalid(f"Unsupported logout scope {scope!r}")
    return Response(status_code=204)


async def health(request: Request) -> Response:  # noqa: ARG001 - a handler
    """GET health."""
    return answer(
        {
            "version": "simulated",
            "name": "GoTrue",
            "description": "GoTrue is a user registration and authentication API",
        }
    )


async def jwks(request: Request) -> Response:  # noqa: ARG001 - a handler
    """GET the public keys: none, since the tokens are signed with a shared secret."""
    return answer({"keys": []})


def _route(method: str, path: str, name: str, call: Call, *, admin: bool = False, key: bool = True) -> Route:
    return Route(f"/auth/v1{path}", operation("supabase", name, _guarded(call, admin=admin, key=key)), methods=[method])


def _guarded(call: Call, *, admin: bool, key: bool) -> Handler:
    async def guarded(request: Request) -> Response:
        try:
            if key:
                check_api_key(request)
            if admin:
                check_admin(request)
            return await call(request)
        except AuthError as refusal:
            raise refusal.answer(request.headers.get("x-supabase-api-version", "")) from None

    return guarded


def _number(request: Request, name: str, usual: int) -> int:
    given = request.query_params.get(name, "") or str(usual)
    if not given.isdecimal() or (name == "per_page" and int(given) < 1):
        raise invalid(f'Bad Pagination Parameters: strconv.ParseUint: parsing "{given}": invalid syntax')
    return max(1, int(given))
