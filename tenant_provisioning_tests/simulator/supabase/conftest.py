"""Clients of the simulated Supabase project: the vendor's own library, and bare HTTP for what the library hides."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import httpx
import pytest
from supabase import AsyncClient, AsyncClientOptions, Client, ClientOptions, acreate_client, create_client

SERVICE_KEY = "simulated-service-role-key"
ANON_KEY = "simulated-anon-key"


@pytest.fixture
def client_with(simulator, tls) -> Iterator[Callable[[str], Client]]:
    """Builds a client of the vendor's library for a key; every client is somebody of its own."""
    with ExitStack() as stack:

        def build(key: str) -> Client:
            http = stack.enter_context(httpx.Client(verify=tls, trust_env=False))
            options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
            return create_client(simulator.url, key, options)

        yield build


@pytest.fixture
def admin(client_with) -> Client:
    """The platform, with the service role's key."""
    return client_with(SERVICE_KEY)


@pytest.fixture
def person(client_with) -> Client:
    """Somebody with a browser: the anon key."""
    return client_with(ANON_KEY)


@pytest.fixture
async def async_client_with(simulator, tls) -> AsyncIterator[Callable[[str], object]]:
    """The same for the library's async client."""
    async with AsyncExitStack() as stack:

        async def build(key: str) -> AsyncClient:
            http = await stack.enter_async_context(httpx.AsyncClient(verify=tls, trust_env=False))
            options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
            return await acreate_client(simulator.url, key, options)

        yield build


@pytest.fixture
def auth_api(simulator, tls) -> Iterator[httpx.Client]:
    """Bare HTTP with the service role's key and no API version."""
    headers = {"apikey": SERVICE_KEY, "Authorization": f"Bearer {SERVICE_KEY}"}
    with httpx.Client(base_url=f"{simulator.url}/auth/v1", headers=headers, verify=tls, trust_env=False) as client:
        yield client
