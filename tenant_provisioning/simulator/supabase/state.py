"""The users of one Supabase project, and what may be done to them.

No HTTP here; one-time links are in `links`, sessions in `sessions`.
"""

import base64
import hashlib
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenant_provisioning.simulator.supabase import bodies, passwords
from tenant_provisioning.simulator.supabase.errors import (
    AuthError,
    database_error,
    email_exists,
    invalid,
    invalid_credentials,
    user_banned,
    user_not_found,
    weak_password,
)
from tenant_provisioning.simulator.supabase.flows import Flows
from tenant_provisioning.simulator.supabase.links import NO_LINKS, Links
from tenant_provisioning.simulator.supabase.sessions import Session, Sessions
from tenant_provisioning.simulator.supabase.users import User, ban_end, merged, rfc3339, valid_email
from tenant_provisioning.simulator.world import SUPABASE_JWT_SECRET

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World


class SupabaseState:
    """Users by id and by address, their sessions and their open links."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.users = world.table("supabase.users", User)
        self._by_email = {user.email: user.id for user in self.users.values() if user.email}
        self.sessions = Sessions(world, self.users, SUPABASE_JWT_SECRET)
        self.flows = Flows(world)
        self.links = Links(self)

    def seed(self) -> None:
        """A new project has no users."""

    def snapshot(self) -> dict[str, Any]:
        """Every user with the claims it signs in with, and every mail the vendor itself sent. No password, no token."""
        return {
            "users": [
                {
                    "id": user.id,
                    "email": user.email,
                    "app_metadata": dict(user.app_metadata),
                    "user_metadata": dict(user.user_metadata),
                    "email_confirmed": user.email_confirmed_at is not None,
                    "banned": user.is_banned(self.world.now()),
                    "last_sign_in_at": rfc3339(user.last_sign_in_at) if user.last_sign_in_at else None,
                    "deleted": user.deleted_at is not None,
                }
                for user in self.users.values()
            ],
            "mails": self.links.mails(),
        }

    def save(self, user: User, **changes: object) -> User:
        """The user with these changes, stored and found under its address."""
        changed = replace(user, updated_at=self.world.now(), **changes)  # type: ignore[arg-type]
        known = self.users.get(user.id)
        if known is not None and known.email != changed.email:
            self._by_email.pop(known.email, None)
        if changed.email:
            self._by_email[changed.email] = changed.id
        self.links.follow(known, changed)
        self.users.put(changed.id, changed)
        return changed

    def find_by_email(self, email: str) -> User | None:
        """The user with this address, in any case."""
        found = self._by_email.get(email.lower())
        return self.users.get(found) if found else None

    def get_user(self, user_id: str) -> User:
        """The user; 404 when there is none, `validation_failed` when the id is no UUID."""
        try:
            known = self.users.get(str(uuid.UUID(user_id)))
        except ValueError:
            raise invalid("user_id must be an UUID", 404) from None
        if known is None:
            raise user_not_found()
        return known

    def list_users(self, page: int, per_page: int, contains: str) -> tuple[list[User], int]:
        """One page of users, newest first, and how many there are in all; `contains` filters address and full name."""
        users = self.users.values()
        if contains:  # the address is compared as it is stored, in lower case; the name in any case
            name = contains.lower()
            users = [
                user
                for user in users
                if contains in user.email or name in str(user.user_metadata.get("full_name", "")).lower()
            ]
        users = sorted(users, key=lambda user: user.created_at)
        end = len(users) - (page - 1) * per_page
        return users[max(end - per_page, 0) : max(end, 0)][::-1], len(users)

    def create_user(self, given: bodies.AdminUser) -> User:
        """A new user as an administrator makes it. The password's strength is not checked, as the server does not."""
        if not given.email and not given.phone:
            raise invalid("Cannot create a user without either an email or phone")
        email = valid_email(given.email) if given.email else ""
        if email and self.find_by_email(email):
            raise email_exists()
        if given.password_hash:
            raise AuthError(501, "not_simulated", "The simulator knows no password hashes of others")
        if given.password:
            _check_length(given.password)
        now = self.world.now()
        banned = ban_end(given.ban_duration, now) if given.ban_duration else None
        user_id = _chosen_id(given.id) if given.id else self.world.new_id()
        if user_id in self.users:
            raise database_error("Database error creating new user")
        user = self.new_user(
            user_id, email, given.password or passwords.random_password(self.world.random), given.phone or ""
        )
        confirmed = {
            "email_confirmed_at": now,
            "user_metadata": {**(given.user_metadata or {}), "email_verified": True},
        }
        return self.save(
            user,
            app_metadata=merged(user.app_metadata, given.app_metadata or {}),
            role=given.role or user.role,
            banned_until=banned,
            phone_confirmed_at=now if given.phone_confirm else None,
            **(confirmed if given.email_confirm else {"user_metadata": merged({}, given.user_metadata or {})}),
        )

    def new_user(self, user_id: str, email: str, password: str, phone: str = "") -> User:
        """An unconfirmed user that is not stored yet; an empty password means that none fits."""
        provider = "email" if email else "phone"
        return User(
            id=user_id,
            email=email,
            phone=phone,
            password=passwords.hash_password(password, self.world.random) if password else "",
            created_at=self.world.now(),
            updated_at=self.world.now(),
            identity_id=self.world.new_id(),
            app_metadata={"provider": provider, "providers": [provider]},
        )

    def update_user(self, user: User, given: bodies.AdminUser) -> User:
        """What an administrator changes; a new password ends every session and link, and its strength is checked."""
        changes: dict[str, object] = {}
        if given.email:
            changes["email"] = valid_email(given.email)
            other = self.find_by_email(given.email)
            if other is not None and other.id != user.id:
                raise database_error("Error updating user")
        if given.password is not None:
            changes |= {"password": self._new_password(given.password), **NO_LINKS}
            self.sessions.end(user.id)
        if given.ban_duration:
            changes["banned_until"] = ban_end(given.ban_duration, self.world.now())
        for name in ("app_metadata", "user_metadata"):
            changes[name] = merged(getattr(user, name), getattr(given, name) or {})
        for name in ("phone", "role"):
            changes[name] = getattr(given, name) or getattr(user, name)
        if given.email_confirm:
            verified = merged({**user.user_metadata, "email_verified": True}, given.user_metadata or {})
            changes |= {"email_confirmed_at": self.world.now(), "user_metadata": verified, **NO_LINKS}
        return self.save(user, **changes)

    def update_own(self, user: User, session: Session, given: bodies.OwnUser) -> User:
        """What a signed-in user changes: a new password ends its other sessions and links, a new address awaits two."""
        if given.app_metadata is not None:
            raise AuthError(403, "not_admin", "Updating app_metadata requires admin privileges")
        changes: dict[str, object] = {}
        email = valid_email(given.email) if given.email else user.email
        if email != user.email and self.find_by_email(email):
            raise email_exists()
        if given.password is not None:
            changes = {"password": self._new_password(given.password), **NO_LINKS}
            if passwords.is_password(given.password, user.password):
                raise AuthError(422, "same_password", "New password should be different from the old password.")
            self.sessions.end(user.id, keep=session.id)
        if given.data is not None:
            changes["user_metadata"] = merged(user.user_metadata, given.data)
        user = self.save(user, **changes)
        return self.links.mail_email_change(user, email) if email != user.email else user

    def delete_user(self, user: User, *, soft: bool) -> None:
        """Remove the user and its sessions. Soft: the row stays, its address made unreadable and free for another."""
        self.sessions.end(user.id)
        if not soft:
            self.links.follow(user, None)
            self._by_email.pop(user.email, None)
            self.users.delete(user.id)
        elif user.deleted_at is None:
            hidden = base64.urlsafe_b64encode(hashlib.sha256(user.email.encode()).digest()).decode().rstrip("=")
            emptied = dict.fromkeys(("phone", "password", "new_email", *NO_LINKS), "")
            self.save(user, email=hidden, app_metadata={}, user_metadata={}, deleted_at=self.world.now(), **emptied)

    def sign_in(self, given: bodies.Password, issuer: str) -> dict[str, object]:
        """A session for address and password."""
        if given.phone:
            raise AuthError(422, "phone_provider_disabled", "Phone logins are disabled")
        if not given.email:
            raise invalid("missing email or phone")
        user = self.find_by_email(given.email)
        if user is None or not passwords.is_password(given.password or "", user.password):
            raise invalid_credentials()
        if user.is_banned(self.world.now()):
            raise user_banned(400)
        if user.email_confirmed_at is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        return self.start_session(user, "password", issuer)

    def start_session(self, user: User, method: str, issuer: str) -> dict[str, object]:
        """A session of a user that has proved who it is."""
        return self.sessions.start(self.save(user, last_sign_in_at=self.world.now()), method, issuer)

    def _new_password(self, password: str) -> str:
        _check_length(password)
        if len(password) < passwords.MINIMUM:
            raise weak_password(passwords.MINIMUM)
        return passwords.hash_password(password, self.world.random)


def _check_length(password: str) -> None:
    if len(password.encode()) > passwords.MAXIMUM_BYTES:
        raise invalid(f"Password cannot be longer than {passwords.MAXIMUM_BYTES} characters")


def _chosen_id(given: str) -> str:
    try:
        chosen = uuid.UUID(given)
    except ValueError:
        raise invalid("ID must conform to the uuid v4 format") from None
    if not chosen.int:
        raise invalid("ID cannot be a nil uuid")
    return str(chosen)
