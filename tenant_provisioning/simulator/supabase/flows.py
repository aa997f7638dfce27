"""Proof keys (PKCE): a link that was asked for with a challenge gives a code, which only the asker's verifier turns into a session.

The sentences, codes and the five minutes are those of the server's source (pkce.go, flow_state.go, token.go).
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenant_provisioning.simulator.supabase import bodies
from tenant_provisioning.simulator.supabase.errors import AuthError, invalid

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

PREFIX = "pkce_"
LIFETIME = 300  # seconds from the moment the code was given out
SHORTEST, LONGEST = 43, 128
ALLOWED = re.compile(r"[a-zA-Z._~0-9-]+")


@dataclass(frozen=True, slots=True)
class Flow:
    """One request for a link with a challenge; `issued_at` is when its link was followed."""

    code: str
    user_id: str
    challenge: str
    method: str
    created_at: float
    issued_at: float | None = None


class Flows:
    """All that are open, found by their code."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._flows = world.table("supabase.flows", Flow)

    def begin(self, user_id: str, challenge: str, method: str) -> None:
        """A flow of this user; the newest is the one a link belongs to."""
        flow = Flow(self._world.new_id(), user_id, challenge, method.lower(), self._world.now())
        self._flows.put(flow.code, flow)

    def issue(self, user_id: str) -> str:
        """The code for a user who has followed the link."""
        mine = [flow for flow in self._flows.values() if flow.user_id == user_id]
        if not mine:
            raise AuthError(404, "flow_state_not_found", "No valid flow state found for user.")
        newest = max(mine, key=lambda flow: flow.created_at)
        self._flows.put(newest.code, replace(newest, issued_at=self._world.now()))
        return newest.code

    def redeem(self, given: bodies.CodeExchange) -> str:
        """The id of the user whom code and verifier prove; the code is used up."""
        if not given.auth_code or not given.code_verifier:
            raise invalid("invalid request: both auth code and code verifier should be non-empty")
        flow = self._flows.get(given.auth_code)
        if flow is None:
            raise AuthError(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
        if self._world.now() > (flow.issued_at or flow.created_at) + LIFETIME:
            raise AuthError(403, "flow_state_expired", "invalid flow state, flow state has expired")
        if not hmac.compare_digest(flow.challenge.encode(), _challenge(given.code_verifier, flow.method).encode()):
            raise AuthError(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
        self._flows.delete(flow.code)
        return flow.user_id


def check_challenge(given: bodies.Otp) -> None:
    """Raise AuthError for a challenge without its method, or of a form that none has."""
    challenge, method = given.code_challenge or "", given.code_challenge_method or ""
    if bool(challenge) != bool(method):
        raise invalid("PKCE flow requires code_challenge_method and code_challenge")
    if not challenge:
        return
    if not SHORTEST <= len(challenge) <= LONGEST:
        raise invalid(f"code challenge has to be between {SHORTEST} and {LONGEST} characters")
    if not ALLOWED.fullmatch(challenge):
        raise invalid(
            "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes"
        )
    if method.lower() not in {"s256", "plain"}:
        # the server does not foresee it and lets its database's error out
        raise AuthError(500, "unexpected_failure", f'unsupported code_challenge method "{method}"')


def _challenge(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
