"""The commands. Each is thin: what it does is elsewhere; here are its arguments, its words and its exit code.

Exit codes: 0 done, 1 not done and the text says why, 2 wrong usage. Logs and progress go to standard error, results to standard
output.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click

from tenant_provisioning.model.errors import CatalogInvalid, ProvisioningError, RequestInvalid

P = ParamSpec("P")
DEFAULT_SAMPLE = Path(".data/catalog")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tenant-provisioning")
def main() -> None:
    """Turn one onboarding form into a working customer.

    \b
    To see it all on this machine, without any account:
        tenant-provisioning demo
    With real vendors: fill in .env (see .env.example), then
        tenant-provisioning migrate
        tenant-provisioning catalog sync
        dagster dev
        tenant-provisioning onboard request.json
    """


def explained(command: Callable[P, Coroutine[Any, Any, None] | None]) -> Callable[P, None]:
    """The command, async or not, as click wants it; our own errors become text and exit code 1 instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if (work := command(*args, **kwargs)) is not None:
                asyncio.run(work)
            return
        except RequestInvalid as mistakes:
            for field, sentences in mistakes.errors.items():
                click.echo(f"{field or 'request'}: {' '.join(sentences)}", err=True)
            click.echo("Nothing was stored.", err=True)
        except CatalogInvalid as mistakes:
            click.echo(f"{mistakes}\n{len(mistakes.mistakes)} mistake(s); nothing was changed.", err=True)
        except ProvisioningError as error:
            click.echo(str(error), err=True)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
        sys.exit(1)

    return run


@main.command()
@explained
async def migrate() -> None:
    """Bring the platform database (DATABASE_URL) to the newest schema. Safe to run at any time, also twice at once."""
    from tenant_provisioning.settings import load_settings
    from tenant_provisioning.store.migrate import migrate as apply

    applied = await apply(load_settings().database_url.get_secret_value())
    click.echo("\n".join(f"applied {name}" for name in applied) or "The schema is up to date.")


@main.group()
def catalog() -> None:
    """The template reports: check the manifest, bring it to the database, write a sample."""


@catalog.command("check")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the mistakes as JSON.")
def catalog_check(folder: Path | None, as_json: bool) -> None:
    """Name every mistake in the catalog at FOLDER (default: CATALOG_PATH), with file and line. Exit code 1 when there is one."""
    from dataclasses import asdict

    from tenant_provisioning.catalog.manifest import check_catalog
    from tenant_provisioning.settings import catalog_path

    mistakes = check_catalog(folder or catalog_path())
    if as_json:
        click.echo(json.dumps([asdict(mistake) for mistake in mistakes], indent=2))
    else:
        click.echo("\n".join(map(str, mistakes)) or "The catalog is sound.")
    sys.exit(1 if mistakes else 0)


@catalog.command("sync")
@explained
async def catalog_sync() -> None:
    """Bring providers, modules and template reports of the catalog (CATALOG_PATH) to the platform database."""
    from tenant_provisioning.catalog.manifest import load_catalog
    from tenant_provisioning.settings import load_settings
    from tenant_provisioning.store.catalog import sync_catalog
    from tenant_provisioning.store.database import open_database

    settings = load_settings()
    async with open_database(settings.database_url.get_secret_value()) as db:
        result = await sync_catalog(db, load_catalog(settings.catalog_path))
    click.echo(
        f"{result.added} added, {result.changed} changed, {result.retired} retired, {result.unchanged} unchanged"
    )


