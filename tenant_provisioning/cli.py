"""The commands. Each is thin: what it does is elsewhere; here are its arguments, its words and its exit code.

Exit codes: 0 done, 1 not done and the text says why, 2 wrong usage. Logs and progress go to standard error, results to standard output.
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
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print what was stored as JSON.")
@explained
async def onboard(file: Any, as_json: bool) -> None:
    """Submit the onboarding request in FILE (JSON; - reads standard input). Provisioning begins within seconds.

    \b
    {"name": "Acme Training", "subdomain": "acme",
     "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
     "super_users": [{"email": "jo@acme.example", "first_name": "Jo", "last_name": "Bloggs"}]}

    Optional: "hr", "domain", "data_store". Mistakes are named all at once, by field, and then nothing is stored.
    """
    from tenant_provisioning.settings import load_settings
    from tenant_provisioning.store.database import open_database
    from tenant_provisioning.store.requests import submit

    raw, settings = _read_json(file), load_settings()
    async with open_database(settings.database_url.get_secret_value()) as db:
        organization = await submit(db, raw, requested_by=getpass.getuser(), default_domain=settings.platform_domain)
    if as_json:
        told = {"organization": str(organization.id), "tenant": organization.subdomain, "status": organization.status}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{organization.name} is requested. Watch it: tenant-provisioning status {organization.subdomain}")


def _read_json(file: Any) -> Any:
    """What the file holds; one clear line when it is not JSON."""
    try:
        return json.loads(file.read(1_000_000).decode())
    except UnicodeDecodeError:
        raise RequestInvalid({"": [f"{file.name} is not UTF-8 text."]}) from None
    except ValueError as mistake:
        raise RequestInvalid({"": [f"{file.name} is not JSON: {mistake}."]}) from None
    except RecursionError:
        raise RequestInvalid({"": [f"{file.name} is nested too deeply."]}) from None


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
    """Start the embedded default (database, simulated vendors, mail, Dagster), print the URLs, stay up until Ctrl-C."""
    from tenant_provisioning.demo import run_up

    run_up(latency=latency, scale=scale)


@main.command()
@_stack_options
@click.option("--exit", "exit_after", is_flag=True, help="Stop everything afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output at the end.")
@explained
def demo(latency: str, scale: float, exit_after: bool, as_json: bool) -> None:
    """Start everything, onboard "Acme Training", show its progress, print the QA board. Exit code 0 only when it got there.

    Run again, it finds Acme where it was left: what is done is not done twice.
    """
    from tenant_provisioning.demo import run_demo

    sys.exit(0 if run_demo(latency=latency, scale=scale, exit_after=exit_after, as_json=as_json) else 1)
