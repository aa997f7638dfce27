"""Authenticated encryption of tenant secrets, bound to the organization and the column they belong to.

A ciphertext reads `v1.<key id>.<base64 of nonce and ciphertext>`. Moved to another row or column, or changed in any
place, it does not decrypt. Keys rotate without downtime: put the new key last in SECRETS_KEY everywhere, then first,
encrypt anew at leisure (`sealed.rotate`), then drop the old ones. Where ciphertexts are kept is `sealed`.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenant_provisioning.model.errors import ProvisioningError, SetupError

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12  # AES-GCM's own size
CIPHERTEXT = re.compile(r"v1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9+/]+={0,2})")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Vault:
    """Encrypts with the first key of the ring "k2:base64,k1:base64" and decrypts with any of them."""

    def __init__(self, keyring: str) -> None:
        """SetupError, naming the entry but never the key, when the ring cannot be used."""
        self._keys: dict[str, AESGCM] = {}
        for key_id, key in _entries(keyring):
            if key_id in self._keys:
                raise SetupError(f"SECRETS_KEY names the key {key_id} twice.")
            self._keys[key_id] = AESGCM(key)
        if not self._keys:
            raise SetupError("SECRETS_KEY holds no key. Generate one as in k1:<base64 of 32 bytes>.")
        self.first = next(iter(self._keys))
        self.key_ids = tuple(self._keys)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def encrypt(self, text: str, organization_id: UUID, column: str) -> str:
        """The ciphertext of `text` for exactly this organization and column."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._keys[self.first].encrypt(nonce, text.encode(), _binding(organization_id, column))
        return f"{VERSION}.{self.first}.{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, ciphertext: str, organization_id: UUID, column: str) -> str:
        """The text; SetupError when its key is not in the ring, ProvisioningError when it was changed or moved."""
        found = CIPHERTEXT.fullmatch(ciphertext)
        if found is None:
            raise ProvisioningError(f"{column} of organization {organization_id} is not encrypted")
        key = self._keys.get(found[1])
        if key is None:
            raise SetupError(
                f"{column} of organization {organization_id} needs the key {found[1]}, which SECRETS_KEY does not hold."
            )
        try:
            sealed = base64.b64decode(found[2], validate=True)
            return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _binding(organization_id, column)).decode()
        except (InvalidTag, ValueError):
            raise ProvisioningError(
                f"{column} of organization {organization_id} does not decrypt: "
                "it was changed, or it belongs to another row or column"
            ) from None


def key_id_of(ciphertext: str) -> str:
    """The key it names; empty when the text is no ciphertext."""
    found = CIPHERTEXT.fullmatch(ciphertext)
    return found[1] if found else ""


def is_encrypted(text: str) -> bool:
    """True when the text has the form of a ciphertext; only `decrypt` says whether it is a good one."""
    return CIPHERTEXT.fullmatch(text) is not None


def generate_key(key_id: str = "k1") -> str:
    """A new key for SECRETS_KEY, as key id and base64 of 32 random bytes."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def _binding(organization_id: UUID, column: str) -> bytes:
    return f"{VERSION}:{organization_id}:{column}".encode()


def _entries(keyring: str) -> Iterator[tuple[str, bytes]]:
    for number, entry in enumerate(filter(None, (part.strip() for part in keyring.split(","))), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not KEY_ID.fullmatch(key_id):
            # the entry itself is not told: without its colon it may be the bare key
            raise SetupError(
                f"entry {number} of SECRETS_KEY does not begin with a key id and a colon, as in k1:<base64>."
            )
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise SetupError(f"the key {key_id} of SECRETS_KEY is not base64.") from None
        if len(key) != KEY_BYTES:
            raise SetupError(f"the key {key_id} of SECRETS_KEY has {len(key)} bytes; it needs {KEY_BYTES}.")
        yield key_id, key
