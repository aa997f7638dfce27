"""Secrets of the platform are read from Azure Key Vault and written to it, whatever was deleted there before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.key_vault import KeyVault
from tenant_provisioning.vendors.managed_identity import ManagedIdentityTokens
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.secret_providers import EnvironmentSecrets

VALUE = "hunter2-" * 4


@pytest.fixture
def vault(simulator: Any, tokens: EntraTokens) -> KeyVault:
    return KeyVault(simulator.url, tokens, ca_file=simulator.ca_file, attempts=1)


def test_what_was_set_is_got_with_its_age_and_its_end(vault: KeyVault) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    vault.set_secret("godaddy-secret", VALUE, expires_on=end)
    found = vault.get_secret("godaddy-secret")
    assert (found.value, found.expires_on) == (VALUE, end)
    assert found.created_on is not None
    assert abs(found.created_on - datetime.now(UTC)) < timedelta(minutes=1)
    assert VALUE not in repr(found)


def test_the_newest_version_is_meant_unless_another_is_named(vault: KeyVault, simulator: Any) -> None:
    vault.set_secret("key", "old")
    vault.set_secret("key", "new")
    assert vault.get_secret("key").value == "new"
    with pytest.raises(SetupError, match="no secret “key”"):
        vault.get_secret("key/00000000000000000000000000000000")


def test_a_name_that_was_deleted_is_recovered_and_set(vault: KeyVault, simulator: Any) -> None:
    vault.set_secret("key", "old")
    vault.delete_secret("key")
    with pytest.raises(SetupError, match=r"no secret “key” .*or it was deleted"):
        vault.get_secret("key")
    vault.set_secret("key", "new")
    assert vault.get_secret("key").value == "new"
    assert simulator.control("GET", "/snapshot")["key_vault"]["secrets"][0]["versions"] == 2


def test_a_name_that_is_still_being_deleted_is_waited_for(vault: KeyVault, simulator: Any) -> None:
    vault.set_secret("key", "old")
    simulator.control("PUT", "/latency", {"profile": "realistic", "scale": 0.02})
    vault.delete_secret("key")
    vault.set_secret("key", "new")
    assert vault.get_secret("key").value == "new"


def test_the_vaults_challenge_comes_before_any_token(simulator: Any, tokens: EntraTokens) -> None:
    # by its other name: the client remembers the challenge of a host for as long as the process lives
    vault = KeyVault(simulator.url.replace("localhost", "127.0.0.1"), tokens, ca_file=simulator.ca_file)
    with pytest.raises(SetupError):
        vault.get_secret("absent")
    asked = [(seen["operation"], seen["status"]) for seen in simulator.requests() if seen["vendor"] == "key_vault"]
    assert asked == [("get_secret", 401), ("get_secret", 404)]


def test_a_role_that_is_missing_is_named(vault: KeyVault, simulator: Any) -> None:
    simulator.control("PATCH", "/knobs/key_vault", {"readable": False})
    with pytest.raises(VendorRejected, match="Key Vault Secrets User") as caught:
        vault.get_secret("key")
    assert (caught.value.status, caught.value.code) == (403, "ForbiddenByRbac")


def test_a_disabled_secret_and_a_name_that_cannot_be_one_are_told(vault: KeyVault, simulator: Any) -> None:
    vault.set_secret("key", VALUE)
    vault._client().update_secret_properties("key", enabled=False)
    with pytest.raises(VendorRejected, match="“key” is disabled") as caught:
        vault.get_secret("key")
    assert VALUE not in str(caught.value)
    with pytest.raises(SetupError, match="letters, digits and dashes"):
        vault.get_secret("godaddy_secret")


@pytest.mark.parametrize("kind", ["error_before", "reset", "throttle"])
def test_a_vault_out_of_order_is_worth_another_attempt(vault: KeyVault, simulator: Any, kind: str) -> None:
    simulator.fault("key_vault", "get_secret", kind)
    with pytest.raises(VendorUnavailable):
        vault.get_secret("key")


def test_an_address_that_is_no_vaults_is_a_mistake_in_the_settings(tokens: EntraTokens) -> None:
    for address in ("http://name.vault.azure.net", "name.vault.azure.net", "https://name.vault.azure.net/secrets/a"):
        with pytest.raises(SetupError, match="KEY_VAULT_URL"):
            KeyVault(address, tokens)


def test_the_machines_own_identity_opens_the_vault(
    vault: KeyVault, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.set_secret("key", VALUE)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "simulated-identity-header")
    machine = ManagedIdentityTokens(ca_file=simulator.ca_file)
    assert KeyVault(simulator.url, machine, ca_file=simulator.ca_file).get_secret("key").value == VALUE
    readers = {seen["identity"] for seen in simulator.requests() if seen["operation"] == "get_secret"}
    assert readers - {""} == {"22222222-2222-4222-8222-333333333333"}


def test_a_machine_without_an_identity_is_told_what_else_to_do(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    with pytest.raises(SetupError, match="set ENTRA_CLIENT_SECRET"):
        ManagedIdentityTokens(ca_file=simulator.ca_file).blocking_token("https://vault.azure.net/.default")


def test_the_environment_keeps_secrets_too() -> None:
    provider = EnvironmentSecrets({"INJECTED": VALUE, "EMPTY": ""})
    assert provider.get_secret("INJECTED").value == VALUE
    for name in ("EMPTY", "ABSENT"):
        with pytest.raises(SetupError, match=f"{name} is not set"):
            provider.get_secret(name)
