"""A caller of the simulated Fabric over plain HTTP, who waits for what takes time."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_SQL_ENDPOINT_HOST,
    TEMPLATE_SQL_ENDPOINT_ID,
    TEMPLATE_WORKSPACE_ID,
    TENANT_ID,
)


@dataclass
class FabricCaller:
    """Calls that a tenant's provisioning makes, each as its raw answer or as what came of it."""

    http: httpx.Client

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """The raw answer to a call below /v1."""
        return self.http.request(method, f"/v1{path}", **({"json": body} if body is not None else {}), **more)

    def workspace(self, name: str = "Acme data", **more: Any) -> str:
        """The id of a new workspace on the capacity."""
        body = {"displayName": name, "capacityId": CAPACITY_ID, **more}
        return str(self.call("POST", "/workspaces", body).raise_for_status().json()["id"])

    def outcome(self, answer: httpx.Response) -> dict[str, Any]:
        """What a create led to, whether it answered 201 or 202."""
        answer.raise_for_status()
        if answer.status_code != 202:
            return dict(answer.json())
        operation = self.operation(answer.headers["x-ms-operation-id"])
        assert operation["status"] == "Succeeded", operation
        return dict(
            self.call("GET", f"/operations/{answer.headers['x-ms-operation-id']}/result").raise_for_status().json()
        )

    def operation(self, identifier: str) -> dict[str, Any]:
        """An operation's state."""
        return dict(self.call("GET", f"/operations/{identifier}").raise_for_status().json())

    def lakehouse(self, workspace: str, name: str = "lh_acme") -> dict[str, Any]:
        """A new lakehouse as its own GET shows it."""
        made = self.outcome(self.call("POST", f"/workspaces/{workspace}/lakehouses", {"displayName": name}))
        return dict(self.call("GET", f"/workspaces/{workspace}/lakehouses/{made['id']}").json())

    def fill(self, lakehouse: dict[str, Any], organization: str = "acme-id") -> dict[str, Any]:
        """The run of the template notebook against the lakehouse, as it ended."""
        body = {
            "executionData": {
                "parameters": {"organization_id": {"value": organization, "type": "string"}},
                "configuration": {"defaultLakehouse": {"name": lakehouse["displayName"], "id": lakehouse["id"]}},
            }
        }
        path = f"/workspaces/{TEMPLATE_WORKSPACE_ID}/items/{TEMPLATE_NOTEBOOK_ID}/jobs/RunNotebook/instances"
        begun = self.call("POST", path, body).raise_for_status()
        return dict(self.http.get(begun.headers["Location"]).raise_for_status().json())

    def template_parts(self) -> list[dict[str, str]]:
        """The template model's definition."""
        path = f"/workspaces/{TEMPLATE_WORKSPACE_ID}/semanticModels/{TEMPLATE_DATASET_ID}/getDefinition"
        return list(self.outcome(self.call("POST", path))["definition"]["parts"])

    def parts_for(self, server: str, database: str) -> list[dict[str, str]]:
        """The template model's definition, pointing elsewhere."""
        parts = self.template_parts()
        for part in parts:
            if part["path"] == "definition/expressions.tmdl":
                text = base64.b64decode(part["payload"]).decode()
                text = text.replace(TEMPLATE_SQL_ENDPOINT_HOST, server).replace(TEMPLATE_SQL_ENDPOINT_ID, database)
                part["payload"] = base64.b64encode(text.encode()).decode()
        return parts

    def model(self, workspace: str, parts: list[dict[str, str]], name: str = "Acme dataset") -> str:
        """The id of a new semantic model."""
        body = {"displayName": name, "definition": {"parts": parts}}
        return str(self.outcome(self.call("POST", f"/workspaces/{workspace}/semanticModels", body))["id"])


@pytest.fixture
def fabric(signed_in: Any) -> FabricCaller:
    """The provisioner's service principal at Fabric."""
    return FabricCaller(signed_in("fabric"))


class SlowWork(Latency):
    """Calls are answered at once, and work in the background takes a thousand seconds, which a test lets pass."""

    def lasts(self, process: str) -> float:  # noqa: ARG002
        return 1000.0

    def retry_after(self, seconds: float) -> int:
        return int(seconds)


@dataclass
class SlowTime:
    """Makes work in the background slow, and lets its time pass."""

    simulator: Any

    def on(self) -> None:
        """From now on, work in the background takes its time."""
        self.simulator.world.latency = SlowWork()

    def off(self) -> None:
        """From now on, it is done at once."""
        self.simulator.world.latency = Latency()

    def __call__(self) -> None:
        """Let the time pass that such work takes."""
        self.simulator.control("POST", "clock", {"advance": 1001})


@pytest.fixture
def slow(simulator: Any) -> SlowTime:
    """Work in the background is slow; calling this lets its time pass."""
    made = SlowTime(simulator)
    made.on()
    return made


@pytest.fixture
def connection_body() -> Any:
    """Makes the body of a new connection with the service principal's own credentials."""

    def make(
        server: str, database: str, name: str = "acme", *, secret: str = CLIENT_SECRET, skip_test: bool = False
    ) -> Any:
        return {
            "connectivityType": "ShareableCloud",
            "displayName": name,
            "privacyLevel": "Organizational",
            "connectionDetails": {
                "type": "SQL",
                "creationMethod": "SQL",
                "parameters": [
                    {"dataType": "Text", "name": "server", "value": server},
                    {"dataType": "Text", "name": "database", "value": database},
                ],
            },
            "credentialDetails": {
                "singleSignOnType": "None",
                "connectionEncryption": "Encrypted",
                "skipTestConnection": skip_test,
                "credentials": {
                    "credentialType": "ServicePrincipal",
                    "tenantId": TENANT_ID,
                    "servicePrincipalClientId": CLIENT_ID,
                    "servicePrincipalSecret": secret,
                },
            },
        }

    return make


@pytest.fixture
def part() -> Any:
    """Makes a file of a definition."""

    def make(path: str, content: str | bytes | dict[str, Any]) -> dict[str, str]:
        raw = (
            content
            if isinstance(content, bytes)
            else (json.dumps(content) if isinstance(content, dict) else content).encode()
        )
        return {"path": path, "payload": base64.b64encode(raw).decode(), "payloadType": "InlineBase64"}

    return make
