"""Tokens of the identity that Azure gives the machine we run on: what opens the key vault when the service principal's
own credential lies in it.

MSAL knows where each kind of Azure host answers. A service principal's tokens are `microsoft`'s.
"""

import threading
import time
from pathlib import Path
from typing import Any

from tenant_provisioning.model.errors import SetupError, VendorUnavailable
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.microsoft import Wire

NONE_HERE = (
    "this machine has no managed identity that gives a token. Run it where Azure gives one, or set ENTRA_CLIENT_SECRET "
    "or ENTRA_CLIENT_CERTIFICATE_PATH to a plain value, so that the service principal itself opens the key vault"
)


class ManagedIdentityTokens:
    """The machine's own identity, asked when the first token is needed; safe to share by threads."""

    def __init__(self, *, ca_file: Path | None = None, timeout: float = 30) -> None:
        self._ca_file, self._timeout = ca_file, timeout
        self._asking = threading.Lock()
        self._kept: dict[str, tuple[str, float]] = {}

    def blocking_token(self, scope: str) -> tuple[str, float]:
        """A bearer token and when it ends; SetupError where the machine has no such identity."""
        with self._asking:
            token, until = self._kept.get(scope, ("", 0.0))
            if time.time() < until:
                return token, until
            answer = self._ask(scope.removesuffix("/.default"))
            until = time.time() + 0.9 * float(answer.get("expires_in", 0))
            self._kept[scope] = (str(answer["access_token"]), until)
            return self._kept[scope]

    def _ask(self, resource: str) -> dict[str, Any]:
        from msal import ManagedIdentityClient, ManagedIdentityError, SystemAssignedManagedIdentity

        client = ManagedIdentityClient(
            SystemAssignedManagedIdentity(), http_client=Wire(trust(self._ca_file), self._timeout, None)
        )
        try:
            answer: dict[str, Any] = client.acquire_token_for_client(resource=resource)
        except VendorUnavailable as away:
            # off Azure nothing answers at the address that every Azure host answers at
            raise SetupError(f"{NONE_HERE} ({away.message})") from None
        except (ManagedIdentityError, ValueError):
            raise SetupError(NONE_HERE) from None
        if "access_token" not in answer:
            said = str(answer.get("error_description") or answer.get("error") or "it gave no token")[:200]
            raise SetupError(f"{NONE_HERE} ({said})")
        return answer
