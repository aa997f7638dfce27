"""Sessions of signed-in users: access tokens (JWT, HS256) with real claims, and rotating refresh tokens.

Who may sign in is decided in `state` and `links`; here a session is only kept, renewed and ended.
"""

import string
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jwt

from tenant_provisioning.simulator.storage import Table
from tenant_provisioning.simulator.supabase.errors import AuthError, bad_jwt, user_banned, user_not_found
from tenant_provisioning.simulator.supabase.users import User, shown

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

LIFETIME = 3600  # seconds of an access token
REUSE_INTERVAL = 10  # seconds in which the refresh token just rotated away still answers with its successor
LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `refresh` is the only refresh token that works; empty when the whole family was revoked."""

    id: str
    user_id: str
    method: str
    created_at: float
    refresh: str
    previous: str = ""
    rotated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token that was ever given out, and the session it belongs to."""

    token: str
    session_id: str


class Sessions:
    """All sessions of the project."""

    def __init__(self, world: "World", users: Table[User], secret: str) -> None:
        self._world = world
        self._users = users
        self._secret = secret
        self._sessions = world.table("supabase.sessions", Session)
        self._tokens = world.table("supabase.refresh_tokens", RefreshToken)
        self._of_user: defaultdict[str, set[str]] = defaultdict(set)
        for session in self._sessions.values():
            self._of_user[session.user_id].add(session.id)

    def start(self, user: User, method: str, issuer: str) -> dict[str, object]:
        """A new session's answer; `method` is "password" or "otp" and ends up in the claims."""
        session = Session(self._world.new_id(), user.id, method, self._world.now(), self._new_refresh())
        self._tokens.put(session.refresh, RefreshToken(session.refresh, session.id))
        self._sessions.put(session.id, session)
        self._of_user[user.id].add(session.id)
        return self._answer(user, session, issuer)

    def renew(self, refresh: str, issuer: str) -> dict[str, object]:
        """The answer to a refresh token, which is used up by it; using one twice revokes the whole family."""
        known = self._tokens.get(refresh)
        session = self._sessions.get(known.session_id) if known else None
        user = self._users.get(session.user_id) if session else None
        if session is None or user is None:
            raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        now = self._world.now()
        if user.is_banned(now):
            raise user_banned(400, "Invalid Refresh Token: User Banned")
        if refresh == session.refresh:
            session = replace(session, refresh=self._new_refresh(), previous=refresh, rotated_at=now)
            self._tokens.put(session.refresh, RefreshToken(session.refresh, session.id))
            self._sessions.put(session.id, session)
        elif not session.refresh or refresh != session.previous or now - session.rotated_at > REUSE_INTERVAL:
            self._sessions.put(session.id, replace(session, refresh=""))
            raise AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        return self._answer(user, session, issuer)

    def end(self, user_id: str, *, only: str | None = None, keep: str | None = None) -> None:
        """End the user's sessions: all, only one, or all but one."""
        for session_id in list(self._of_user[user_id]):
            if session_id != keep and only in {None, session_id}:
                self._of_user[user_id].discard(session_id)
                self._sessions.delete(session_id)

    def claims(self, token: str) -> Mapping[str, object]:
        """The claims of a token this project signed and that has not expired; AuthError `bad_jwt` for any other."""
        try:
            claims: dict[str, object] = jwt.decode(
                token, self._secret, algorithms=["HS256"], options={"verify_aud": False, "verify_exp": False}
            )
        except jwt.PyJWTError as reason:
            raise bad_jwt(f"invalid JWT: unable to parse or verify signature, {reason}") from None
        expires = claims.get("exp")
        if isinstance(expires, int | float) and expires <= self._world.now():
            raise bad_jwt(
                "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired"
            )
        return claims

    def signed_in(self, token: str) -> tuple[User, Session]:
        """The user and session an access token stands for; AuthError when either is gone."""
        claims = self.claims(token)
        if not claims.get("sub"):
            raise bad_jwt("invalid claim: missing sub claim")
        user = self._users.get(str(claims["sub"]))
        if user is None or user.deleted_at is not None:
            raise user_not_found("User from sub claim in JWT does not exist", 403)
        session = self._sessions.get(str(claims.get("session_id")))
        if session is None:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, session

    def _answer(self, user: User, session: Session, issuer: str) -> dict[str, object]:
        now = int(self._world.now())
        claims = {
            "iss": issuer,
            "sub": user.id,
            "aud": "authenticated",
            "exp": now + LIFETIME,
            "iat": now,
            "email": user.email,
            "phone": user.phone,
            "app_metadata": dict(user.app_metadata),
            "user_metadata": dict(user.user_metadata),
            "role": user.role,
            "aal": "aal1",
            "amr": [{"method": session.method, "timestamp": int(session.created_at)}],
            "session_id": session.id,
            "is_anonymous": False,
        }
        return {
            "access_token": jwt.encode(claims, self._secret, algorithm="HS256"),
            "token_type": "bearer",
            "expires_in": LIFETIME,
            "expires_at": now + LIFETIME,
            "refresh_token": session.refresh,
            "user": shown(user),
        }

    def _new_refresh(self) -> str:
        return "".join(self._world.random.choices(LETTERS, k=12))
