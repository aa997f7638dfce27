"""What the clients written by others need to find the simulator: its CA, as a user would make it known, and who we are.

Each client is used as it is published; only the place where it looks for the vendor is another.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.identity import ClientSecretCredential

from tenant_provisioning.simulator.world import CLIENT_ID, CLIENT_SECRET, TENANT_ID


@pytest.fixture
def trusted(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The CA file, set in the environment for clients that have no option of their own for it; returns its path."""
    ca_file = str(simulator.ca_file)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, ca_file)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    return ca_file


@pytest.fixture
def credential(simulator: Any) -> Iterator[ClientSecretCredential]:
    """azure-identity's credential of the provisioner's application."""
    with ClientSecretCredential(
        TENANT_ID,
        CLIENT_ID,
        CLIENT_SECRET,
        authority=simulator.url,
        disable_instance_discovery=True,
        connection_verify=str(simulator.ca_file),
    ) as made:
        yield made


@pytest.fixture
def requests_seen(simulator: Any) -> Callable[[str], list[str]]:
    """The operations that a vendor was asked for since the last reset, in order."""

    def seen(vendor: str) -> list[str]:
        return [one["operation"] for one in simulator.control("GET", "requests")["requests"] if one["vendor"] == vendor]

    return seen
