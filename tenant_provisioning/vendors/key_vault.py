"""Azure Key Vault, where the platform keeps its own secrets: read by name, and written with soft-deleted names recovered.

Microsoft's client speaks; it answers the vault's challenge and refuses one that names another host. Its errors are
translated here. It blocks: settings are read before there is anything else to do, everybody else asks it in a thread.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx

from tenant_provisioning.model.errors import SetupError, VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._answers import LONGEST_MESSAGE
from tenant_provisioning.vendors._http import is_loopback
from tenant_provisioning.vendors.microsoft import KEY_VAULT_SCOPE
from tenant_provisioning.vendors.secret_providers import StoredSecret

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import AzureError
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient

T = TypeVar("T")
VENDOR = "Azure Key Vault"
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
# what goes on for some seconds behind an answer that was given already
BUSY = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered"})
SETTLING = 60.0  # seconds
# it logs every request's address and headers
logging.getLogger("azure").setLevel(logging.WARNING)


class BlockingTokens(Protocol):
    """Who gives tokens to a client that blocks."""

    def blocking_token(self, scope: str) -> tuple[str, float]:
        """A bearer token and when it ends, in seconds since the epoch."""


class KeyVault:
    """The secrets of one vault; nothing is sent before the first is asked for.

    `attempts` counts the first. `ca_file` (PEM) is trusted instead of the usual authorities, not beside them.
    """

    def __init__(
        self,
        vault_url: str,
        tokens: BlockingTokens,
        *,
        ca_file: Path | None = None,
        timeout: float = 30,
        attempts: int = 6,
    ) -> None:
        if not re.fullmatch(r"https://[^\s/]+/?", vault_url):
            raise SetupError("KEY_VAULT_URL is not a vault's address such as https://NAME.vault.azure.net")
        self.url = vault_url.rstrip("/")
        self._tokens, self._ca_file, self._timeout, self._attempts = tokens, ca_file, timeout, attempts
        self._kept: SecretClient | None = None

    def get_secret(self, name: str) -> StoredSecret:
        """The newest version, or that of NAME/VERSION. SetupError where there is none; VendorRejected, VendorUnavailable."""
        plain, _, version = name.partition("/")
        if not NAME.fullmatch(plain):
            raise SetupError(f"“{plain[:40]}” is no name of a secret: Key Vault takes letters, digits and dashes")
        client = self._client()
        return _stored(self._asked("get secret", plain, lambda: client.get_secret(plain, version or None)))

    def set_secret(self, name: str, value: str, *, expires_on: datetime | None = None) -> StoredSecret:
        """The secret with a new version; a name that was deleted and can be recovered is recovered first.

        Raises VendorRejected, VendorUnavailable.
        """
        client, until = self._client(), time.monotonic() + SETTLING
        pause = 0.1
        while True:
            try:
                return _stored(
                    self._asked("set secret", name, lambda: client.set_secret(name, value, expires_on=expires_on))
                )
            except VendorRejected as refusal:
                if refusal.code == "ObjectIsDeletedButRecoverable":
                    self._recover(name)
                elif refusal.code not in BUSY:
                    raise
                if time.monotonic() > until:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 5)

    def delete_secret(self, name: str) -> None:
        """The secret is deleted as far as Key Vault deletes: for 90 days its name is taken and it can be recovered."""
        client = self._client()
        with suppress(SetupError):
            self._asked("delete secret", name, lambda: client.begin_delete_secret(name))

    def _recover(self, name: str) -> None:
        """The soft-deleted secret is on its way back; the caller goes on asking until it is there."""
        client = self._client()
        # somebody else may be recovering it at this moment
        with suppress(SetupError, VendorRejected):
            self._asked("recover secret", name, lambda: client.begin_recover_deleted_secret(name))

    def _client(self) -> "SecretClient":
        from azure.keyvault.secrets import SecretClient

        if self._kept is None:
            loopback = is_loopback(httpx.URL(self.url))
            self._kept = SecretClient(
                self.url,
                _Credential(self._tokens),
                verify_challenge_resource=not loopback,
                connection_verify=str(self._ca_file) if self._ca_file else True,
                use_env_settings=not loopback,
                connection_timeout=self._timeout,
                read_timeout=self._timeout,
                retry_total=self._attempts - 1,
            )
        return self._kept

    def _asked(self, operation: str, name: str, ask: Callable[[], T]) -> T:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            return ask()
        except ResourceNotFoundError as absent:
            raise SetupError(f"there is no secret “{name}” in the key vault {self.url}{_disabled(absent)}") from None
        except AzureError as failure:
            # not chained: the client's errors hold the whole exchange
            raise self._error(operation, name, failure) from None

    def _error(self, operation: str, name: str, failure: "AzureError") -> VendorError:
        from azure.core.exceptions import HttpResponseError

        if not isinstance(failure, HttpResponseError) or failure.response is None:
            return VendorUnavailable(VENDOR, operation, f"{self.url} cannot be reached ({type(failure).__name__})")
        status, code, said = int(failure.status_code or 0), *_refusal(failure.response)
        request_id = getattr(failure.response, "headers", {}).get("x-ms-request-id")
        if status in {408, 429} or status >= 500:
            return VendorUnavailable(VENDOR, operation, said, status=status, code=code, request_id=request_id)
        if status == 403 and code != "SecretDisabled":
            said += f". Give this identity the role “Key Vault Secrets User” on {self.url}"
        if status == 403 and code == "SecretDisabled":
            said = f"the secret “{name}” is disabled. Enable it, or name another"
        return VendorRejected(VENDOR, operation, said, status=status, code=code, request_id=request_id)


class _Credential:
    """What Microsoft's clients ask for tokens."""

    def __init__(self, tokens: BlockingTokens) -> None:
        self._tokens = tokens

    def get_token(self, *_scopes: str, **_options: Any) -> "AccessToken":
        """A token for Key Vault, whatever scope and tenant the challenge names: it may not choose for us."""
        from azure.core.credentials import AccessToken

        token, until = self._tokens.blocking_token(KEY_VAULT_SCOPE)
        return AccessToken(token, int(until))


def _stored(secret: "KeyVaultSecret") -> StoredSecret:
    told = secret.properties
    return StoredSecret(str(secret.name), secret.value or "", told.created_on, told.expires_on)


def _refusal(response: Any) -> tuple[str | None, str]:
    """The code, the inner one where there is one, and the sentence; Key Vault's messages name secrets, never values."""
    try:
        error = response.json()["error"]
        inner = (error.get("innererror") or {}).get("code")
        return inner or error.get("code"), " ".join(str(error.get("message", "")).split())[:LONGEST_MESSAGE]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, "the request was not accepted"


def _disabled(absent: "AzureError") -> str:
    """A hint where the name is not unknown but deleted."""
    return ", or it was deleted" if "recently deleted" in str(absent) else ""
