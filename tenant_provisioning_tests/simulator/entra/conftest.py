"""Certificates that an application may prove itself with."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@pytest.fixture(scope="session")
def certificate() -> tuple[str, str]:
    """A private key and its self-signed certificate, both PEM."""
    return make_certificate()


@pytest.fixture(scope="session")
def another_certificate() -> tuple[str, str]:
    """A private key and certificate that have nothing to do with the first."""
    return make_certificate()


def make_certificate() -> tuple[str, str]:
    """A fresh private key and its self-signed certificate, both PEM, good for a day."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provisioner")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode(), made.decode()
