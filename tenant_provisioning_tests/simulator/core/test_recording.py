"""A recording has what a contract check needs, and no secret."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tenant_provisioning.simulator.app import Simulator, build_world

TENANT = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[tuple[httpx.AsyncClient, Path]]:
    file = tmp_path / "recording.jsonl"
    world = build_world(record_file=file)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(Simulator(world)), base_url="https://localhost")
    yield client, file
    world.close()


async def test_every_exchange_is_a_line_with_bodies_as_json(recording: tuple[httpx.AsyncClient, Path]) -> None:
    client, file = recording
    body = [{"data": "a.example", "ttl": 600}]
    auth = {"Authorization": "sso-key simulated-key:simulated-godaddy-secret"}

    await client.put("/v1/domains/yourplatform.com/records/CNAME/acme", json=body, headers=auth)
    await client.get("/v9/projects/nothing?teamId=a%20b")

    put, get = (json.loads(line) for line in file.read_text().splitlines())
    assert (put["operation"], put["request"]["method"], put["request"]["json"]) == ("put_records", "PUT", body)
    assert (put["response"]["status"], put["response"]["bytes"]) == (200, 0)
    assert (get["request"]["query"], get["response"]["json"]["error"]["code"]) == ([["teamId", "a b"]], "forbidden")
    assert "simulated-godaddy-secret" not in file.read_text()


async def test_what_is_secret_by_its_name_is_masked(recording: tuple[httpx.AsyncClient, Path]) -> None:
    client, file = recording
    form = {
        "grant_type": "client_credentials",
        "client_id": "22222222-2222-4222-8222-222222222222",
        "client_secret": "simulated-client-secret",
        "scope": "https://api.fabric.microsoft.com/.default",
    }

    answer = await client.post(f"/{TENANT}/oauth2/v2.0/token", data=form)

    recorded = json.loads(file.read_text())
    assert recorded["request"]["form"] == {**form, "client_secret": "(masked)"}
    assert recorded["response"]["json"]["access_token"] == "(masked)"
    assert answer.json()["access_token"] not in file.read_text()


async def test_links_that_sign_somebody_in_are_masked(recording: tuple[httpx.AsyncClient, Path]) -> None:
    client, file = recording
    key = "simulated-service-role-key"
    invited = {"type": "invite", "email": "ada@acme.example"}

    answer = await client.post(
        "/auth/v1/admin/generate_link", json=invited, headers={"apikey": key, "Authorization": f"Bearer {key}"}
    )
    link = answer.json()
    await client.post(
        "/auth/v1/verify", json={"type": "invite", "token_hash": link["hashed_token"]}, headers={"apikey": key}
    )

    recorded = file.read_text()
    assert answer.status_code == 200
    assert not [secret for secret in (link["hashed_token"], link["email_otp"], key) if secret in recorded]
