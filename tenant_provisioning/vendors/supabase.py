"""Supabase Auth: the users who sign in, their one-time links, and the proof that one of them can sign in.

The `supabase` client speaks; its errors are translated here. Rows are not read or written through Supabase's REST API:
the platform's database is reached directly, by `store`.
"""

import asyncio
import base64
import hashlib
import logging
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import UUID

import httpx
import stamina

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._answers import NothingDone, refusal
from tenant_provisioning.vendors._http import VendorHttp, is_loopback, repeat_after

if TYPE_CHECKING:
    import supabase_auth.types as wire
    from supabase import AsyncClient

T = TypeVar("T")
LinkKind = Literal["signup", "invite", "magiclink", "recovery"]
VENDOR = "Supabase Auth"
API_VERSION = "2024-01-01"
PAGE, MOST_PAGES = 50, 200  # the server's own page size, so that a short page surely is the last
FOREVER = "876000h"  # a hundred years; Supabase knows no ban without an end
# httpx names every URL at INFO, and a search by mail address carries the address in its URL
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class User:
    """A user; `email` is in lower case. Only we can change `app_metadata`, the user also changes `user_metadata`."""

    id: UUID
    email: str = field(repr=False)
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any] = field(repr=False)
    is_confirmed: bool
    banned_until: datetime | None = None
    last_sign_in_at: datetime | None = None


@dataclass(frozen=True)
class Link:
    """A link that signs `user_id` in once, in three forms; `kind` is what became of the kind asked for.

    `redirect_to` is where it leads: the project's own site wherever the project does not allow what was asked for.
    """

    user_id: UUID
    kind: LinkKind
    redirect_to: str
    action_link: str = field(repr=False)
    hashed_token: str = field(repr=False)
    otp: str = field(repr=False)


@dataclass(frozen=True)
class Session:
    """A signed-in user; `claims` are those of the access token, as row-level security reads them."""

    user_id: UUID
    access_token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


