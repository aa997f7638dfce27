"""One-time links: made by an administrator or mailed by the vendor, good once, for an hour, until a newer one is made.

A link is the hash of address and code; the user's row keeps the open ones. Sessions come after, in `sessions`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tenant_provisioning.simulator.supabase import bodies, passwords
from tenant_provisioning.simulator.supabase.errors import (
    AuthError,
    email_exists,
    invalid,
    otp_expired,
    user_banned,
    user_not_found,
    weak_password,
)
from tenant_provisioning.simulator.supabase.flows import PREFIX, check_challenge
from tenant_provisioning.simulator.supabase.post import Letter
from tenant_provisioning.simulator.supabase.users import User, merged, rfc3339, shown, valid_email

if TYPE_CHECKING:
    from tenant_provisioning.simulator.supabase.state import SupabaseState

LIFETIME = 3600  # seconds: a hosted project's default
MAILS_PER_HOUR = 30  # RateLimitEmailSent's default
MAIL_INTERVAL = 60  # seconds between two links to one user: SMTP.MaxFrequency's default
SLOTS = {
    "signup": ("confirmation_token",),
    "invite": ("confirmation_token",),
    "recovery": ("recovery_token",),
    "magiclink": ("recovery_token",),
    "email": ("confirmation_token", "recovery_token"),
    "email_change": ("email_change_token_current", "email_change_token_new"),
}
SENT_AT = {
    "confirmation_token": "confirmation_sent_at",
    "recovery_token": "recovery_sent_at",
    "email_change_token_current": "email_change_sent_at",
    "email_change_token_new": "email_change_sent_at",
}
NO_LINKS: Mapping[str, str] = dict.fromkeys(SENT_AT, "")  # a proof, or a new password, voids all that are open


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail the vendor itself sent: to whom, what for, when. Never its link."""

    recipient: str
    kind: str
    sent_at: float


