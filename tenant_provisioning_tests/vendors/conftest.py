"""What the tests of the vendors share: waiting switched off on request, one running simulator to talk to over TLS."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina

from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.fabric import Fabric
from tenant_provisioning.vendors.fabric_records import DefinitionPart, SqlEndpoint
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.powerbi import PowerBI


@dataclass(frozen=True)
class Simulator:
    """A running simulator: where it is and the CA it is to be trusted by."""

    url: str
    ca_file: Path
    dns_port: int
    tds_port: int
    trusting: ssl.SSLContext

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the control API, as JSON."""
        with httpx.Client(base_url=self.url, verify=self.trusting, trust_env=False) as client:
            answer = client.request(method, f"/_control{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fault(self, vendor: str, operation: str, kind: str, **plan: Any) -> str:
        """Put a fault in force; its id."""
        made = self.control("POST", "/faults", {"vendor": vendor, "operation": operation, "kind": kind, **plan})
        return str(made["id"])

    def requests(self) -> list[dict[str, Any]]:
        """The log of what the vendors were asked."""
        return list(self.control("GET", "/requests")["requests"])


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Retries and polls go on at once."""
    with stamina.set_testing(True, attempts=6, cap=True):
        yield


@pytest.fixture(scope="session")
def running_simulator(world_process: Any) -> Simulator:
    """The simulator process of the session."""
    trusting = ssl.create_default_context(cafile=str(world_process.ca_file))
    return Simulator(world_process.url, world_process.ca_file, world_process.dns_port, world_process.tds_port, trusting)


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """The simulator as it is when new: empty but for the template workspace, without faults."""
    running_simulator.control("POST", "/reset")
    running_simulator.control("PUT", "/latency", {"profile": "instant"})
    return running_simulator


@pytest.fixture
def tokens(simulator: Simulator) -> EntraTokens:
    """The provisioner's tokens in the simulated world."""
    tenant, client = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    return EntraTokens(simulator.url, tenant, client, secret="simulated-client-secret", ca_file=simulator.ca_file)


@pytest.fixture
async def fabric(simulator: Simulator, tokens: EntraTokens) -> AsyncIterator[Fabric]:
    """Fabric, as the simulator plays it."""
    async with Fabric(f"{simulator.url}/v1", tokens, verify=trust(simulator.ca_file), timeout=5) as client:
        yield client


@dataclass(frozen=True)
class Acme:
    """A tenant's things at Fabric: a lakehouse with tables, and the template's dataset over it, not bound yet."""

    workspace: str
    endpoint: SqlEndpoint
    dataset: str


@pytest.fixture
async def acme(fabric: Fabric) -> Acme:
    """Acme's workspace, lakehouse and dataset, made by the client as provisioning would."""
    capacity, templates = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
    model, notebook = "55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"
    workspace = await fabric.create_workspace("Acme's (acme) reports", capacity_id=capacity)
    made = await fabric.create_lakehouse(workspace.id, "lh_acme", deadline=10)
    lakehouse = await fabric.get_lakehouse(workspace.id, made)
    endpoint = await fabric.wait_for_sql_endpoint(workspace.id, lakehouse.id, deadline=10)
    parameters = {"organization_id": "organization-1"}
    job = await fabric.run_notebook(templates, notebook, parameters=parameters, default_lakehouse=lakehouse)
    await fabric.wait_for_job(job, deadline=10)
    await fabric.refresh_sql_endpoint_metadata(workspace.id, endpoint.id, deadline=10)
    source = f'Sql.Database("{endpoint.server}", "{endpoint.id}")'.encode()
    parts = [
        DefinitionPart(part.path, re.sub(rb"Sql\.Database\([^)]*\)", source, part.content))
        for part in await fabric.get_definition(templates, model, deadline=10)
    ]
    made = await fabric.create_semantic_model(workspace.id, "Acme dataset", parts, deadline=10)
    return Acme(workspace.id, endpoint, made.id)


@pytest.fixture
async def powerbi(simulator: Simulator, tokens: EntraTokens) -> AsyncIterator[PowerBI]:
    """Power BI, as the simulator plays it."""
    async with PowerBI(f"{simulator.url}/v1.0/myorg", tokens, verify=trust(simulator.ca_file), timeout=5) as client:
        yield client
