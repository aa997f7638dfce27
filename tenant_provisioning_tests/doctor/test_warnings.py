"""Secrets that end soon, keys that were never rotated and secrets that are old are told while everything still works."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tenant_provisioning.credentials import key_vault
from tenant_provisioning.doctor import entra, keys, supabase
from tenant_provisioning.doctor.examination import look
from tenant_provisioning.doctor.findings import Check, Finding, Outcome
from tenant_provisioning.doctor.visit import open_visit
from tenant_provisioning.settings import Settings
from tenant_provisioning_tests.certificates import pem_with_certificate
from tenant_provisioning_tests.conftest import World

NOW = datetime.now(UTC)
Asking = Callable[..., Awaitable[Finding]]
ALL: dict[str, Check] = {check.name: check for part in (entra, keys, supabase) for check in part.CHECKS}


@pytest.fixture
def ask(settings: Settings) -> Asking:
    """`await ask("keys.age", days=400)` is what that one check finds so many days from now, with settings changed."""

    async def ask(name: str, *, days: float = 0, given: Settings | None = None, **changes: Any) -> Finding:
        changed = (given or settings).model_copy(update=changes)
        async with open_visit(changed, now=NOW + timedelta(days=days)) as visit:
            return await look(ALL[name], visit)

    return ask


@pytest.mark.parametrize(
    ("days", "outcome", "said"),
    [(90, Outcome.PASSED, ""), (20, Outcome.WARNED, "ends in"), (-3, Outcome.FAILED, "ended")],
)
async def test_a_client_secret_whose_end_is_set_is_warned_about_before_it_ends(
    ask: Asking, days: int, outcome: Outcome, said: str
) -> None:
    end: date = (NOW + timedelta(days=days)).date()
    found = await ask("entra.credential_end", entra_client_secret_expires_on=end)
    assert found.outcome is outcome
    assert said in found.found
    assert f"{end:%Y-%m-%d}" in found.found
    assert not found.mend or "ENTRA_CLIENT_SECRET_EXPIRES_ON" in found.mend


async def test_an_end_that_nobody_told_is_said_to_be_unknown_and_why(ask: Asking) -> None:
    found = await ask("entra.credential_end")
    assert found.outcome is Outcome.PASSED
    assert "is not known: Entra tells it only to who may read applications in Microsoft Graph" in found.found


@pytest.mark.parametrize(("days", "outcome"), [(90, Outcome.PASSED), (20, Outcome.WARNED), (-3, Outcome.FAILED)])
async def test_a_certificate_tells_its_own_end(ask: Asking, tmp_path: Path, days: int, outcome: Outcome) -> None:
    pem, _ = pem_with_certificate(days=days)
    (tmp_path / "provisioner.pem").write_text(pem)
    for changes in (
        {"entra_client_certificate": SecretStr(pem)},
        {"entra_client_certificate_path": tmp_path / "provisioner.pem"},
    ):
        found = await ask("entra.credential_end", **changes)
        assert found.outcome is outcome
        assert "the certificate" in found.found


async def test_how_early_is_a_setting(ask: Asking) -> None:
    end = (NOW + timedelta(days=50)).date()
    found = await ask("entra.credential_end", entra_client_secret_expires_on=end, expiry_warning_days=60)
    assert found.outcome is Outcome.WARNED


async def test_secrets_in_the_vault_tell_their_age_and_their_end(ask: Asking, settings: Settings, world: World) -> None:
    vault = key_vault(settings.model_copy(update={"key_vault_url": world.url}))
    vault.set_secret("vercel", settings.vercel_token.get_secret_value(), expires_on=NOW + timedelta(days=500))
    referring = {"key_vault_url": world.url, "vercel_token": SecretStr("keyvault:vercel")}
    loaded = settings.model_copy(update=referring).resolved()

    assert (await ask("keys.secrets", given=loaded)).outcome is Outcome.PASSED
    old = await ask("keys.secrets", given=loaded, days=380)
    assert (old.outcome, "VERCEL_TOKEN (keyvault:vercel, since" in old.found) == (Outcome.WARNED, True)
    ending = await ask("keys.secrets", given=loaded, days=490)
    assert (ending.outcome, "VERCEL_TOKEN (keyvault:vercel) ends in" in ending.found) == (Outcome.WARNED, True)
    over = await ask("keys.secrets", given=loaded, days=501)
    assert (over.outcome, "has ended" in over.found) == (Outcome.FAILED, True)

    read = await ask("entra.key_vault", given=loaded)
    assert (read.outcome, "“vercel”" in read.found) == (Outcome.PASSED, True)
    world.control("PATCH", "knobs/key_vault", {"readable": False})
    refused = await ask("entra.key_vault", given=loaded)
    assert (refused.outcome, "Key Vault Secrets User" in refused.mend) == (Outcome.FAILED, True)
