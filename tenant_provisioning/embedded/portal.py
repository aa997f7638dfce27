"""The portal among the embedded parts: its process, and an account for whoever looks at it.

The account is the simulated world's and opens nothing anywhere else.
"""

import secrets
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx

from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.kept import kept_secret
from tenant_provisioning.embedded.ports import LOOPBACK
from tenant_provisioning.embedded.processes import Program
from tenant_provisioning.model.errors import SetupError


@dataclass(frozen=True)
class Operator:
    """A super admin of the embedded default; the password is made once a data directory."""

    password: str = field(repr=False)
    email: str = f"operator@{SIMULATED_WORLD['PLATFORM_DOMAIN']}"


def operator_of(data_dir: Path) -> Operator:
    """The operator of this data directory."""
    return Operator(kept_secret(data_dir / "secrets" / "operator-password", lambda: secrets.token_urlsafe(9)))


def create_account(operator: Operator, settings: Mapping[str, str]) -> None:
    """The operator can sign in; one that is there already keeps its password."""
    key = settings["SUPABASE_SERVICE_ROLE_KEY"]
    account = {
        "email": operator.email,
        "password": operator.password,
        "email_confirm": True,
        "app_metadata": {"role": "platform_admin"},
    }
    answer = httpx.post(
        f"{settings['SUPABASE_URL']}/auth/v1/admin/users",
        json=account,
        headers={"apikey": key, "Authorization": f"Bearer {key}"},
        verify=ssl.create_default_context(cafile=settings["TLS_CA_FILE"]),
        timeout=30,
        trust_env=False,
    )
    if answer.status_code not in (200, 422):  # 422: the address is taken, by the operator
        raise SetupError(f"the simulator made no account for the operator: HTTP {answer.status_code}")


def portal_program(environment: Mapping[str, str], directory: Path) -> Program:
    """The portal at its PORTAL_URL."""
    return Program(
        name="portal",
        command=[sys.executable, "-m", "tenant_provisioning.portal"],
        environment=environment,
        directory=directory,
        stop_seconds=5,
    )


class PortalReadiness:
    """Whether the portal on this port serves and reaches its database."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self) -> bool:
        """The answer of its health page."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 204
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
