"""Where the platform's own secrets are kept: one interface, and the simplest of its two providers, the environment.

The other is Azure Key Vault, in `key_vault`. Which setting refers to which secret is decided in `settings`; the secrets
of tenants lie encrypted in the database and are `store.vault`'s business.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tenant_provisioning.model.errors import SetupError


@dataclass(frozen=True)
class StoredSecret:
    """A secret and what its keeper knows of it; the value is left out of what is printed."""

    name: str
    value: str = field(repr=False)
    created_on: datetime | None = None
    expires_on: datetime | None = None


class SecretProvider(Protocol):
    """A keeper of secrets; safe to ask from several threads at once."""

    def get_secret(self, name: str) -> StoredSecret:
        """The secret; SetupError where there is none of this name, VendorError where the keeper refuses or is away."""


class EnvironmentSecrets:
    """Secrets that lie in environment variables under names of somebody else's choosing."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def get_secret(self, name: str) -> StoredSecret:
        """The variable's value; SetupError where it is not set or empty."""
        value = self._environment.get(name)
        if not value:
            raise SetupError(f"the environment variable {name} is not set")
        return StoredSecret(name, value)
