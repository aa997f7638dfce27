"""`doctor` and `secrets` as a person types them."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from tenant_provisioning.cli import main
from tenant_provisioning.credentials import key_vault
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import organizations
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.vault import Vault, generate_key
from tenant_provisioning_tests.conftest import SECRETS_KEY, World

NEW = generate_key("k2")
Typing = Callable[..., Result]


@pytest.fixture
def own_url(new_database: Callable[[], str]) -> str:
    """A platform database of the test's own."""
    return new_database()


@pytest.fixture
def typed(settings: Settings, own_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typing:
    """`typed("doctor", VERCEL_TOKEN="x")` is what the command prints in an environment with these settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    for name in Settings.model_fields:
        value = getattr(settings, name)
        told = value.get_secret_value() if isinstance(value, SecretStr) else value
        if told not in (None, ""):
            monkeypatch.setenv(name.upper(), str(told))
    monkeypatch.setenv("DATABASE_URL", own_url)

    def typed(*arguments: str, stdin: str = "", **environment: str) -> Result:
        return CliRunner(env=environment).invoke(main, arguments, input=stdin, catch_exceptions=False)

    return typed


@pytest.fixture
def acme_id(own_url: str) -> UUID:
    """An organization with a secret under the key k1."""

    async def make() -> UUID:
        async with open_database(own_url, max_size=1) as db:
            async with db.connection() as connection:
                rows = await connection.execute(
                    "insert into organizations (name, subdomain, domain, lms, english_maths, crm, data_store_kind)"
                    " values ('Acme', 'acme', 'yourplatform.com', 'A', 'B', 'C', 'lakehouse') returning id"
                )
                row = await rows.fetchone()
                assert row is not None
            made: UUID = row["id"]
            sealed = Vault(SECRETS_KEY).encrypt("hunter2", made, "data_store_connection")
            await organizations.save_connection(db, made, sealed)
            return made

    return asyncio.run(make())


def test_doctor_says_what_is_wrong_with_exit_code_1_as_text_and_as_json(typed: Typing) -> None:
    assert typed("doctor").exit_code == 0
    wrong = typed("doctor", "--json", VERCEL_TOKEN="no")
    assert wrong.exit_code == 1
    told: dict[str, Any] = json.loads(wrong.stdout)
    assert told["ok"] is False
    assert [check["check"] for check in told["checks"] if check["outcome"] == "failed"] == ["vercel.project"]
    missing = typed("doctor", PLATFORM_NAME="x", CALL_TIMEOUT="soon", SMTP_PORT="many")
    assert missing.exit_code == 1
    assert "✗ settings.load" in missing.stdout
    assert "CALL_TIMEOUT" in missing.stdout
    assert "SMTP_PORT" in missing.stdout


def test_a_key_that_tenants_secrets_need_and_nobody_holds_is_named(typed: Typing, acme_id: UUID) -> None:
    told = json.loads(typed("doctor", "--json", SECRETS_KEY=NEW).stdout)
    [failed] = [check for check in told["checks"] if check["outcome"] == "failed"]
    assert failed["check"] == "keys.in_use"
    assert failed["found"].endswith("k1 (1)")
    assert "Put k1 back into SECRETS_KEY" in failed["mend"]


def test_doctor_tells_settings_that_no_client_can_be_made_of(typed: Typing) -> None:
    found = typed("doctor", MAIL_FROM="nobody")
    assert found.exit_code == 1
    assert "MAIL_FROM" in found.stdout


def test_rotating_tells_which_key_can_go_and_checking_tells_by_which_key_each_secret_decrypts(
    typed: Typing, acme_id: UUID
) -> None:
    both = f"{NEW},{SECRETS_KEY}"
    before = json.loads(typed("secrets", "check", "--json", SECRETS_KEY=both).stdout)
    assert {key["key"]: key["secrets"] for key in before["keys"]} == {"k2": 0, "k1": 1}

    done = typed("secrets", "rotate", SECRETS_KEY=both)
    assert done.exit_code == 0
    assert "1 encrypted with the key k2" in done.stdout
    assert "No secret needs k1 any more: take it out of SECRETS_KEY" in done.stdout

    after = typed("secrets", "check", "--json", SECRETS_KEY=NEW)
    assert after.exit_code == 0
    [key] = json.loads(after.stdout)["keys"]
    assert (key["key"], key["encrypts"], key["secrets"], key["days"]) == ("k2", True, 1, 0)


def test_a_secret_that_does_not_decrypt_is_named_and_no_key_is_let_go(
    typed: Typing, acme_id: UUID, own_url: str
) -> None:
    lost = typed("secrets", "rotate", SECRETS_KEY=NEW)
    assert lost.exit_code == 1
    assert "needs the key k1" in lost.stderr
    assert "Keep every key" in lost.stderr
    checked = typed("secrets", "check", SECRETS_KEY=NEW)
    assert checked.exit_code == 1
    assert (
        f"✗ secrets.decrypt  decrypt where it stands: organizations: data_store_connection of organization {acme_id}"
        in (checked.stdout)
    )
    assert "hunter2" not in lost.output + checked.output


def test_a_key_that_was_never_rotated_is_warned_about_when_it_is_old(
    typed: Typing, acme_id: UUID, own_url: str
) -> None:
    assert "in use since" in typed("secrets", "check").stdout
    long_ago = datetime.now(UTC) - timedelta(days=400)
    with psycopg.connect(own_url) as connection:
        connection.execute("update encryption_keys set first_used_at = %s", (long_ago,))
    old = typed("secrets", "check")
    assert old.exit_code == 0
    assert "! keys.age" in old.stdout
    assert "was never rotated" in old.stdout
    assert "secrets new-key" in old.stdout


def test_the_board_of_all_organizations_shows_the_budget_of_workspaces(typed: Typing, acme_id: UUID) -> None:
    assert "0 of 2,000 workspaces by the ledger, 2 for each tenant" in typed("status", WORKSPACE_BUDGET="2000").stdout


def test_a_new_key_is_named_for_its_day_and_can_be_used_at_once(typed: Typing) -> None:
    [line] = typed("secrets", "new-key").stdout.splitlines()
    assert Vault(line).first == f"k{datetime.now(UTC):%Y-%m-%d}"
    assert typed("secrets", "new-key", "k7").stdout.startswith("k7:")


def test_putting_a_secret_prints_the_reference_and_not_the_secret(
    typed: Typing, settings: Settings, world: World
) -> None:
    # with a setting that refers to it already
    there = {"KEY_VAULT_URL": world.url, "VERCEL_TOKEN": "keyvault:vercel"}
    put = typed("secrets", "put", "vercel", "--expires-on", "2099-01-31", stdin="hunter2\n", **there)
    assert (put.exit_code, put.stdout) == (0, "keyvault:vercel\n")
    kept = key_vault(settings.model_copy(update={"key_vault_url": world.url})).get_secret("vercel")
    assert kept.value == "hunter2"
    assert kept.expires_on == datetime(2099, 1, 31, tzinfo=UTC)
    assert typed("secrets", "put", "empty", KEY_VAULT_URL=world.url).exit_code == 1
