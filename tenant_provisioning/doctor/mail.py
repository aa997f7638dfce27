"""The mail server: greeting, encryption and login. No mail is sent."""

from tenant_provisioning.doctor.findings import Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.errors import VendorError
from tenant_provisioning.vendors.mail import VENDOR

ADDRESS = (
    "Check SMTP_HOST, SMTP_PORT and SMTP_STARTTLS, and that this machine may reach it: many networks close port 25."
)


async def server(visit: Visit) -> str:
    """Whether the server greets us and takes our login."""
    await visit.vendors.mailer.check()
    settings = visit.settings
    login = "takes our login" if settings.smtp_username else "asks for no login"
    return f"{settings.smtp_host}:{settings.smtp_port} greets us and {login}"


def _mend(error: VendorError) -> str:
    if "login" in error.message:
        return "Set SMTP_USERNAME and SMTP_PASSWORD to a login that the server takes."
    if "certificate" in error.message:
        return "Set SMTP_HOST to the name in the server's certificate, or TLS_CA_FILE to its CA."
    return ADDRESS


CHECKS = (
    Check("mail.server", VENDOR, "greet the server and log in; no mail is sent", server, mend=_mend, away=ADDRESS),
)
