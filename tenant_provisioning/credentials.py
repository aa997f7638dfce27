"""How the settings become credentials: secrets by reference, the service principal's tokens, the key vault.

A secret setting may hold `keyvault:NAME` (or `keyvault:NAME/VERSION`) or `environment:NAME` instead of its value. Each
is resolved once, when the settings are loaded. The names and meanings of the settings are `settings`'.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tenant_provisioning.model.errors import ProvisioningError, SetupError
from tenant_provisioning.vendors.key_vault import BlockingTokens, KeyVault
from tenant_provisioning.vendors.managed_identity import ManagedIdentityTokens
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.secret_providers import EnvironmentSecrets, SecretProvider, StoredSecret

if TYPE_CHECKING:
    from tenant_provisioning.settings import Settings

KEY_VAULT, ENVIRONMENT = "keyvault", "environment"
PROVIDERS = frozenset({KEY_VAULT, ENVIRONMENT})
AT_ONCE = 8  # secrets read at the same time
# what opens the key vault cannot lie in it, unless the machine has an identity of its own
OWN_CREDENTIALS = ("entra_client_secret", "entra_client_certificate", "entra_client_certificate_password")


def references(settings: "Settings") -> dict[str, tuple[str, str]]:
    """The settings that refer to a secret instead of holding it, each with its provider and the secret's name."""
    return {setting: (provider, name) for setting, provider, name in _references(settings)}


def resolve(settings: "Settings", kind: str) -> Mapping[str, StoredSecret]:
    """Every secret that a setting refers to at this kind of provider, by setting; SetupError naming each setting and
    secret that is not to be had, never a value.
    """
    asked = {setting: name for setting, (provider, name) in references(settings).items() if provider == kind}
    if not asked:
        return {}
    provider: SecretProvider = EnvironmentSecrets() if kind == ENVIRONMENT else key_vault(settings)

    def fetched(setting: str) -> StoredSecret | ProvisioningError:
        try:
            secret = provider.get_secret(asked[setting])
        except ProvisioningError as error:
            return error
        return secret if secret.value else SetupError(f"the secret “{secret.name}” is empty")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(asked, pool.map(fetched, asked), strict=True))
    if mistakes := {setting: said for setting, said in found.items() if isinstance(said, ProvisioningError)}:
        raise SetupError(_explain(kind, asked, mistakes))
    return {setting: secret for setting, secret in found.items() if isinstance(secret, StoredSecret)}


def key_vault(settings: "Settings") -> KeyVault:
    """The vault at KEY_VAULT_URL, opened by the service principal or, where its credential lies in there, by the machine."""
    if not settings.key_vault_url:
        raise SetupError("settings: KEY_VAULT_URL is not set, and a setting refers to a secret in the key vault")
    return KeyVault(
        settings.key_vault_url,
        _opener(settings),
        ca_file=settings.tls_ca_file,
        timeout=settings.call_timeout,
        attempts=settings.call_attempts,
    )


@lru_cache(maxsize=8)
def entra_tokens(settings: "Settings") -> EntraTokens:
    """One keeper of tokens a process: every step of a run shares them, whichever event loop it has."""
    return EntraTokens(
        settings.entra_authority_url,
        settings.entra_tenant_id,
        settings.entra_client_id,
        secret=_plain(settings.entra_client_secret),
        certificate=_plain(settings.entra_client_certificate) or settings.entra_client_certificate_path,
        certificate_password=_plain(settings.entra_client_certificate_password),
        ca_file=settings.tls_ca_file,
        timeout=settings.call_timeout,
    )


def is_opened_by_machine(settings: "Settings") -> bool:
    """Whether the service principal's own credential lies in the key vault, so that the machine's identity has to open it."""
    asked = {name: provider for name, (provider, _) in references(settings).items()}
    came = {name: origin.provider for name, origin in settings.secret_origins.items()}
    return any({**came, **asked}.get(name) == KEY_VAULT for name in OWN_CREDENTIALS)


def _opener(settings: "Settings") -> BlockingTokens:
    if is_opened_by_machine(settings):
        return ManagedIdentityTokens(ca_file=settings.tls_ca_file, timeout=settings.call_timeout)
    return entra_tokens(settings)


def _references(settings: "Settings") -> Iterator[tuple[str, str, str]]:
    for setting in type(settings).model_fields:
        value = getattr(settings, setting)
        if isinstance(value, SecretStr):
            provider, colon, name = value.get_secret_value().partition(":")
            if colon and provider in PROVIDERS:
                yield setting, provider, name.strip()


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _explain(kind: str, asked: Mapping[str, str], mistakes: Mapping[str, ProvisioningError]) -> str:
    """One sentence a reason, however many settings it keeps from their values."""
    by_reason: dict[str, list[str]] = {}
    for setting, error in mistakes.items():
        by_reason.setdefault(str(error), []).append(f"{setting.upper()} ({kind}:{asked[setting]})")
    return "settings: " + "; ".join(f"{', '.join(names)}: {said}" for said, names in by_reason.items())