@catalog.command("sample")
@click.argument("folder", type=click.Path(path_type=Path), default=DEFAULT_SAMPLE)
@explained
async def catalog_sample(folder: Path) -> None:
    """Write the sample catalog of 400 template reports into FOLDER. The same bytes every time."""
    from tenant_provisioning.catalog.sample import write_sample

    click.echo(f"{len(write_sample(folder).reports)} template reports in {folder}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@explained
async def doctor(as_json: bool) -> None:
    """Look at every vendor and every permission the product needs, and say how to mend what is missing.

    It changes nothing and sends no mail. Exit code 0 when nothing has failed; what is only to look at does not count.
    """
    from tenant_provisioning.health import run_doctor

    sys.exit(0 if await run_doctor(as_json=as_json) else 1)


@main.group()
def secrets() -> None:
    """The keys that encrypt tenants' secrets, and the platform's own secrets in the key vault."""


@secrets.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@explained
async def secrets_check(as_json: bool) -> None:
    """Decrypt every secret of every tenant where it stands, and tell by which key and how old the keys are."""
    from tenant_provisioning.health import check_secrets
    from tenant_provisioning.settings import load_settings

    sys.exit(0 if await check_secrets(load_settings(), as_json=as_json) else 1)


@secrets.command("rotate")
@explained
async def secrets_rotate() -> None:
    """Encrypt every secret of every tenant with the first key of SECRETS_KEY. May be interrupted and run again.

    \b
    Nobody is held up, if it is done in this order:
        1. tenant-provisioning secrets new-key     and put the new key LAST in SECRETS_KEY, everywhere
        2. restart everything, then put it FIRST, and restart again
        3. tenant-provisioning secrets rotate
        4. take the old key out of SECRETS_KEY
    """
    from tenant_provisioning.health import rotate_secrets
    from tenant_provisioning.settings import load_settings

    sys.exit(0 if await rotate_secrets(load_settings()) else 1)


@secrets.command("new-key")
@click.argument("key_id", required=False)
@explained
def secrets_new_key(key_id: str | None) -> None:
    """Print a new key for SECRETS_KEY, named KEY_ID (default: today's date). It is stored nowhere."""
    from datetime import UTC, datetime

    from tenant_provisioning.store.vault import generate_key

    click.echo(generate_key(key_id or f"k{datetime.now(UTC):%Y-%m-%d}"))


@secrets.command("put")
@click.argument("name")
@click.option("--expires-on", type=click.DateTime(["%Y-%m-%d"]), help="When the secret ends, so that doctor can warn.")
@explained
def secrets_put(name: str, expires_on: Any) -> None:
    """Put the secret read from standard input into the key vault (KEY_VAULT_URL) as NAME; a deleted NAME is recovered.

    Refer to it as NAME_OF_SETTING=keyvault:NAME.
    """
    from datetime import UTC

    from tenant_provisioning.credentials import key_vault
    from tenant_provisioning.settings import load_settings

    hidden = sys.stdin.isatty()
    value = click.prompt("Value", hide_input=True) if hidden else sys.stdin.read().removesuffix("\n")
    if not value:
        raise ProvisioningError("the value is empty; nothing was stored")
    end = expires_on.replace(tzinfo=UTC) if expires_on else None
    # a setting may refer to the very secret that is put there now
    kept = key_vault(load_settings(from_vault=False)).set_secret(name, value, expires_on=end)
    click.echo(f"keyvault:{kept.name}")


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print what was stored as JSON.")
@explained
async def onboard(file: Any, as_json: bool) -> None:
    """Submit the onboarding request in FILE (JSON; - reads standard input). Provisioning begins within seconds.

    \b
    {"name": "Acme Training", "subdomain": "acme",
     "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
     "super_users": [{"email": "jo@acme.example", "first_name": "Jo", "last_name": "Bloggs"}]}

    Optional: "hr", "domain", "data_store" ("lakehouse", "warehouse", "fabric_sql_database", "azure_sql_database", or the
    customer's own: {"kind": "bring_your_own", "workspace_url": "https://…", "connection_string": "Server=…;Database=…"}).
    Mistakes are named all at once, by field, and then nothing is stored.
    """
    from tenant_provisioning.settings import load_settings
    from tenant_provisioning.store.database import open_database
    from tenant_provisioning.store.requests import submit
    from tenant_provisioning.store.vault import Vault

    raw, settings = _read_json(file), load_settings()
    async with open_database(settings.database_url.get_secret_value()) as db:
        organization = await submit(
            db,
            raw,
            requested_by=getpass.getuser(),
            default_domain=settings.platform_domain,
            offered=settings.offered_data_stores,
            vault=Vault(settings.secrets_key.get_secret_value()),
        )
    if as_json:
        told = {"organization": str(organization.id), "tenant": organization.subdomain, "status": organization.status}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{organization.name} is requested. Watch it: tenant-provisioning status {organization.subdomain}")


def _read_json(file: Any) -> Any:
    """What the file holds; one clear line when it is not JSON."""
    name = getattr(file, "name", "standard input")
    try:
        return json.loads(file.read(1_000_000).decode())
    except UnicodeDecodeError:
        raise RequestInvalid({"": [f"{name} is not UTF-8 text."]}) from None
    except ValueError as mistake:
        raise RequestInvalid({"": [f"{name} is not JSON: {mistake}."]}) from None
    except RecursionError:
        raise RequestInvalid({"": [f"{name} is nested too deeply."]}) from None


@main.command()
@click.argument("tenant", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--follow", is_flag=True, help="Stay and show progress until the tenant needs a person.")
@explained
async def status(tenant: str | None, as_json: bool, follow: bool) -> None:
    """Show every organization, or the steps and the QA board of TENANT (its subdomain)."""
    from tenant_provisioning import watch
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    if tenant is None:
        await watch.show_all(settings, as_json=as_json)
    else:
        if follow:
            await watch.follow(settings, tenant)
        await watch.show_one(settings, tenant, as_json=as_json)


@main.command()
@click.argument("tenant")
@explained
async def retry(tenant: str) -> None:
    """Try again what is left to do for TENANT. What is done already stays as it is."""
    from tenant_provisioning.settings import load_settings
    from tenant_provisioning.watch import request_retry

    click.echo(await request_retry(load_settings(), tenant, actor=getpass.getuser()))


@main.command()
@click.argument("tenant")
@click.option("--wait", is_flag=True, help="Stay until every check has been asked, then show the QA board.")
@explained
async def checks(tenant: str, wait: bool) -> None:
    """Run all checks of TENANT again. With --wait, exit code 0 only when all have passed."""
    from tenant_provisioning import review, watch
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    since = await review.request_checks(settings, tenant, by=getpass.getuser())
    if not wait:
        click.echo(f"The checks are run again within seconds. Their verdicts: tenant-provisioning status {tenant}")
        return
    passed = await review.wait_for_checks(settings, tenant, since)
    await watch.show_one(settings, tenant, as_json=False)
    sys.exit(0 if passed else 1)


@main.command()
@click.argument("tenant")
@click.argument("item", required=False)
@click.option("--done/--undone", default=True, help="Tick ITEM (the default) or open it again.")
@click.option("--note", default="", help="What you saw, for the record.")
@click.option("--by", default=getpass.getuser, help="Who has looked.  [default: the one who is logged in here]")
@explained
async def checklist(tenant: str, item: str | None, done: bool, note: str, by: str) -> None:
    """Show the QA board of TENANT with its checklist, after ticking ITEM if one is named."""
    from tenant_provisioning import review, watch
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    if item is not None:
        await review.tick(settings, tenant, item, done=done, by=by, note=note)
    await watch.show_one(settings, tenant, as_json=False)


@main.command()
@click.argument("tenant")
@click.option("--note", default="", help="For the record.")
@click.option("--by", default=getpass.getuser, help="Who approves.  [default: the one who is logged in here]")
@click.option("--wait", is_flag=True, help="Stay until it is live, at most ten minutes.")
@explained
async def approve(tenant: str, note: str, by: str, wait: bool) -> None:
    """Let TENANT go live. Every check must have passed and every required item of the checklist be ticked."""
    from tenant_provisioning import review, watch
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    click.echo(await review.approve(settings, tenant, by=by, note=note), err=wait)
    if wait:
        now = await review.wait_for_go_live(settings, tenant, seconds=600)
        await watch.show_one(settings, tenant, as_json=False)
        sys.exit(0 if now.status == "active" else 1)


@main.command("test-login")
@click.argument("tenant")
@click.option("--user", "email", help="The super user's email.  [default: the first of the form]")
@explained
async def test_login(tenant: str, email: str | None) -> None:
    """Print a link that signs in once as a super user of TENANT. It is for you alone: who has it is that user."""
    from tenant_provisioning import review
    from tenant_provisioning.settings import load_settings

    click.echo(await review.test_login(load_settings(), tenant, email=email, by=getpass.getuser()))


@main.command()
@click.argument("tenant")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@explained
async def suspend(tenant: str, reason: str) -> None:
    """Close the door of the active TENANT: its users cannot sign in, its data stays."""
    from tenant_provisioning import review
    from tenant_provisioning.settings import load_settings

    click.echo(await review.suspend(load_settings(), tenant, by=getpass.getuser(), reason=reason))


@main.command()
@click.argument("tenant")
@explained
async def resume(tenant: str) -> None:
    """Open the door of the suspended TENANT again."""
    from tenant_provisioning import review
    from tenant_provisioning.settings import load_settings

    click.echo(await review.resume(load_settings(), tenant, by=getpass.getuser()))


@main.command("mail-retry")
@click.argument("tenant")
@click.option("--to", "recipient", help="Only the mail to this address.")
@click.confirmation_option(
    prompt="A mail that is uncertain may have arrived; it would arrive twice. Send failed and uncertain mail again?"
)
@explained
async def mail_retry(tenant: str, recipient: str | None) -> None:
    """Send again what TENANT's users should have been told and perhaps were not. `status TENANT` shows each mail's state."""
    from tenant_provisioning import review
    from tenant_provisioning.settings import load_settings

    count = await review.retry_mail(load_settings(), tenant, recipient=recipient, by=getpass.getuser())
    click.echo(f"{count} mail(s) are sent again within seconds.")


@main.command()
@click.argument("tenant")
@click.option("--confirm", metavar="NAME", help="The organization's name; an active one is not rolled back without it.")
@click.option("--follow", is_flag=True, help="Stay and show progress until nothing is left.")
@explained
async def rollback(tenant: str, confirm: str | None, follow: bool) -> None:
    """Take away everything that was made for TENANT, at every vendor; what was adopted stays. Then its name is free again.

    A run that is at work on it is stopped first. A rollback that could not be finished goes on when it is asked for again.
    """
    from tenant_provisioning import watch
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    if confirm is None and sys.stdin.isatty() and await watch.needs_confirmation(settings, tenant):
        confirm = click.prompt(f"{tenant} is active. To take it away from its users, type the organization's name")
    click.echo(await watch.request_rollback(settings, tenant, actor=getpass.getuser(), confirmed=confirm))
    if follow:
        now = await watch.follow(settings, tenant)
        sys.exit(1 if now.organization.is_on_its_way_back else 0)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on.  [default: PORTAL_URL's, or 8400]")
@explained
def portal(host: str, port: int | None) -> None:
    """Serve the portal for super admins at PORTAL_URL. A proxy in front of it ends TLS; `up` has one already."""
    from tenant_provisioning.portal.server import serve
    from tenant_provisioning.settings import load_settings

    settings = load_settings()
    click.echo(f"The portal is at {settings.portal_url}", err=True)
    serve(settings, host=host, port=port)


@main.command("grant-admin")
@click.argument("email")
@explained
async def grant_admin(email: str) -> None:
    """Make EMAIL a super admin of the portal, in Supabase. Who has no account yet gets one, and signs in with a mailed link."""
    from tenant_provisioning.portal.sign_in import grant_admin as grant
    from tenant_provisioning.settings import load_settings

    click.echo(await grant(load_settings(), email))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run the simulator of the vendors alone, for a look at it or for tests of your own. It listens on loopback only.

    All arguments go to the simulator; `tenant-provisioning simulate -- --help` lists them.
    """
    import subprocess

    sys.exit(
        subprocess.run([sys.executable, "-m", "tenant_provisioning.simulator", *arguments], check=False).returncode
    )


def _stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--latency", type=click.Choice(["instant", "realistic"]), default="realistic", show_default=True,
        help="How long the simulated vendors take.",
    )(command)  # fmt: skip
    return click.option(
        "--scale",
        type=click.FloatRange(min=0, min_open=True),
        default=0.1,
        show_default=True,
        help="Factor on realistic latencies.",
    )(command)


@main.command()
@_stack_options
@explained
def up(latency: str, scale: float) -> None:
    """Start the embedded default (database, simulated vendors, mail, Dagster, portal), print the URLs, stay up until Ctrl-C."""
    from tenant_provisioning.demo import run_up

    run_up(latency=latency, scale=scale)


@main.command()
@_stack_options
@click.option(
    "--until",
    type=click.Choice(["pending_qa", "live", "rolled_back"]),
    default="pending_qa",
    show_default=True,
    help="How far to go: to QA, through approval to its users, or there and back again.",
)
@click.option("--exit", "exit_after", is_flag=True, help="Stop everything afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output at the end.")
@explained
def demo(latency: str, scale: float, until: str, exit_after: bool, as_json: bool) -> None:
    """Start everything, onboard "Acme Training", show its progress, print the QA board. Exit code 0 only when it got there.

    Run again, it finds Acme where it was left: what is done is not done twice.
    """
    from tenant_provisioning.demo import run_demo

    sys.exit(0 if run_demo(latency=latency, scale=scale, exit_after=exit_after, as_json=as_json, until=until) else 1)
