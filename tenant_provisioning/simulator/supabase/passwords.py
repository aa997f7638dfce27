"""Passwords as the vendor stores them: hashed, never readable again.

The vendor uses bcrypt; a few rounds of PBKDF2 keep the simulator quick and behave the same to those outside.
"""

import hashlib
import hmac
import random
import string

MINIMUM = 6  # Supabase's default
MAXIMUM_BYTES = 72  # bcrypt's limit, checked by the server before it hashes
ROUNDS = 200


def hash_password(password: str, source: random.Random) -> str:
    """The stored form: salt and digest, in hex."""
    salt = source.randbytes(16)
    return f"{salt.hex()}:{_digest(password, salt)}"


def is_password(password: str, stored: str) -> bool:
    """True when the password is the one that was stored; never for an empty stored form."""
    salt, _, digest = stored.partition(":")
    return bool(digest) and hmac.compare_digest(digest, _digest(password, bytes.fromhex(salt)))


def random_password(source: random.Random) -> str:
    """64 characters, as the server sets them for a user that came without a password."""
    return "".join(source.choices(string.ascii_letters + string.digits, k=64))


def _digest(password: str, salt: bytes) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS).hex()
