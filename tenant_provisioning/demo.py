"""The main job to look at: everything started, one customer onboarded, its progress shown, the QA board printed."""

import asyncio
import contextlib
import getpass
import json
import time
from typing import Any

from rich.console import Console

from tenant_provisioning import watch
from tenant_provisioning.embedded.stack import Stack, start_stack
from tenant_provisioning.embedded.supervisor import Event
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.settings import Settings, data_dir, load_settings
from tenant_provisioning.store import organizations, progress
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning.terminal import qa_board

ACME = {
    "name": "Acme Training",
    "subdomain": "acme",
    "lms": "APTEM",
    "english_maths": "BKSB",
    "crm": "HUBSPOT",
    "super_users": [
        {"email": "jo.bloggs@acme-training.com", "first_name": "Jo", "last_name": "Bloggs"},
        {"email": "sam.smith@acme-training.com", "first_name": "Sam", "last_name": "Smith"},
    ],
}
ARRIVED = (DeploymentStatus.PENDING_QA, DeploymentStatus.ACTIVE)


def run_up(*, latency: str, scale: float) -> None:
    """Everything started and kept up until Ctrl-C or SIGTERM."""
    console = Console(stderr=True)
    with start_stack(data_dir(), latency=latency, scale=scale, on_event=_teller(console)) as stack:
        _show_urls(console, stack)
        _wait_for_interrupt(console, stack)


def run_demo(*, latency: str, scale: float, exit_after: bool, as_json: bool) -> bool:
    """Whether Acme Training got to QA. Stays up until Ctrl-C unless `exit_after`."""
    console, began = Console(stderr=True), time.monotonic()
    with start_stack(data_dir(), latency=latency, scale=scale, on_event=_teller(console)) as stack:
        _show_urls(console, stack)
        told = asyncio.run(_onboard_and_follow(console, load_settings()))
        told["seconds"] |= {"start": round(stack.seconds, 1), "total": round(time.monotonic() - began, 1)}
        if as_json:
            print(json.dumps(told), flush=True)  # noqa: T201
        if not exit_after:
            _wait_for_interrupt(console, stack)
    return told["status"] in ARRIVED


async def _onboard_and_follow(console: Console, settings: Settings) -> dict[str, Any]:
    """What `demo --json` prints, after Acme's progress and its QA board have been shown."""
    tenant, began = ACME["subdomain"], time.monotonic()
    async with open_database(settings.database_url.get_secret_value()) as db:
        there = await organizations.find_by_subdomain(db, str(tenant))
        if there is None or there.status is DeploymentStatus.ROLLED_BACK:
            await submit(db, ACME, requested_by=getpass.getuser(), default_domain=settings.platform_domain)
        elif there.status is DeploymentStatus.FAILED:
            console.print(await watch.request_retry(settings, str(tenant), actor=getpass.getuser()))
        elif there.status in ARRIVED:
            console.print(f"{there.name} was onboarded before and is still here; to begin anew, remove {data_dir()}.")
        now = await watch.follow(settings, str(tenant))
        console.print()
        console.print(qa_board(now))
        told = await watch.as_object(db, now)
        steps = await progress.list_steps(db, now.organization.id)
    first = min((step.started_at for step in steps), default=None)
    last = max((step.finished_at for step in steps if step.finished_at), default=None)
    seconds = {"onboarding": round(time.monotonic() - began, 1)}
    if first and last:
        seconds["provisioning"] = round((last - first).total_seconds(), 1)
    return {**told, "seconds": seconds}


def _teller(console: Console) -> Any:
    """Shows what the parts are doing, a line each."""

    def tell(event: Event) -> None:
        took = f" in {event.seconds:.1f} s" if event.seconds is not None else ""
        if event.state in ("ready", "died", "restarted", "note"):
            console.print(
                f"  {event.part}: {event.state}{took} {event.detail}".rstrip(),
                style="dim",
                markup=False,
                highlight=False,
            )

    return tell


def _show_urls(console: Console, stack: Stack) -> None:
    rows = {
        "Dagster": stack.dagster_url,
        "Mail": stack.mail_url,
        "Simulated vendors": f"{stack.simulator_url}/_control/snapshot",
    }
    console.print()
    for name, url in rows.items():
        console.print(f"  {name:<18} {url}", markup=False, highlight=False, soft_wrap=True)
    console.print()


def _wait_for_interrupt(console: Console, stack: Stack) -> None:
    console.print("Everything stays up until Ctrl-C.", style="dim")
    with contextlib.suppress(KeyboardInterrupt):
        stack.wait()
    console.print("Stopping …", style="dim")
