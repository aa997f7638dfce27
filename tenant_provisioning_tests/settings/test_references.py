"""A setting may name a secret instead of holding it: it is fetched once, when the settings are loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from tenant_provisioning.credentials import entra_tokens, key_vault
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.settings import Settings, load_settings
from tenant_provisioning.vendors.microsoft import FABRIC_SCOPE
from tenant_provisioning_tests.conftest import World

VALUE = "hunter2-" * 4


@pytest.fixture
def settings(make_settings: Callable[[World, str], Settings], world: World) -> Settings:
    """Settings with the simulated key vault; no database is needed here."""
    made = make_settings(world, "postgresql://localhost/none")
    return made.model_copy(update={"key_vault_url": world.url})


def referring(settings: Settings, **references: str) -> Settings:
    return settings.model_copy(update={name: SecretStr(text) for name, text in references.items()})


def test_a_reference_is_replaced_by_the_secret_it_names(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    key_vault(settings).set_secret("godaddy-secret", VALUE)
    monkeypatch.setenv("INJECTED_TOKEN", VALUE[::-1])
    found = referring(
        settings, godaddy_api_secret="keyvault:godaddy-secret", vercel_token="environment:INJECTED_TOKEN"
    ).resolved()
    assert found.godaddy_api_secret.get_secret_value() == VALUE
    assert found.vercel_token.get_secret_value() == VALUE[::-1]
    assert {name: str(origin) for name, origin in found.secret_origins.items()} == {
        "godaddy_api_secret": "keyvault:godaddy-secret",
        "vercel_token": "environment:INJECTED_TOKEN",
    }


def test_settings_without_references_ask_nobody(settings: Settings, world: World) -> None:
    assert settings.resolved() is settings
    assert world.requests() == []


def test_each_secret_is_fetched_once(settings: Settings, world: World) -> None:
    key_vault(settings).set_secret("a", VALUE)
    world.control("DELETE", "requests")
    found = referring(settings, godaddy_api_secret="keyvault:a", vercel_token="keyvault:a").resolved()
    found.resolved()
    fetched = [seen for seen in world.requests("key_vault.get_secret") if seen["status"] == 200]
    assert len(fetched) == 2, "one for each setting, and none for settings that are resolved"


def test_every_secret_that_is_not_to_be_had_is_named_with_its_setting_and_no_value(settings: Settings) -> None:
    key_vault(settings).set_secret("there", VALUE)
    with pytest.raises(SetupError) as refusal:
        referring(
            settings,
            godaddy_api_secret="keyvault:absent",
            vercel_token="keyvault:bad_name",
            smtp_password="keyvault:there",
        ).resolved()
    said = str(refusal.value)
    assert "GODADDY_API_SECRET (keyvault:absent): there is no secret “absent” in the key vault" in said
    assert "VERCEL_TOKEN (keyvault:bad_name)" in said
    assert "SMTP_PASSWORD" not in said
    assert VALUE not in said


def test_a_vault_that_nobody_named_is_asked_for(settings: Settings) -> None:
    with pytest.raises(SetupError, match="KEY_VAULT_URL is not set"):
        referring(settings, vercel_token="keyvault:a").model_copy(update={"key_vault_url": ""}).resolved()


def test_a_vault_that_does_not_let_us_read_says_which_settings_wait_for_it(settings: Settings, world: World) -> None:
    world.control("PATCH", "knobs/key_vault", {"readable": False})
    with pytest.raises(SetupError, match=r"VERCEL_TOKEN \(keyvault:a\).*Key Vault Secrets User"):
        referring(settings, vercel_token="keyvault:a").resolved()


def test_the_service_principals_own_secret_may_come_from_the_environment_and_open_the_vault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_vault(settings).set_secret("a", VALUE)
    monkeypatch.setenv("INJECTED", "simulated-client-secret")
    found = referring(settings, entra_client_secret="environment:INJECTED", vercel_token="keyvault:a").resolved()
    assert found.vercel_token.get_secret_value() == VALUE


async def test_a_certificate_in_the_vault_signs_in_where_the_machine_opens_the_vault(
    settings: Settings,
    world: World,
    encrypted_certificate: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("provisioner", encrypted_certificate), ("provisioner-password", "open sesame")):
        key_vault(settings).set_secret(name, value)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{world.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "simulated-identity-header")
    found = referring(
        settings.model_copy(update={"entra_client_secret": None}),
        entra_client_certificate="keyvault:provisioner",
        entra_client_certificate_password="keyvault:provisioner-password",
    ).resolved()
    assert await entra_tokens(found).token(FABRIC_SCOPE)


async def test_a_password_that_does_not_open_the_key_is_named(settings: Settings, encrypted_certificate: str) -> None:
    for password in ({}, {"entra_client_certificate_password": "another"}):
        with_certificate = referring(settings, entra_client_certificate=encrypted_certificate, **password)
        with pytest.raises(SetupError, match="ENTRA_CLIENT_CERTIFICATE_PASSWORD") as refusal:
            await entra_tokens(with_certificate).token(FABRIC_SCOPE)
        assert "another" not in str(refusal.value)


async def test_a_certificate_in_a_file_with_a_password_signs_in(
    settings: Settings, encrypted_certificate: str, tmp_path: Path
) -> None:
    file = tmp_path / "provisioner.pem"
    file.write_text(encrypted_certificate)
    changed = settings.model_copy(update={"entra_client_secret": None, "entra_client_certificate_path": file})
    assert await entra_tokens(referring(changed, entra_client_certificate_password="open sesame")).token(FABRIC_SCOPE)


def test_loading_resolves(settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key_vault(settings).set_secret("vercel", VALUE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    for name in Settings.model_fields:
        value = getattr(settings, name)
        told = value.get_secret_value() if isinstance(value, SecretStr) else value
        if told not in (None, ""):
            monkeypatch.setenv(name.upper(), str(told))
    monkeypatch.setenv("VERCEL_TOKEN", "keyvault:vercel")
    assert load_settings().vercel_token.get_secret_value() == VALUE
