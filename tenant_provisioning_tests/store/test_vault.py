"""Secrets are sealed to organization and column, and keys rotate without downtime."""

import base64
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_provisioning.model.errors import ProvisioningError, SetupError
from tenant_provisioning.store.vault import Vault, generate_key, is_encrypted

ACME = UUID("00000000-0000-4000-8000-000000000001")
OTHER = UUID("00000000-0000-4000-8000-000000000002")
COLUMN = "data_store_connection"
OLD, NEW = generate_key("k1"), generate_key("k2")
SECRET = "Server=x;Password=hunter2"


@settings(max_examples=30, database=None, deadline=None)
@given(text=st.text())
def test_what_is_encrypted_decrypts_to_itself(text: str) -> None:
    vault = Vault(OLD)
    sealed = vault.encrypt(text, ACME, COLUMN)
    assert is_encrypted(sealed)
    assert vault.decrypt(sealed, ACME, COLUMN) == text


def test_a_ciphertext_names_its_format_and_key_and_never_repeats() -> None:
    vault = Vault(OLD)
    first, second = (vault.encrypt(SECRET, ACME, COLUMN) for _ in range(2))
    assert first.startswith("v1.k1.")
    assert first != second
    assert len(base64.b64decode(first.split(".")[2])) == 12 + len(SECRET) + 16


def test_a_ciphertext_that_was_moved_to_another_row_or_column_does_not_decrypt() -> None:
    vault = Vault(OLD)
    sealed = vault.encrypt(SECRET, ACME, COLUMN)
    for organization, column in ((OTHER, COLUMN), (ACME, "another_column")):
        with pytest.raises(ProvisioningError, match="does not decrypt") as refusal:
            vault.decrypt(sealed, organization, column)
        assert "hunter2" not in str(refusal.value)


def test_a_ciphertext_that_was_changed_anywhere_does_not_decrypt() -> None:
    vault = Vault(OLD)
    version, key_id, body = vault.encrypt(SECRET, ACME, COLUMN).split(".")
    raw = base64.b64decode(body)
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(ProvisioningError):
            vault.decrypt(f"{version}.{key_id}.{base64.b64encode(changed).decode()}", ACME, COLUMN)
    for shortened in (raw[:-1], raw[:12], raw[:3], b""):
        with pytest.raises(ProvisioningError):
            vault.decrypt(f"{version}.{key_id}.{base64.b64encode(shortened).decode()}", ACME, COLUMN)
    with pytest.raises(ProvisioningError):
        vault.decrypt(f"v2.{key_id}.{body}", ACME, COLUMN)


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    before = Vault(OLD).encrypt(SECRET, ACME, COLUMN)
    both = Vault(f"{NEW}, {OLD}")
    assert both.decrypt(before, ACME, COLUMN) == SECRET
    after = both.encrypt(SECRET, ACME, COLUMN)
    assert after.startswith("v1.k2.")
    assert Vault(NEW).decrypt(after, ACME, COLUMN) == SECRET


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(SetupError, match="needs the key k1"):
        Vault(NEW).decrypt(Vault(OLD).encrypt(SECRET, ACME, COLUMN), ACME, COLUMN)


def test_another_key_under_the_same_name_does_not_decrypt() -> None:
    with pytest.raises(ProvisioningError, match="does not decrypt"):
        Vault(generate_key("k1")).decrypt(Vault(OLD).encrypt(SECRET, ACME, COLUMN), ACME, COLUMN)


@pytest.mark.parametrize("text", ["", SECRET, "v1.k1", "v1..AAAA", "v1.k1.not base64", "v2.k1.AAAA"])
def test_what_is_not_encrypted_is_recognised(text: str) -> None:
    assert not is_encrypted(text)
    with pytest.raises(ProvisioningError, match="is not encrypted"):
        Vault(OLD).decrypt(text, ACME, COLUMN)


@pytest.mark.parametrize(
    ("keyring", "said"),
    [
        ("", "holds no key"),
        (OLD.removeprefix("k1:"), "entry 1"),
        (f"{NEW},{OLD.replace('k1', 'k 1')}", "entry 2"),
        ("k1:%%%%", "k1 of SECRETS_KEY is not base64"),
        ("k1:" + base64.b64encode(b"short").decode(), "5 bytes; it needs 32"),
        (f"{OLD},{OLD}", "k1 twice"),
    ],
    ids=["empty", "no key id", "bad key id", "not base64", "too short", "twice"],
)
def test_a_key_ring_that_cannot_be_used_is_explained_without_the_key(keyring: str, said: str) -> None:
    with pytest.raises(SetupError, match=said) as refusal:
        Vault(keyring)
    assert OLD.removeprefix("k1:") not in str(refusal.value)


def test_a_vault_does_not_show_its_keys() -> None:
    assert OLD.removeprefix("k1:") not in repr(vars(Vault(OLD)))
