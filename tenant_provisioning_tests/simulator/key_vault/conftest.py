"""A caller of the vault with a good token, and the api-version that every call needs."""

from collections.abc import Iterator

import httpx
import pytest

VERSION = "2026-04-01"


@pytest.fixture
def vault(signed_in) -> Iterator[httpx.Client]:
    """HTTP to the vault as its own client library sends it."""
    client = signed_in("key_vault")
    client.params = {"api-version": VERSION}
    return client
