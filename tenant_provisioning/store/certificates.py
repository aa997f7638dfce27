"""When a certificate ends. Everything else about certificates is MSAL's."""

from datetime import datetime

from cryptography import x509

from tenant_provisioning.model.errors import SetupError


def certificate_end(pem: str) -> datetime:
    """When the first certificate of the text ends; SetupError where there is none."""
    begin = pem.find("-----BEGIN CERTIFICATE-----")
    try:
        return x509.load_pem_x509_certificate(pem[max(begin, 0) :].encode()).not_valid_after_utc
    except ValueError:
        raise SetupError("the certificate cannot be read: it is not PEM") from None
