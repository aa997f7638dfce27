"""azure-keyvault-secrets with azure-identity keeps secrets in the simulated vault, deletes and recovers them."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared.http_challenge_cache import clear as forget_challenges

from tenant_provisioning.simulator.world import CLIENT_ID, TENANT_ID


@pytest.fixture
def vault(simulator: Any, credential: ClientSecretCredential) -> Iterator[SecretClient]:
    """A client that has no challenge from an earlier test in its process-wide memory."""
    forget_challenges()
    with SecretClient(
        simulator.url,
        credential,
        verify_challenge_resource=False,
        connection_verify=str(simulator.ca_file),
        retry_total=0,
    ) as client:
        yield client


def test_the_first_call_is_challenged_and_leads_to_a_token(
    vault: SecretClient, simulator: Any, requests_seen: Any
) -> None:
    vault.set_secret("acme-sql", "s3cret")

    statuses = [one["status"] for one in simulator.control("GET", "requests")["requests"]]
    assert requests_seen("key_vault") == ["set_secret", "set_secret"]
    assert (statuses[0], statuses[-1]) == (401, 200)
    assert requests_seen("entra")[-1] == "token"


def test_a_secret_is_read_back_with_its_tags(vault: SecretClient) -> None:
    vault.set_secret("acme-sql", "s3cret", tags={"tenant": "acme"}, content_type="text/plain")

    found = vault.get_secret("acme-sql")

    assert (found.value, found.properties.tags, found.properties.content_type) == (
        "s3cret",
        {"tenant": "acme"},
        "text/plain",
    )


def test_setting_again_makes_another_version_and_keeps_the_first(vault: SecretClient) -> None:
    first = vault.set_secret("acme-sql", "one")
    second = vault.set_secret("acme-sql", "two")

    assert vault.get_secret("acme-sql").value == "two"
    assert vault.get_secret("acme-sql", first.properties.version).value == "one"
    versions = {one.version for one in vault.list_properties_of_secret_versions("acme-sql")}
    assert versions == {first.properties.version, second.properties.version}


def test_properties_of_a_version_can_be_changed(vault: SecretClient) -> None:
    vault.set_secret("acme-sql", "one")

    changed = vault.update_secret_properties("acme-sql", enabled=False, tags={"tenant": "acme"})

    assert (changed.enabled, changed.tags) == (False, {"tenant": "acme"})


def test_secrets_are_listed_page_by_page(vault: SecretClient) -> None:
    names = {f"tenant-{number}" for number in range(30)}
    for name in names:
        vault.set_secret(name, "x")

    pages = [[one.name for one in page] for page in vault.list_properties_of_secrets(max_page_size=25).by_page()]

    assert [len(page) for page in pages] == [25, 5]
    assert {name for page in pages for name in page} == names


def test_a_secret_that_is_not_there_is_not_found(vault: SecretClient) -> None:
    with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
        vault.get_secret("nobody")


def test_a_deleted_secret_is_kept_and_recovered(vault: SecretClient) -> None:
    vault.set_secret("acme-sql", "s3cret")

    deleted = vault.begin_delete_secret("acme-sql").result()

    assert deleted.recovery_id
    assert vault.get_deleted_secret("acme-sql").name == "acme-sql"
    assert [one.name for one in vault.list_deleted_secrets()] == ["acme-sql"]
    with pytest.raises(ResourceNotFoundError):
        vault.get_secret("acme-sql")
    vault.begin_recover_deleted_secret("acme-sql").wait()
    assert vault.get_secret("acme-sql").value == "s3cret"


def test_a_deleted_name_is_refused_until_it_is_recovered(vault: SecretClient) -> None:
    vault.set_secret("acme-sql", "one")
    vault.begin_delete_secret("acme-sql").wait()

    with pytest.raises(ResourceExistsError, match="deleted but recoverable") as refused:
        vault.set_secret("acme-sql", "two")

    assert (refused.value.status_code, refused.value.error.innererror["code"]) == (
        409,
        "ObjectIsDeletedButRecoverable",
    )
    vault.begin_recover_deleted_secret("acme-sql").wait()
    assert vault.set_secret("acme-sql", "two").value == "two"


def test_a_purged_name_is_free_again(vault: SecretClient) -> None:
    vault.set_secret("acme-sql", "one")
    vault.begin_delete_secret("acme-sql").wait()

    vault.purge_deleted_secret("acme-sql")

    assert list(vault.list_deleted_secrets()) == []
    assert vault.set_secret("acme-sql", "two").value == "two"


def test_a_wrong_secret_of_the_application_is_an_authentication_error(simulator: Any) -> None:
    forget_challenges()
    where = {"connection_verify": str(simulator.ca_file)}
    wrong = ClientSecretCredential(
        TENANT_ID, CLIENT_ID, "wrong", authority=simulator.url, disable_instance_discovery=True, **where
    )
    with (
        wrong,
        SecretClient(simulator.url, wrong, verify_challenge_resource=False, **where) as vault,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        vault.get_secret("acme-sql")
