"""Certificates for tests, signed by themselves."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_with_certificate(*, days: float, password: str | None = None) -> tuple[str, str]:
    """The private key with its certificate as one PEM text, and the certificate alone; it ends in so many days."""
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provisioner")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(_key().public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=400))
    signed = builder.not_valid_after(now + timedelta(days=days)).sign(_key(), hashes.SHA256())
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    lock = serialization.BestAvailableEncryption(password.encode()) if password else plain
    certificate = signed.public_bytes(form).decode()
    return _key().private_bytes(form, serialization.PrivateFormat.PKCS8, lock).decode() + certificate, certificate
