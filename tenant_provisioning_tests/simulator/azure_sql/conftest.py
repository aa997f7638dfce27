"""A caller of Azure Resource Manager with a good token, and the paths of the simulated server."""

from dataclasses import dataclass

import httpx
import pytest

SERVER = (
    "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/training-platform"
    "/providers/Microsoft.Sql/servers/training-platform-sql"
)


@dataclass(frozen=True)
class Arm:
    """HTTP to the server's databases as ARM clients send it."""

    http: httpx.Client
    server: str = SERVER

    def call(self, method: str, name: str, **more) -> httpx.Response:
        """One call on a database."""
        return self.http.request(method, f"{self.server}/databases/{name}", **more)

    def copy(self, name: str, **more) -> httpx.Response:
        """PUT that copies the template database."""
        properties = {"createMode": "Copy", "sourceDatabaseId": f"{SERVER}/databases/template"}
        return self.call("PUT", name, json={"location": "westeurope", "properties": properties, **more})


@pytest.fixture
def arm(signed_in) -> Arm:
    """The provisioner's service principal."""
    client = signed_in("arm")
    client.params = {"api-version": "2025-01-01"}
    return Arm(client)
