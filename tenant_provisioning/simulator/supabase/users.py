"""A user of Supabase Auth: the stored record, and the record as the API shows it.

What may be done to a user is in `state`; sessions and their tokens are in `sessions`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tenant_provisioning.simulator.supabase.errors import invalid

EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]]+@[^@\s.<>]+(\.[^@\s.<>]+)+")
GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class User:
    """One row of `auth.users`. Times are seconds since the epoch; the four tokens are hashes of open one-time links."""

    id: str
    email: str
    password: str
    created_at: float
    updated_at: float
    identity_id: str
    phone: str = ""
    role: str = "authenticated"
    app_metadata: Mapping[str, object] = field(default_factory=dict)
    user_metadata: Mapping[str, object] = field(default_factory=dict)
    email_confirmed_at: float | None = None
    phone_confirmed_at: float | None = None
    invited_at: float | None = None
    confirmation_sent_at: float | None = None
    recovery_sent_at: float | None = None
    email_change_sent_at: float | None = None
    last_sign_in_at: float | None = None
    banned_until: float | None = None
    deleted_at: float | None = None
    new_email: str = ""
    email_change_half_done: bool = False
    confirmation_token: str = ""
    recovery_token: str = ""
    email_change_token_current: str = ""
    email_change_token_new: str = ""

    def is_banned(self, now: float) -> bool:
        """True while a ban lasts."""
        return self.banned_until is not None and self.banned_until > now


def shown(user: User) -> dict[str, object]:
    """The user as every endpoint shows it: absent times are left out, empty strings are not."""
    times = {
        "email_confirmed_at": user.email_confirmed_at,
        "phone_confirmed_at": user.phone_confirmed_at,
        "confirmed_at": user.email_confirmed_at or user.phone_confirmed_at,
        "invited_at": user.invited_at,
        "confirmation_sent_at": user.confirmation_sent_at,
        "recovery_sent_at": user.recovery_sent_at,
        "email_change_sent_at": user.email_change_sent_at,
        "last_sign_in_at": user.last_sign_in_at,
        "banned_until": user.banned_until,
        "deleted_at": user.deleted_at,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }
    return {
        "id": user.id,
        "aud": "authenticated",
        "role": user.role,
        "email": user.email,
        "phone": user.phone,
        **{name: rfc3339(at) for name, at in times.items() if at is not None},
        **({"new_email": user.new_email} if user.new_email else {}),
        "app_metadata": dict(user.app_metadata),
        "user_metadata": dict(user.user_metadata),
        "identities": [_identity(user)] if user.email and user.deleted_at is None else [],
        "is_anonymous": False,
    }


def _identity(user: User) -> dict[str, object]:
    return {
        "identity_id": user.identity_id,
        "id": user.id,
        "user_id": user.id,
        "identity_data": {"email": user.email, "email_verified": False, "phone_verified": False, "sub": user.id},
        "provider": "email",
        "last_sign_in_at": rfc3339(user.created_at),
        "created_at": rfc3339(user.created_at),
        "updated_at": rfc3339(user.created_at),
        "email": user.email,
    }


def rfc3339(at: float) -> str:
    """A time as Go writes what Postgres keeps: microseconds and Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def merged(old: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Metadata after an update: keys are replaced one by one, and null removes a key."""
    return {key: value for key, value in {**old, **changes}.items() if value is not None}


def valid_email(email: str) -> str:
    """The address as it is stored, in lower case; AuthError when it is none."""
    if not email:
        raise invalid("An email address is required")
    if len(email) > 255:
        raise invalid("An email address is too long")
    if not EMAIL.fullmatch(email):
        raise invalid("Unable to validate email address: invalid format")
    return email.lower()


def ban_end(duration: str, now: float) -> float | None:
    """When a ban of a Go duration ("24h", "1h30m") ends; None lifts it ("none")."""
    if duration == "none":
        return None
    parts = GO_DURATION.findall(duration)
    if duration != "0" and (not parts or "".join(number + unit for number, unit in parts) != duration):
        raise invalid(f'invalid format for ban duration: time: invalid duration "{duration}"')
    return now + sum(float(number) * SECONDS[unit] for number, unit in parts)