class SupabaseAuth:
    """The users of one Supabase project, as its service role; open it and close it within one event loop.

    Signing in happens with the anon key, in a client of its own: a session would otherwise replace the service role in
    this client's headers.
    """

    def __init__(
        self,
        base_url: str,
        service_role_key: str,
        anon_key: str,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        patience: float = 300,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url, self._service_role_key, self._anon_key = base_url, service_role_key, anon_key
        self._timeout, self._attempts, self._patience = timeout, attempts, patience
        self._closing = AsyncExitStack()
        self._service: AsyncClient | None = None
        self._client = httpx.AsyncClient(
            verify=verify,
            timeout=timeout,
            follow_redirects=False,
            transport=transport,
            trust_env=not is_loopback(httpx.URL(base_url)),
        )
        self._http = VendorHttp(
            VENDOR,
            base_url,
            headers={
                "apikey": service_role_key,
                "Authorization": f"Bearer {service_role_key}",
                "X-Supabase-Api-Version": API_VERSION,
            },
            verify=verify,
            timeout=timeout,
            attempts=attempts,
            patience=patience,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._closing.enter_async_context(self._client)
        await self._closing.enter_async_context(self._http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    @property
    def skew(self) -> float | None:
        """By how many seconds the server's clock is ahead of ours, as far as it has said so."""
        return self._http.skew

    async def check_service_role(self) -> None:
        """Quiet when our key is the service role's; VendorRejected otherwise. It looks at one user at most."""
        await self._http.call("list users", "GET", "/auth/v1/admin/users", params={"page": 1, "per_page": 1})

    async def check_anon_key(self) -> None:
        """Quiet when the project takes our anon key; VendorRejected otherwise."""
        # this client's own key would be sent beside it
        headers = {"apikey": self._anon_key, "Authorization": f"Bearer {self._anon_key}"}
        await self._http.call("ask for health", "GET", "/auth/v1/health", headers=headers)

    async def create_user(
        self,
        user_id: UUID,
        email: str,
        *,
        app_metadata: Mapping[str, Any],
        user_metadata: Mapping[str, Any] | None = None,
        email_confirm: bool = True,
    ) -> User:
        """A new user with the id we chose and no known password. No mail is sent.

        Raises VendorRejected `email_exists` for an address in use. An id in use is a server error to Supabase, so look
        for the user (`find_user_by_id`) after VendorUnavailable.
        """
        wanted: Any = {
            "id": str(user_id),
            "email": email,
            "email_confirm": email_confirm,
            "app_metadata": dict(app_metadata),
            "user_metadata": dict(user_metadata or {}),
        }
        made = await self._ask("create user", lambda client: client.auth.admin.create_user(wanted), sure=False)
        return _user(made.user)

    async def find_user_by_id(self, user_id: UUID) -> User | None:
        """The user, or None."""
        try:
            found = await self._ask("find user", lambda client: client.auth.admin.get_user_by_id(str(user_id)))
        except VendorRejected as error:
            if error.status == 404:
                return None
            raise
        return _user(found.user)

    async def find_user_by_email(self, email: str) -> User | None:
        """The user with exactly this address, upper and lower case alike, or None.

        Supabase's filter also finds parts of addresses and names, and its client does not offer it: hence the pages.
        """
        from supabase_auth.types import UserList

        wanted, operation = email.strip().lower(), "find user by email"
        for page in range(1, MOST_PAGES + 1):
            params = {"filter": wanted, "page": page, "per_page": PAGE}
            response = await self._http.call(operation, "GET", "/auth/v1/admin/users", params=params)
            listed = self._http.read(operation, response, lambda body: UserList.model_validate(body).users)
            for user in listed:
                if (user.email or "").lower() == wanted:
                    return _user(user)
            if len(listed) < PAGE:
                return None
        raise VendorRejected(VENDOR, operation, f"{PAGE * MOST_PAGES} users match: the server does not seem to filter")

    async def update_user(
        self,
        user_id: UUID,
        *,
        email: str | None = None,
        app_metadata: Mapping[str, Any] | None = None,
        user_metadata: Mapping[str, Any] | None = None,
        password: str | None = None,
    ) -> User:
        """The user after the change; metadata is merged key by key, None removes a key; a new password ends every session.

        Raises VendorRejected (404) where there is no such user.
        """
        given = {"email": email, "app_metadata": app_metadata, "user_metadata": user_metadata, "password": password}
        changes = {key: value for key, value in given.items() if value is not None}
        return await self._update("update user", user_id, changes)

    async def ban_user(self, user_id: UUID) -> User:
        """The user, who can no longer sign in or renew a session; an access token lives on until it expires."""
        return await self._update("ban user", user_id, {"ban_duration": FOREVER})

    async def unban_user(self, user_id: UUID) -> User:
        """The user, who can sign in again."""
        return await self._update("unban user", user_id, {"ban_duration": "none"})

    async def delete_user(self, user_id: UUID) -> None:
        """There is no such user, whether or not there was one."""
        try:
            await self._ask("delete user", lambda client: client.auth.admin.delete_user(str(user_id)))
        except VendorRejected as error:
            if error.status != 404:
                raise

    async def generate_link(self, kind: LinkKind, email: str, *, redirect_to: str = "") -> Link:
        """A new single-use link; an older one no longer works, and `recovery` and `magiclink` count as one kind here.

        No mail is sent.
        For an address nobody has, `invite`, `signup` and `magiclink` make a user, with an id of Supabase's choice: look
        for the user first. `invite` and `signup` for a confirmed user are VendorRejected `email_exists`.
        """
        wanted: Any = {"type": kind, "email": email, "options": {"redirect_to": redirect_to}}
        made = await self._ask("generate link", lambda client: client.auth.admin.generate_link(wanted))
        link = made.properties
        became: Any = link.verification_type
        return Link(UUID(made.user.id), became, link.redirect_to, link.action_link, link.hashed_token, link.email_otp)

    async def verify_link(self, hashed_token: str, kind: LinkKind = "magiclink") -> Session:
        """The session that following the link gives; the link is used up.

        Raises VendorRejected `otp_expired` for a link that is used, replaced or too old.
        """
        anonymous = await self._connect(self._anon_key)
        proof: Any = {"type": kind, "token_hash": hashed_token}
        signed_in = await self._ask(
            "verify link", lambda client: client.auth.verify_otp(proof), sure=False, client=anonymous
        )
        if signed_in.session is None:
            raise VendorRejected(VENDOR, "verify link", "the link was taken, but no session came of it")
        return _session(signed_in.session)

    async def sign_in(self, email: str, password: str) -> Session:
        """The session that this address and password give.

        Raises VendorRejected: `invalid_credentials` for an unknown address as for a wrong password, `email_not_confirmed`,
        `user_banned`.
        """
        anonymous = await self._connect(self._anon_key)
        proof: Any = {"email": email, "password": password}
        signed_in = await self._ask(
            "sign in", lambda client: client.auth.sign_in_with_password(proof), sure=False, client=anonymous
        )
        if signed_in.session is None:
            raise VendorRejected(VENDOR, "sign in", "the password was taken, but no session came of it")
        return _session(signed_in.session)

    async def send_magic_link(self, email: str, *, redirect_to: str) -> str:
        """A link is mailed by Supabase to this user; the verifier that turns the code it leads to into a session.

        The link leads to `redirect_to?code=…` where the project allows that address. Raises VendorRejected: `otp_disabled` for an
        address nobody has, `over_email_send_rate_limit` for a second link within a minute.
        """
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        body = {
            "email": email,
            "create_user": False,
            "code_challenge": challenge,
            "code_challenge_method": "s256",
        }
        await self._http.call(
            "send magic link",
            "POST",
            "/auth/v1/otp",
            json=body,
            params={"redirect_to": redirect_to},
            headers={"apikey": self._anon_key, "Authorization": f"Bearer {self._anon_key}"},
        )
        return verifier

    async def exchange_code(self, code: str, verifier: str) -> Session:
        """The session for a code that a followed link has led to; it is used up.

        Raises VendorRejected: `flow_state_not_found` for a code that is used or unknown, `flow_state_expired`, `bad_code_verifier`
        when the link was asked for elsewhere.
        """
        anonymous = await self._connect(self._anon_key)
        proof: Any = {"auth_code": code, "code_verifier": verifier, "redirect_to": ""}
        signed_in = await self._ask(
            "exchange code", lambda client: client.auth.exchange_code_for_session(proof), sure=False, client=anonymous
        )
        if signed_in.session is None:
            raise VendorRejected(VENDOR, "exchange code", "the code was taken, but no session came of it")
        return _session(signed_in.session)

    async def end_session(self, session: Session) -> None:
        """No session of this user can be renewed any more, whether or not one could; access tokens just expire."""
        try:
            await self._ask("end session", lambda client: client.auth.admin.sign_out(session.access_token))
        except VendorRejected as error:
            if error.status not in {401, 403, 404}:
                raise

    async def _update(self, operation: str, user_id: UUID, changes: Any) -> User:
        changed = await self._ask(operation, lambda client: client.auth.admin.update_user_by_id(str(user_id), changes))
        return _user(changed.user)

    async def _connect(self, key: str) -> "AsyncClient":
        """A client with this key, on our connection."""
        from supabase import AsyncClientOptions, acreate_client  # slow to import, and not needed to build the graph

        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=self._client)
        return await acreate_client(self._base_url, key, options)

    async def _ask(
        self,
        operation: str,
        ask: Callable[["AsyncClient"], Awaitable[T]],
        *,
        sure: bool = True,
        client: "AsyncClient | None" = None,
    ) -> T:
        """The client's answer, the service role's unless told otherwise.

        Repeated like any call of VendorHttp, `sure` saying that a repetition does no harm.
        """
        from supabase import AuthError

        if client is None:
            client = self._service = self._service or await self._connect(self._service_role_key)
        started = time.monotonic()
        async for attempt in stamina.retry_context(
            on=lambda error: repeat_after(error, sure=sure, patience=self._patience - (time.monotonic() - started)),
            attempts=self._attempts,
            timeout=self._patience,
            wait_initial=0.25,
            wait_max=20,
            wait_jitter=0.5,
        ):
            with attempt:
                try:
                    async with asyncio.timeout(2 * self._timeout):
                        return await ask(client)
                except (AuthError, httpx.HTTPError, TimeoutError, ValueError) as error:
                    failure = _translated(operation, error)
                # outside the handler, so unchained: the client's errors may quote mail addresses
                raise failure
        raise AssertionError("unreachable: the last attempt returns or raises")


def _translated(operation: str, error: Exception) -> VendorError:
    """Our error for one of the client's, which carries httpx's as its cause."""
    cause = error.__cause__ or error
    match cause:
        case httpx.HTTPStatusError(response=response):
            return refusal(VENDOR, operation, response)
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return NothingDone(VENDOR, operation, f"cannot be reached ({type(cause).__name__})")
        case httpx.TimeoutException() | TimeoutError():
            return VendorUnavailable(VENDOR, operation, "no answer in time")
        case httpx.HTTPError():
            return VendorUnavailable(VENDOR, operation, f"the connection broke off ({type(cause).__name__})")
        case ValueError():  # pydantic's, for a body that is not what the API promises
            return VendorUnavailable(VENDOR, operation, "the answer cannot be read")
        case _:
            return VendorRejected(VENDOR, operation, f"the client refused ({type(error).__name__})")


def _user(user: "wire.User") -> User:
    return User(
        id=UUID(user.id),
        email=(user.email or "").lower(),
        app_metadata=user.app_metadata,
        user_metadata=user.user_metadata,
        is_confirmed=user.email_confirmed_at is not None,
        banned_until=datetime.fromisoformat(user.banned_until) if user.banned_until else None,
        last_sign_in_at=user.last_sign_in_at,
    )


def _session(session: "wire.Session") -> Session:
    return Session(UUID(session.user.id), session.access_token, _claims(session.access_token))


def _claims(token: str) -> dict[str, Any]:
    """What the token says. It comes straight from its issuer; whoever it is shown to checks the signature."""
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise VendorUnavailable(VENDOR, "verify link", "the access token cannot be read") from None
    return claims
