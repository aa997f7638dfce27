"""How a caller finds out where to get a token, and what else every call needs."""

import re

import pytest


def test_a_request_without_a_token_is_told_where_to_get_one(simulator, http):
    answer = http.get("/secrets/db-password/", params={"api-version": "2026-04-01"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "Unauthorized"
    challenge = dict(re.findall(r'(\w+)="([^"]+)"', answer.headers["www-authenticate"].removeprefix("Bearer ")))
    assert challenge == {
        "authorization": f"{simulator.url}/11111111-1111-4111-8111-111111111111",
        "resource": "https://vault.azure.net",
    }


@pytest.mark.parametrize("audience", ["arm", "fabric"])
def test_a_token_for_another_resource_is_challenged_again(signed_in, audience):
    answer = signed_in(audience).get("/secrets", params={"api-version": "2026-04-01"})
    assert answer.status_code == 401
    assert "AKV10022" in answer.json()["error"]["message"]
    assert "resource=" in answer.headers["www-authenticate"]


def test_an_expired_token_is_challenged_again(simulator, vault):
    simulator.world.advance(3600)
    assert vault.get("/secrets").status_code == 401


def test_every_call_names_a_version_the_vault_knows(vault):
    vault.params = {}
    missing = vault.get("/secrets")
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "BadParameter")
    assert vault.get("/secrets", params={"api-version": "yesterday"}).status_code == 400
    assert vault.get("/secrets", params={"api-version": "7.4"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "value"),
        ({"value": 5}, "value"),
        ({"value": "x", "secret": True}, "secret"),
        ({"value": "x", "attributes": {"enabld": False}}, "attributes.enabld"),
    ],
)
def test_a_body_with_a_mistake_names_it(vault, body, said):
    answer = vault.put("/secrets/db-password", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")
    assert said in answer.json()["error"]["message"]


def test_a_body_must_say_that_it_is_json(vault):
    answer = vault.put("/secrets/db-password", content='{"value": "x"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["db_password", "db.password", "x" * 128])
def test_a_name_has_letters_digits_and_hyphens_only(vault, name):
    answer = vault.put(f"/secrets/{name}", json={"value": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_a_wrong_method_is_refused(vault):
    assert vault.post("/secrets/db-password", json={"value": "x"}).status_code == 405


def test_throttling_has_the_vaults_own_words(simulator, vault):
    simulator.add_fault("key_vault", "throttle", operation="set_secret", retry_after=7)
    answer = vault.put("/secrets/db-password", json={"value": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "Throttled"
    assert vault.put("/secrets/db-password", json={"value": "x"}).status_code == 200
