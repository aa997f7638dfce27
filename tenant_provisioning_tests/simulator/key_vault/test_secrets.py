"""Secrets: versions, soft delete, recovery, purge, and the name that stays taken meanwhile."""

from dataclasses import dataclass

import pytest

from tenant_provisioning.simulator.latency import Latency


@dataclass(frozen=True)
class SlowWork(Latency):
    """Calls are answered at once, and what they began takes half a minute of the world's clock."""

    def lasts(self, process: str) -> float:  # noqa: ARG002 - every process alike
        return 30.0


SLOW_WORK = SlowWork()


def error_of(answer) -> tuple[int, str, str | None]:
    """Status, code and inner code of a refusal."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("innererror", {}).get("code")


def test_every_set_is_a_new_version_and_the_latest_is_read(simulator, vault):
    first = vault.put("/secrets/db-password", json={"value": "one", "tags": {"tenant": "acme"}}).json()
    second = vault.put("/secrets/db-password", json={"value": "two", "contentType": "text/plain"}).json()
    assert first["id"].startswith(f"{simulator.url}/secrets/db-password/")
    assert first["id"] != second["id"]
    assert vault.get("/secrets/db-password/").json()["value"] == "two"  # the vendor's client ends the path with a slash
    older = vault.get(f"/secrets/db-password/{first['id'].rpartition('/')[2]}").json()
    assert (older["value"], older["tags"]) == ("one", {"tenant": "acme"})
    versions = vault.get("/secrets/db-password/versions").json()["value"]
    assert [version["id"] for version in versions] == [first["id"], second["id"]]
    assert all("value" not in version for version in versions)


def test_names_are_found_without_regard_to_case(vault):
    vault.put("/secrets/Db-Password", json={"value": "one"})
    assert vault.get("/secrets/db-password").json()["value"] == "one"


def test_an_unknown_secret_and_an_unknown_version_are_not_found(vault):
    assert error_of(vault.get("/secrets/db-password")) == (404, "SecretNotFound", None)
    vault.put("/secrets/db-password", json={"value": "one"})
    assert error_of(vault.get(f"/secrets/db-password/{'0' * 32}")) == (404, "SecretNotFound", None)


def test_a_disabled_secret_cannot_be_read(vault):
    made = vault.put("/secrets/db-password", json={"value": "one"}).json()
    version = made["id"].rpartition("/")[2]
    changed = vault.patch(f"/secrets/db-password/{version}", json={"attributes": {"enabled": False}}).json()
    assert changed["attributes"]["enabled"] is False
    assert "value" not in changed
    assert error_of(vault.get("/secrets/db-password")) == (403, "Forbidden", "SecretDisabled")


def test_a_delete_is_soft_and_a_recovery_brings_the_value_back(vault):
    vault.put("/secrets/db-password", json={"value": "one"})
    deleted = vault.delete("/secrets/db-password").json()
    assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 90 * 86_400
    assert deleted["recoveryId"].endswith("/deletedsecrets/db-password")
    assert "value" not in deleted
    assert vault.get("/secrets/db-password").status_code == 404
    assert vault.get("/deletedsecrets/db-password").json()["recoveryId"] == deleted["recoveryId"]
    recovered = vault.post("/deletedsecrets/db-password/recover")
    assert recovered.status_code == 200
    assert vault.get("/secrets/db-password").json()["value"] == "one"
    assert error_of(vault.get("/deletedsecrets/db-password")) == (404, "SecretNotFound", None)


def test_the_name_of_a_deleted_secret_is_taken_until_it_is_recovered(vault):
    vault.put("/secrets/db-password", json={"value": "one"})
    vault.delete("/secrets/db-password")
    taken = (409, "Conflict", "ObjectIsDeletedButRecoverable")
    assert error_of(vault.put("/secrets/db-password", json={"value": "two"})) == taken
    vault.post("/deletedsecrets/db-password/recover")
    assert vault.put("/secrets/db-password", json={"value": "two"}).status_code == 200


def test_a_purge_frees_the_name_and_loses_the_old_versions(vault):
    vault.put("/secrets/db-password", json={"value": "one"})
    vault.delete("/secrets/db-password")
    assert vault.delete("/deletedsecrets/db-password").status_code == 204
    assert vault.delete("/deletedsecrets/db-password").status_code == 404
    vault.put("/secrets/db-password", json={"value": "two"})
    assert len(vault.get("/secrets/db-password/versions").json()["value"]) == 1


def test_deleting_and_recovering_what_is_not_there_is_not_found(vault):
    assert error_of(vault.delete("/secrets/db-password")) == (404, "SecretNotFound", None)
    assert error_of(vault.post("/deletedsecrets/db-password/recover")) == (404, "SecretNotFound", None)


def test_after_ninety_days_a_deleted_secret_is_gone(simulator, signed_in):
    simulator.control("PATCH", "knobs/entra", {"token_lifetime": 100 * 86_400})
    vault = signed_in("key_vault")
    vault.params = {"api-version": "2026-04-01"}
    vault.put("/secrets/db-password", json={"value": "one"})
    vault.delete("/secrets/db-password")
    simulator.world.advance(90 * 86_400 + 1)
    assert vault.get("/deletedsecrets/db-password").status_code == 404
    assert vault.put("/secrets/db-password", json={"value": "two"}).status_code == 200


def test_a_delete_and_a_purge_take_effect_some_seconds_later(simulator, vault):
    vault.put("/secrets/db-password", json={"value": "one"})
    simulator.world.latency = SLOW_WORK
    vault.delete("/secrets/db-password")
    assert vault.get("/deletedsecrets/db-password").status_code == 404
    assert error_of(vault.put("/secrets/db-password", json={"value": "x"})) == (409, "Conflict", "ObjectIsBeingDeleted")
    simulator.world.advance(60)
    assert vault.get("/deletedsecrets/db-password").status_code == 200
    assert vault.delete("/deletedsecrets/db-password").status_code == 204
    assert error_of(vault.put("/secrets/db-password", json={"value": "x"})) == (409, "Conflict", "ObjectIsBeingDeleted")
    simulator.world.advance(60)
    assert vault.put("/secrets/db-password", json={"value": "x"}).status_code == 200


def test_a_recovery_takes_effect_some_seconds_later(simulator, vault):
    vault.put("/secrets/db-password", json={"value": "one"})
    vault.delete("/secrets/db-password")
    simulator.world.latency = SLOW_WORK
    assert vault.post("/deletedsecrets/db-password/recover").status_code == 200
    assert vault.get("/secrets/db-password").status_code == 404
    simulator.world.advance(60)
    assert vault.get("/secrets/db-password").json()["value"] == "one"


def test_lists_come_in_pages(vault):
    for number in range(30):
        vault.put(f"/secrets/secret-{number:02}", json={"value": "x"})
    vault.delete("/secrets/secret-00")
    first = vault.get("/secrets").json()
    vault.params = {}  # the link carries them
    rest = vault.get(first["nextLink"]).json()
    vault.params = {"api-version": "2026-04-01"}
    names = [item["id"].rpartition("/")[2] for item in first["value"] + rest["value"]]
    assert len(first["value"]) == 25
    assert rest["nextLink"] is None
    assert names == [f"secret-{number:02}" for number in range(1, 30)]
    assert [item["recoveryId"].rpartition("/")[2] for item in vault.get("/deletedsecrets").json()["value"]] == [
        "secret-00"
    ]
    assert error_of(vault.get("/secrets", params={"maxresults": 26}))[:2] == (400, "BadParameter")


def test_the_snapshot_shows_names_and_tags_and_never_a_value(simulator, vault):
    vault.put("/secrets/db-password", json={"value": "very secret", "tags": {"tenant": "acme"}})
    shown = simulator.control("GET", "snapshot")["key_vault"]
    assert shown == {"secrets": [{"name": "db-password", "versions": 1, "tags": {"tenant": "acme"}, "deleted": False}]}


@pytest.mark.parametrize("length", [25_600, 25_601])
def test_a_value_has_a_limit(vault, length):
    assert vault.put("/secrets/db-password", json={"value": "x" * length}).status_code == (
        200 if length == 25_600 else 400
    )
