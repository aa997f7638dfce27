"""Doctor and the secrets' commands at the terminal: what they print. What they find is `doctor`'s and `store.sealed`'s."""

import json
from datetime import UTC, datetime

import click
from rich.console import Console

from tenant_provisioning.doctor import keys
from tenant_provisioning.doctor.examination import examine, look
from tenant_provisioning.doctor.findings import Finding, Outcome, is_well
from tenant_provisioning.doctor.report import as_object, as_text
from tenant_provisioning.doctor.visit import open_visit
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.settings import Settings, load_settings
from tenant_provisioning.store import sealed
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.vault import Vault


async def run_doctor(*, as_json: bool) -> bool:
    """Whether all is well, after it was printed. Settings that cannot be loaded are a finding like any other."""
    try:
        with Console(stderr=True).status("Looking at every vendor …"):
            findings = await examine(load_settings())
    except SetupError as mistake:
        findings = [Finding("settings.load", "settings", "load the settings", Outcome.FAILED, str(mistake))]
    _show(findings, as_json=as_json)
    return is_well(findings)


async def check_secrets(settings: Settings, *, as_json: bool) -> bool:
    """Whether every secret decrypts where it stands, after it was printed by which key, and how old the keys are."""
    vault = Vault(settings.secrets_key.get_secret_value())
    async with open_visit(settings) as visit:
        told = [await look(check, visit) for check in keys.CHECKS if check.name != "keys.in_use"]
        found = await visit.ask_database(lambda db: sealed.examine(db, vault))
        ages = await visit.ask_database(sealed.key_ages)
    unreadable = [
        Finding("secrets.decrypt", "tenants' secrets", "decrypt where it stands", Outcome.FAILED, said, MEND)
        for said in found.unreadable
    ]
    sound = [
        Finding(
            "secrets.decrypt",
            "tenants' secrets",
            f"decrypt by {key}",
            Outcome.PASSED,
            f"{count} decrypt" + (f"; in use since {ages[key]:%Y-%m-%d}" if key in ages else ""),
        )
        for key, count in sorted(found.sound.items())
    ]
    findings = [*told, *sound, *unreadable]
    _show(findings, as_json=as_json, keys=_keys(vault, found, ages))
    return is_well(findings)


async def rotate_secrets(settings: Settings) -> bool:
    """Whether everything carries the first key now, after it was told which keys are not needed any more."""
    vault = Vault(settings.secrets_key.get_secret_value())
    async with open_database(settings.database_url.get_secret_value()) as db:
        done = sealed.Rotated(0, 0, ())
        async for done in sealed.rotate(db, vault):
            if done.anew:
                click.echo(f"{done.anew} encrypted anew …", err=True)
        used = await sealed.key_ids_in_use(db)
    click.echo(f"{done.anew} encrypted with the key {vault.first}, {done.before} had been before.")
    for said in done.unreadable:
        click.echo(f"✗ {said}", err=True)
    needed = [key for key in vault.key_ids[1:] if used[key]]
    retired = [key for key in vault.key_ids[1:] if not used[key]]
    if needed or done.unreadable:
        click.echo(f"Keep every key in SECRETS_KEY: {', '.join(needed) or 'an older one'} is still needed.", err=True)
        return False
    if retired:
        click.echo(
            f"No secret needs {', '.join(retired)} any more: take it out of SECRETS_KEY, once every process that was started "
            "with another first key has ended and `tenant-provisioning secrets check` says the same."
        )
    return True


MEND = "Put the key it needs back into SECRETS_KEY; if it was changed or moved, run the tenant's data store step again."


def _keys(vault: Vault, found: sealed.Examined, ages: dict[str, datetime]) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    return [
        {
            "key": key,
            "encrypts": key == vault.first,
            "held": key in vault,
            "secrets": found.sound[key],
            "since": ages[key].isoformat() if key in ages else None,
            "days": (now - ages[key]).days if key in ages else None,
        }
        for key in dict.fromkeys([*vault.key_ids, *found.sound])
    ]


def _show(findings: list[Finding], *, as_json: bool, **more: object) -> None:
    if as_json:
        click.echo(json.dumps({**as_object(findings), **more}, ensure_ascii=False))
    else:
        Console(soft_wrap=True, highlight=False).print(as_text(findings))
