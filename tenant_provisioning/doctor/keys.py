"""Key material: what encrypts tenants' secrets, how old it is, and how old the platform's own secrets are."""

from datetime import datetime

from tenant_provisioning.doctor.entra import warn_before_end
from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit
from tenant_provisioning.store import sealed
from tenant_provisioning.store.vault import Vault

VENDOR = "key material"
ROTATE = (
    "Rotate: `tenant-provisioning secrets new-key`, put it into SECRETS_KEY, then `tenant-provisioning secrets rotate`."
)


async def ring(visit: Visit) -> str:
    """Whether SECRETS_KEY can be used."""
    vault = _vault(visit)
    older = f", {', '.join(vault.key_ids[1:])} still decrypt" if len(vault.key_ids) > 1 else ""
    return f"the key {vault.first} encrypts{older}"


async def in_use(visit: Visit) -> str:
    """Whether every key that a ciphertext names is there. Whether each decrypts is `secrets check`'s."""
    vault, used = _vault(visit), await visit.ask_database(sealed.key_ids_in_use)
    unknown = {key: count for key, count in used.items() if key not in vault}
    if unknown:
        raise Ailment(
            "secrets of tenants need keys that SECRETS_KEY does not hold: "
            + ", ".join(f"{key} ({count})" for key, count in unknown.items()),
            f"Put {', '.join(unknown)} back into SECRETS_KEY, behind the first key.",
        )
    told = ", ".join(f"{count} by {key}" for key, count in sorted(used.items())) or "none yet"
    return f"secrets of tenants: {told}"


async def age(visit: Visit) -> str:
    """Whether the key that encrypts is due for rotation."""
    vault, since = _vault(visit), await visit.ask_database(sealed.key_ages)
    first = since.get(vault.first)
    if first is None:
        return f"the key {vault.first} has not been used yet"
    told = f"the key {vault.first} is in use since {first:%Y-%m-%d}"
    if len(since) == 1:
        told += ", and was never rotated"
    if _is_old(visit, first):
        raise Ailment(told, ROTATE, mild=True)
    return told


async def secrets(visit: Visit) -> str:
    """Whether a secret that a setting refers to ends soon or is old, as far as its keeper says."""
    known = visit.settings.secret_origins
    ending = [name for name, origin in known.items() if origin.expires_on is not None]
    for name in sorted(ending, key=lambda name: known[name].expires_on or visit.now):
        origin = known[name]
        if origin.expires_on is not None:
            warn_before_end(visit, f"{name.upper()} ({origin})", origin.expires_on, "Renew it, and set its new end.")
    old = [
        f"{name.upper()} ({origin}, since {origin.created_on:%Y-%m-%d})"
        for name, origin in known.items()
        if origin.created_on is not None and _is_old(visit, origin.created_on)
    ]
    if old:
        raise Ailment(f"old secrets: {', '.join(old)}", "Renew them at their vendors, and in the vault.", mild=True)
    dated = sum(origin.created_on is not None for origin in known.values())
    return f"{dated} secrets tell their age, and none is old" if dated else "no secret tells its age"


def _vault(visit: Visit) -> Vault:
    return Vault(visit.settings.secrets_key.get_secret_value())


def _is_old(visit: Visit, since: datetime) -> bool:
    return (visit.now - since).days >= visit.settings.secret_age_warning_days


CHECKS = (
    Check("keys.ring", VENDOR, "read SECRETS_KEY", ring),
    Check(
        "keys.in_use",
        VENDOR,
        "look which keys tenants' secrets need",
        in_use,
        ("keys.ring", "platform.migrations"),
    ),
    Check("keys.age", VENDOR, "look since when the key is in use", age, ("keys.ring", "platform.migrations")),
    Check("keys.secrets", VENDOR, "look when secrets in the key vault end", secrets),
)
