"""Microsoft Entra: whether the service principal signs in, for each API, and when its credential ends."""

from datetime import UTC, datetime, time

from tenant_provisioning.credentials import KEY_VAULT, entra_tokens, key_vault
from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.model.errors import VendorError
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.certificates import certificate_end
from tenant_provisioning.vendors.microsoft import FABRIC_SCOPE, POWERBI_SCOPE, EntraTokens, certificate_text

VENDOR = "Microsoft Entra"
RENEW = "Make a new one in Entra (App registrations → the app → Certificates & secrets)"


async def fabric_token(visit: Visit) -> str:
    """A token for Fabric."""
    await entra_tokens(visit.settings).token(FABRIC_SCOPE)
    return f"the service principal {visit.settings.entra_client_id} signs in by {_means(visit)}"


async def powerbi_token(visit: Visit) -> str:
    """A token for Power BI."""
    await entra_tokens(visit.settings).token(POWERBI_SCOPE)
    return "a token for Power BI is given"


async def credential_end(visit: Visit) -> str:
    """When the credential that signs in ends, as far as anybody tells us."""
    settings = visit.settings
    certificate = _certificate(settings)
    if certificate is not None:
        return warn_before_end(visit, "the certificate", certificate_end(certificate), f"{RENEW}, and set it here.")
    origin = settings.secret_origins.get("entra_client_secret")
    if settings.entra_client_secret_expires_on is not None:
        end = datetime.combine(settings.entra_client_secret_expires_on, time(tzinfo=UTC))
        return warn_before_end(
            visit,
            "the client secret",
            end,
            f"{RENEW}, then set ENTRA_CLIENT_SECRET and ENTRA_CLIENT_SECRET_EXPIRES_ON.",
        )
    if origin is not None and origin.expires_on is not None:
        return warn_before_end(
            visit, "the client secret", origin.expires_on, f"{RENEW}, and put it into {origin} with its end."
        )
    return (
        "when the client secret ends is not known: Entra tells it only to who may read applications in Microsoft Graph. "
        "Set ENTRA_CLIENT_SECRET_EXPIRES_ON, and doctor warns in time"
    )


async def connection_secret(visit: Visit) -> str:
    """Whether the secret that datasets read their data with signs in."""
    settings = visit.settings
    secret = settings.connection_secret
    if settings.entra_client_secret == secret:
        return "datasets read with the client secret that signs in here"
    tokens = EntraTokens(
        settings.entra_authority_url,
        settings.entra_tenant_id,
        settings.entra_client_id,
        secret=secret.get_secret_value(),
        ca_file=settings.tls_ca_file,
        timeout=settings.call_timeout,
    )
    await tokens.token(FABRIC_SCOPE)
    return "CONNECTION_CLIENT_SECRET signs in"


async def vault(visit: Visit) -> str:
    """Whether the key vault still gives what the settings refer to."""
    if not visit.settings.key_vault_url:
        return "no key vault is set (KEY_VAULT_URL)"
    names = sorted({origin.name for origin in visit.settings.secret_origins.values() if origin.provider == KEY_VAULT})
    if not names:
        return f"no setting refers to {visit.settings.key_vault_url}"
    # settings that are loaded have read every one; this asks whether it is still so
    secret = key_vault(visit.settings).get_secret(names[0])
    return f"{len(names)} secrets are read from {visit.settings.key_vault_url}, “{secret.name}” among them"


def warn_before_end(visit: Visit, what: str, end: datetime, mend: str) -> str:
    """When it ends; Ailment when it has, and a mild one when it soon will."""
    days = visit.days_until(end)
    if end <= visit.now:
        raise Ailment(f"{what} has ended on {end:%Y-%m-%d}", mend)
    if days <= visit.settings.expiry_warning_days:
        raise Ailment(f"{what} ends in {days} days, on {end:%Y-%m-%d}", mend, mild=True)
    return f"{what} ends on {end:%Y-%m-%d}, in {days} days"


def _means(visit: Visit) -> str:
    return "client secret" if _certificate(visit.settings) is None else "certificate"


def _certificate(settings: Settings) -> str | None:
    """The text of the certificate that signs in, None where a client secret does."""
    if settings.entra_client_certificate is not None:
        return settings.entra_client_certificate.get_secret_value()
    path = settings.entra_client_certificate_path
    return None if path is None else certificate_text(path)


def _mend(error: VendorError) -> str:
    said = error.message
    for number, setting in (
        ("AADSTS90002", "Set ENTRA_TENANT_ID to the directory's id (Entra → Overview → Tenant ID)."),
        ("ENTRA_TENANT_ID", "Set ENTRA_TENANT_ID to the directory's id (Entra → Overview → Tenant ID)."),
        ("AADSTS700016", "Set ENTRA_CLIENT_ID to the app's Application (client) ID, of an app in this directory."),
        ("AADSTS7000215", "Set ENTRA_CLIENT_SECRET to a client secret's value (not its id) of this app."),
        ("AADSTS7000222", f"The client secret has ended. {RENEW}, and set ENTRA_CLIENT_SECRET."),
        ("AADSTS700027", "Upload the certificate's public part to this app in Entra (Certificates & secrets)."),
        ("AADSTS700024", "This machine's clock is wrong: let it follow a time server."),
    ):
        if number in said:
            return setting
    return "Check ENTRA_TENANT_ID, ENTRA_CLIENT_ID and ENTRA_CLIENT_SECRET or the certificate."


def _mend_connection(error: VendorError) -> str:
    return _mend(error).replace("ENTRA_CLIENT_SECRET", "CONNECTION_CLIENT_SECRET")


CHECKS = (
    Check("entra.fabric_token", VENDOR, "get a token for Fabric", fabric_token, mend=_mend),
    Check(
        "entra.powerbi_token", VENDOR, "get a token for Power BI", powerbi_token, ("entra.fabric_token",), mend=_mend
    ),
    Check("entra.credential_end", VENDOR, "look when the credential ends", credential_end),
    Check(
        "entra.connection_secret",
        VENDOR,
        "sign in with the secret that datasets read with",
        connection_secret,
        ("entra.fabric_token",),
        mend=_mend_connection,
    ),
    Check(
        "entra.key_vault",
        "Azure Key Vault",
        "read a secret that a setting refers to",
        vault,
        mend=lambda _: "Give the identity that opens the vault the role “Key Vault Secrets User” on it.",
    ),
)
