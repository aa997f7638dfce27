"""A running simulator, reset before each test, and plain HTTP to it: none of our own clients."""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import msal
import pytest
import requests

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.server import serve
from tenant_provisioning.simulator.world import CLIENT_ID, CLIENT_SECRET, TENANT_ID, World

SCOPES = {
    "fabric": "https://api.fabric.microsoft.com/.default",
    "powerbi": "https://analysis.windows.net/powerbi/api/.default",
    "arm": "https://management.azure.com/.default",
    "key_vault": "https://vault.azure.net/.default",
    "sql": "https://database.windows.net/.default",
}


@dataclass
class RunningSimulator:
    """Where the simulator listens, and its world for looking into."""

    world: World
    ca_file: Path
    url: str = ""
    dns_port: int = 0
    tds_port: int = 0
    listening: threading.Event = field(default_factory=threading.Event)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """What the control API answers, as JSON; an error status is an error of the test."""
        return self.client.request(method, f"/_control/{path}", json=body).raise_for_status().json()

    @cached_property
    def client(self) -> httpx.Client:
        """A client for the control API."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.Client(base_url=self.url, verify=context, trust_env=False)

    def add_fault(self, vendor: str, kind: str, **plan: Any) -> str:
        """Put a fault in force; returns its id."""
        return str(self.control("POST", "faults", {"vendor": vendor, "kind": kind, **plan})["id"])


@pytest.fixture(scope="session")
def running_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """One simulator for all tests, in a thread of its own; it records where SIMULATOR_RECORD names a file, as the program does."""
    ca_file, recording = tmp_path_factory.mktemp("tls") / "ca.pem", os.environ.get("SIMULATOR_RECORD")
    running = RunningSimulator(build_world(seed=1, record_file=Path(recording) if recording else None), ca_file)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def ready(url: str, dns_port: int, tds_port: int) -> None:
        running.url, running.dns_port, running.tds_port = url, dns_port, tds_port
        running.listening.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve(running.world, ca_file=ca_file, ready=ready, stop=stop))
        loop.close()

    thread = threading.Thread(target=run, name="simulator")
    thread.start()
    assert running.listening.wait(20)
    yield running
    running.client.close()
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    running.world.close()


@pytest.fixture
def simulator(running_simulator: RunningSimulator) -> RunningSimulator:
    """The simulator as it is before any tenant, under instant latency."""
    running_simulator.control("PUT", "latency", {"profile": "instant"})
    running_simulator.control("POST", "reset")
    return running_simulator


@pytest.fixture(scope="session")
def tls(running_simulator: RunningSimulator) -> ssl.SSLContext:
    """A client's context that trusts the simulator's CA only."""
    return ssl.create_default_context(cafile=str(running_simulator.ca_file))


@pytest.fixture
def http(simulator: RunningSimulator, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A client without credentials; it follows no redirects and waits for nothing long."""
    with httpx.Client(base_url=simulator.url, verify=tls, trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def tokens(simulator: RunningSimulator) -> Iterator[Callable[[str], str]]:
    """Access tokens by audience (`fabric`, `powerbi`, `arm`, `key_vault`, `sql`), fetched with MSAL as a stranger would."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(simulator.ca_file)
    app = msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=CLIENT_SECRET,
        authority=f"{simulator.url}/{TENANT_ID}",
        instance_discovery=False,
        http_client=session,
    )

    def token(audience: str) -> str:
        return str(app.acquire_token_for_client([SCOPES[audience]])["access_token"])

    yield token
    session.close()


@pytest.fixture
def signed_in(simulator: RunningSimulator, tls: ssl.SSLContext, tokens: Callable[[str], str]) -> Iterator[Any]:
    """Makes clients that carry an access token for the given audience."""
    clients: list[httpx.Client] = []

    def client(audience: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {tokens(audience)}"}
        made = httpx.Client(base_url=simulator.url, verify=tls, trust_env=False, timeout=10, headers=headers)
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()
