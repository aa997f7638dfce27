"""The secrets of one vault: every set is a new version, a delete is soft, a deleted secret keeps its name taken.

Delete, recover and purge are answered at once and take effect a little later, as at the vendor; not so under
`instant`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tenant_provisioning.simulator.key_vault.errors import (
    bad_parameter,
    deleted_but_recoverable,
    deleted_not_found,
    disabled,
    not_found,
    still_busy,
)

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LONGEST_VALUE = 25_600  # characters
RECOVERABLE_DAYS = 90
DAY = 86_400
PROCESSES = {"deleted": "delete", "recovered": "recover", "purged": "purge"}


@dataclass(frozen=True, slots=True)
class Version:
    """One value a secret has had. Times are seconds since the epoch."""

    id: str
    value: str
    created: int
    updated: int
    content_type: str | None = None
    tags: Mapping[str, str] | None = None
    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A name and its versions, oldest first. `doing` still goes on behind the last answer, until `busy_until`."""

    name: str
    versions: tuple[Version, ...]
    deleted_at: int | None = None
    doing: str = ""
    busy_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """What a caller sets of a version; None leaves it as it is."""

    content_type: str | None = None
    tags: Mapping[str, str] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class KeyVaultKnobs(BaseModel):
    """What a test may change about the vault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    readable: bool = Field(default=True, description="whether callers have a role that lets them read secrets")
    writable: bool = Field(default=True, description="whether callers have a role that lets them write secrets")


class KeyVaultState:
    """The vault."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = KeyVaultKnobs()
        self._secrets = world.table("key_vault.secrets", Secret)  # names are found without regard to case

    def seed(self) -> None:
        """A new vault is empty."""

    def snapshot(self) -> dict[str, Any]:
        """Names, tags and states of all secrets; never a value."""
        found = [self._find(name) for name in self._secrets.ids()]
        return {
            "secrets": [
                {
                    "name": secret.name,
                    "versions": len(secret.versions),
                    "tags": dict(secret.versions[-1].tags or {}),
                    "deleted": secret.deleted_at is not None,
                }
                for secret in found
                if secret is not None
            ]
        }

    def set_secret(self, name: str, value: str, given: Change) -> tuple[Secret, Version]:
        """A new version of the secret, made with the first."""
        if not NAME.fullmatch(name):
            raise bad_parameter(f"The request URI contains an invalid name: {name}")
        if len(value) > LONGEST_VALUE:
            raise bad_parameter(f"The secret value is too long. The maximum length is {LONGEST_VALUE} characters.")
        known = self._usable(name)
        now = int(self._world.now())
        version = _changed(Version(self._world.new_id().replace("-", ""), value, now, now), given, now)
        secret = replace(known, versions=(*known.versions, version)) if known else Secret(name, (version,))
        return self._keep(secret), version

    def get_version(self, name: str, version_id: str | None) -> tuple[Secret, Version]:
        """One version, or the latest; a disabled one cannot be read."""
        secret = self._live(name)
        version = self._version(secret, version_id)
        if not version.enabled:
            raise disabled()
        return secret, version

    def update_version(self, name: str, version_id: str | None, given: Change) -> tuple[Secret, Version]:
        """A version, or the latest, with other tags, type or attributes; its value cannot change."""
        secret = self._live(name)
        old = self._version(secret, version_id)
        new = _changed(old, given, int(self._world.now()))
        return self._keep(replace(secret, versions=tuple(new if v is old else v for v in secret.versions))), new

    def delete_secret(self, name: str) -> Secret:
        """The secret, now soft-deleted with all its versions."""
        secret = self._live(name)
        return self._begin(replace(secret, deleted_at=int(self._world.now())), "deleted")

    def recover_secret(self, name: str) -> Secret:
        """The secret, live again."""
        return self._begin(replace(self.get_deleted(name), deleted_at=None), "recovered")

    def purge_secret(self, name: str) -> None:
        """The secret is gone for good, a few seconds later."""
        self._begin(self.get_deleted(name), "purged")
        self._find(name)

    def get_secret(self, name: str) -> Secret:
        """The live secret with all its versions."""
        return self._live(name)

    def get_deleted(self, name: str) -> Secret:
        """The soft-deleted secret, once its deletion has taken effect."""
        secret = self._find(name)
        if secret is None or secret.deleted_at is None or secret.doing == "deleted":
            raise deleted_not_found(name)
        if secret.doing:
            raise still_busy(name, secret.doing)
        return secret

    def list_secrets(self, *, deleted: bool) -> list[Secret]:
        """All live secrets, or all deleted ones, by name."""
        found = (self._find(name) for name in sorted(self._secrets.ids()))
        return [secret for secret in found if secret and (secret.deleted_at is not None) == deleted]

    def _usable(self, name: str) -> Secret | None:
        """The live secret of a name that may be written, or None; 409 while the name is taken by a deleted one."""
        secret = self._find(name)
        if secret is not None and secret.doing:
            raise still_busy(name, secret.doing)
        if secret is not None and secret.deleted_at is not None:
            raise deleted_but_recoverable(name)
        return secret

    def _live(self, name: str) -> Secret:
        secret = self._find(name)
        if secret is None or secret.deleted_at is not None or secret.doing:
            raise not_found(name)
        return secret

    def _version(self, secret: Secret, version_id: str | None) -> Version:
        if version_id is None:
            return secret.versions[-1]
        found = next((version for version in secret.versions if version.id == version_id), None)
        if found is None:
            raise not_found(f"{secret.name}/{version_id}")
        return found

    def _find(self, name: str) -> Secret | None:
        """The secret as it is now: work that is done has taken effect, and 90 days after its deletion it is gone."""
        secret = self._secrets.get(name.lower())
        if secret is None:
            return None
        now = self._world.now()
        if secret.doing and secret.busy_until <= now:
            if secret.doing == "purged":
                self._secrets.delete(name.lower())
                return None
            secret = self._keep(replace(secret, doing=""))
        if secret.deleted_at is not None and secret.deleted_at + RECOVERABLE_DAYS * DAY < now:
            self._secrets.delete(name.lower())
            return None
        return secret

    def _begin(self, secret: Secret, doing: str) -> Secret:
        seconds = self._world.latency.lasts(f"key_vault.{PROCESSES[doing]}")
        return self._keep(replace(secret, doing=doing, busy_until=self._world.now() + seconds))

    def _keep(self, secret: Secret) -> Secret:
        return self._secrets.put(secret.name.lower(), secret)


def _changed(version: Version, given: Change, now: int) -> Version:
    attributes = given.attributes
    return replace(
        version,
        updated=now,
        content_type=version.content_type if given.content_type is None else given.content_type,
        tags=version.tags if given.tags is None else given.tags,
        enabled=attributes.get("enabled", version.enabled),
        not_before=attributes.get("nbf", version.not_before),
        expires=attributes.get("exp", version.expires),
    )