class Links:
    """The open links of all users, found by their hash, and the mails that carried some of them."""

    def __init__(self, state: "SupabaseState") -> None:
        self._state = state
        self._world = state.world
        self._mails = state.world.table("supabase.mails", Mail)
        self._open: dict[str, str] = {}
        for user in state.users.values():
            self.follow(None, user)

    def follow(self, old: User | None, new: User | None) -> None:
        """Keep the index right when a user changes, comes or goes."""
        for slot in SENT_AT:
            before, after = (getattr(user, slot) if user else "" for user in (old, new))
            if before != after:
                self._open.pop(before, None)
                if after and new:
                    self._open[after] = new.id

    def mails(self) -> list[dict[str, str]]:
        """Every mail the vendor sent itself."""
        return [
            {"recipient": mail.recipient, "kind": mail.kind, "sent_at": rfc3339(mail.sent_at)}
            for mail in self._mails.values()
        ]

    def generate(self, given: bodies.GenerateLink, redirect_to: str, auth_url: str) -> dict[str, object]:
        """The user with a new link of the wished type beside it, which replaces an older one; nothing is mailed."""
        email = valid_email(given.email or "")
        kind, user = given.type or "", self._state.find_by_email(email)
        if user is None and kind in {"recovery", "email_change_current", "email_change_new"}:
            raise user_not_found("User with this email not found")
        password = given.password or ""
        if user is None and kind == "magiclink":
            kind, password = "signup", passwords.random_password(self._world.random)
        otp = self._code()
        token = token_hash(email, otp)
        if kind in {"invite", "signup"}:
            user = user or self._sign_up(kind, email, password)
            user = self._await_confirmation(kind, user, given.data or {}, token)
        elif user is not None and kind in {"magiclink", "recovery"}:
            user = self._state.save(user, recovery_token=token, recovery_sent_at=self._world.now())
        elif user is not None and kind.startswith("email_change_"):
            token = self._await_email_change(user, kind, given.new_email or "", otp)
            user = self._state.get_user(user.id)
        else:
            raise invalid(f"Invalid email action link type requested: {kind}")
        action = "email_change" if kind.startswith("email_change") else kind
        return {
            **shown(user),
            "action_link": action_link(auth_url, token, action, redirect_to),
            "email_otp": otp,
            "hashed_token": token,
            "verification_type": kind,
            "redirect_to": redirect_to,
        }

    def mail_magic_link(self, given: bodies.Otp, redirect_to: str, auth_url: str) -> Letter:
        """The letter with a new link, which replaces an older one. Who is new, or has not confirmed, gets a sign-up's.

        With a code challenge the link's token says so by its prefix, and following it gives a code.
        """
        _check_otp(given)
        email = valid_email(given.email or "")
        user = self._state.find_by_email(email)
        if user is None and given.create_user is False:
            raise AuthError(422, "otp_disabled", "Signups not allowed for otp")
        kind = "signup" if user is None or user.email_confirmed_at is None else "magiclink"
        slot = SLOTS[kind][0]
        self._check_mail_frequency(user, slot)
        self._check_mail_rate()
        token = (PREFIX if given.code_challenge else "") + token_hash(email, self._code())
        if kind == "signup":
            user = user or self._sign_up(kind, email, passwords.random_password(self._world.random))
            user = self._await_confirmation(kind, user, given.data or {}, token)
        elif user is not None:
            user = self._state.save(user, **{slot: token, SENT_AT[slot]: self._world.now()})
        assert user is not None  # noqa: S101 - made or found above
        if given.code_challenge:
            self._state.flows.begin(user.id, given.code_challenge, given.code_challenge_method or "")
        self._mail(email, kind)
        return Letter(email, kind, action_link(auth_url, token, kind, redirect_to))

    def invite(self, given: bodies.Invite) -> User:
        """The invited user, made when there was none; a mail is sent, again for one that has not confirmed."""
        email = valid_email(given.email or "")
        user = self._state.find_by_email(email)
        if user is not None and user.email_confirmed_at is not None:
            raise email_exists()
        self._check_mail_rate()
        user = user or self._sign_up("invite", email, "")
        user = self._await_confirmation("invite", user, given.data or {}, token_hash(email, self._code()))
        self._mail(email, "invite")
        return user

    def mail_email_change(self, user: User, new_email: str) -> User:
        """The user waiting for a new address to be confirmed from the old mailbox and the new one."""
        self._check_mail_rate()
        otp = self._code()
        for recipient in (user.email, new_email):
            self._mail(recipient, "email_change")
        return self._state.save(
            user,
            new_email=new_email,
            email_change_sent_at=self._world.now(),
            email_change_half_done=False,
            email_change_token_current=token_hash(user.email, otp),
            email_change_token_new=token_hash(new_email, otp),
        )

    def redeem(self, given: bodies.Verify) -> User | None:
        """The user a link or code proves, confirmed by it; None when an e-mail change still waits for its other link.

        Whatever is wrong with the link, the answer is `otp_expired`.
        """
        kind = given.type or ""
        if kind not in SLOTS:
            raise invalid("Invalid email verification type")
        hashed = given.token_hash or token_hash(given.email or "", given.token or "")
        wrong = "Email link is invalid or has expired" if given.token_hash else "Token has expired or is invalid"
        if not given.token_hash and hashed not in self._open:
            hashed = PREFIX + hashed  # a code is good in either flow
        user_id = self._open.get(hashed)
        user = self._state.users.get(user_id) if user_id else None
        slot = next((slot for slot in SLOTS[kind] if user is not None and getattr(user, slot) == hashed), None)
        if user is None or slot is None:
            raise otp_expired(wrong)
        if user.is_banned(self._world.now()):
            raise user_banned(403)
        if self._world.now() > getattr(user, SENT_AT[slot]) + LIFETIME:
            raise otp_expired(wrong)
        if kind == "email_change":
            return self._change_email(user, slot)
        return self._confirm(user)

    def _confirm(self, user: User) -> User:
        changes: dict[str, object] = dict(NO_LINKS)
        if user.email_confirmed_at is None:
            changes["email_confirmed_at"] = self._world.now()
            changes["user_metadata"] = merged(user.user_metadata, {"email_verified": True})
        return self._state.save(user, **changes)

    def _change_email(self, user: User, slot: str) -> User | None:
        if not user.email_change_half_done:
            self._state.save(user, email_change_half_done=True, **{slot: ""})
            return None
        return self._state.save(user, email=user.new_email, new_email="", email_change_half_done=False, **NO_LINKS)

    def _sign_up(self, kind: str, email: str, password: str) -> User:
        if kind == "signup":
            _check_signup_password(password)
        return self._state.new_user(self._world.new_id(), email, password)

    def _await_confirmation(self, kind: str, user: User, data: Mapping[str, object], token: str) -> User:
        if user.email_confirmed_at is not None:
            raise email_exists()
        now = self._world.now()
        changes: dict[str, object] = {"confirmation_token": token, "confirmation_sent_at": now}
        if kind == "invite":
            changes["invited_at"] = now
        if kind == "signup" or user.id not in self._state.users:  # an invitation leaves the data of a user that exists
            changes["user_metadata"] = merged(user.user_metadata, data)
        return self._state.save(user, **changes)

    def _await_email_change(self, user: User, kind: str, new_email: str, otp: str) -> str:
        wanted = valid_email(new_email)
        other = self._state.find_by_email(wanted)
        if other is not None and other.id != user.id:
            raise email_exists()
        current = kind == "email_change_current"
        token = token_hash(user.email if current else wanted, otp)
        slot = "email_change_token_current" if current else "email_change_token_new"
        now = self._world.now()
        self._state.save(
            user, new_email=wanted, email_change_sent_at=now, email_change_half_done=False, **{slot: token}
        )
        return token

    def _code(self) -> str:
        return f"{self._world.random.randrange(1_000_000):06d}"

    def _check_mail_rate(self) -> None:
        recent = [mail for mail in self._mails.values()[-MAILS_PER_HOUR:] if mail.sent_at > self._world.now() - 3600]
        if len(recent) >= MAILS_PER_HOUR:
            raise AuthError(429, "over_email_send_rate_limit", "email rate limit exceeded")

    def _check_mail_frequency(self, user: User | None, slot: str) -> None:
        sent_at = getattr(user, SENT_AT[slot]) if user is not None else None
        if sent_at is not None and (left := sent_at + MAIL_INTERVAL - self._world.now()) > 0:
            said = f"For security purposes, you can only request this after {int(left)} seconds."
            raise AuthError(429, "over_email_send_rate_limit", said)

    def _mail(self, recipient: str, kind: str) -> None:
        self._mails.put(self._world.new_id(), Mail(recipient, kind, self._world.now()))


def action_link(auth_url: str, token: str, kind: str, redirect_to: str) -> str:
    """The address that a browser follows."""
    return f"{auth_url}/verify?token={token}&type={kind}&redirect_to={quote(redirect_to, safe=':/')}"


def token_hash(email: str, otp: str) -> str:
    """The hash a link carries, as the server makes it."""
    return hashlib.sha224((email.lower() + otp).encode()).hexdigest()


def _check_signup_password(password: str) -> None:
    if not password:
        raise invalid("Signup requires a valid password")
    if len(password.encode()) > passwords.MAXIMUM_BYTES:
        raise invalid(f"Password cannot be longer than {passwords.MAXIMUM_BYTES} characters")
    if len(password) < passwords.MINIMUM:
        raise weak_password(passwords.MINIMUM)


def _check_otp(given: bodies.Otp) -> None:
    if given.email and given.phone:
        raise invalid("Only an email address or phone number should be provided")
    if given.email and given.channel:
        raise invalid("Channel should only be specified with Phone OTP")
    check_challenge(given)
    if given.phone:
        raise AuthError(400, "phone_provider_disabled", "Unsupported phone provider")
    if not given.email:
        raise invalid("One of email or phone must be set")
