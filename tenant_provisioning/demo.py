"""The main job to look at: everything started, one customer onboarded, its progress shown, the QA board printed."""

import asyncio
import contextlib
import getpass
import json
import time
from typing import Any

import httpx
from rich.console import Console

from tenant_provisioning import proof, review, watch
from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.embedded.stack import Stack, start_stack
from tenant_provisioning.embedded.supervisor import Event
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.settings import Settings, data_dir, load_settings
from tenant_provisioning.store import organizations, progress
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning.terminal import TenantView, qa_board, review_board

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
TENANT = str(ACME["subdomain"])
ARRIVED = (DeploymentStatus.PENDING_QA, DeploymentStatus.ACTIVE)
GOALS = {"pending_qa": ARRIVED, "live": (DeploymentStatus.ACTIVE,), "rolled_back": (DeploymentStatus.ROLLED_BACK,)}


def run_up(*, latency: str, scale: float) -> None:
    """Everything started and kept up until Ctrl-C or SIGTERM."""
    console = Console(stderr=True)
    with start_stack(data_dir(), latency=latency, scale=scale, on_event=_teller(console)) as stack:
        _show_urls(console, stack)
        _wait_for_interrupt(console, stack)


def run_demo(*, latency: str, scale: float, exit_after: bool, as_json: bool, until: str = "pending_qa") -> bool:
    """Whether Acme Training got there: `until` is pending_qa, live or rolled_back. Stays up until Ctrl-C unless `exit_after`."""
    console, began = Console(stderr=True), time.monotonic()
    with start_stack(data_dir(), latency=latency, scale=scale, on_event=_teller(console)) as stack:
        _show_urls(console, stack)
        told = asyncio.run(_act(console, load_settings(), stack, until))
        told["seconds"] |= {"start": round(stack.seconds, 1), "total": round(time.monotonic() - began, 1)}
        if as_json:
            print(json.dumps(told), flush=True)  # noqa: T201
        if not exit_after:
            _wait_for_interrupt(console, stack)
    return told["status"] in GOALS[until]


async def _act(console: Console, settings: Settings, stack: Stack, until: str) -> dict[str, Any]:
    """What `demo --json` prints, after everything up to `until` has been done and shown."""
    told = await _onboard_and_follow(console, settings)
    if until == "live" and told["status"] == DeploymentStatus.PENDING_QA:
        told |= await _go_live(console, settings, stack)
    elif until == "rolled_back" and told["status"] in GOALS["pending_qa"]:
        told |= await _roll_back(console, settings)
    if until != "pending_qa":
        async with open_database(settings.database_url.get_secret_value()) as db:
            organization = await organizations.find_by_subdomain(db, TENANT)
            assert organization is not None  # noqa: S101 - it was onboarded above
            holdings = await proof.prove(db, settings, stack.simulator_url, organization)
        console.print()
        console.print(proof.proof_board(holdings))
        told["proof"] = proof.as_object(holdings)
    return told


async def _go_live(console: Console, settings: Settings, stack: Stack) -> dict[str, Any]:
    """What has changed in the JSON object, after the demo's operator has ticked the checklist and approved."""
    began, operator = time.monotonic(), f"{getpass.getuser()} (demo)"
    before = await _view(settings)
    for item in MANUAL_ITEMS:
        await review.tick(settings, TENANT, item, done=True, by=operator, note="ticked by the demo")
    console.print()
    console.print(await review.approve(settings, TENANT, by=operator, note="approved by the demo"), soft_wrap=True)
    await review.wait_for_go_live(settings, TENANT, seconds=300)
    seconds = round(time.monotonic() - began, 1)
    now = await watch.follow(settings, TENANT, since=before)
    async with open_database(settings.database_url.get_secret_value()) as db:
        found = await review.review(db, now.organization, settings)
        told = await watch.as_object(db, now, settings)
    console.print()
    console.print(review_board(found))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        arrived = (await client.get(f"{stack.mail_url}/api/mails")).raise_for_status().json()
    for mail in arrived:
        line = f"In the mailbox of {mail['recipients']}: {mail['subject']}"
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    return {**told, "go_live_seconds": seconds}


async def _roll_back(console: Console, settings: Settings) -> dict[str, Any]:
    """What has changed in the JSON object, after Acme Training has been taken away again."""
    console.print()
    actor, name = getpass.getuser(), str(ACME["name"])
    before = await _view(settings)
    console.print(await watch.request_rollback(settings, TENANT, actor=actor, confirmed=name), soft_wrap=True)
    now = await watch.follow(settings, TENANT, since=before)
    async with open_database(settings.database_url.get_secret_value()) as db:
        return await watch.as_object(db, now, settings)


async def _view(settings: Settings) -> TenantView:
    async with open_database(settings.database_url.get_secret_value()) as db:
        return await watch.view(db, TENANT, load_catalog(settings.catalog_path).reports)


async def _onboard_and_follow(console: Console, settings: Settings) -> dict[str, Any]:
    """What `demo --json` prints, after Acme's progress and its QA board have been shown."""
    began = time.monotonic()
    async with open_database(settings.database_url.get_secret_value()) as db:
        there = await organizations.find_by_subdomain(db, TENANT)
        if there is None or there.status is DeploymentStatus.ROLLED_BACK:
            await submit(db, ACME, requested_by=getpass.getuser(), default_domain=settings.platform_domain)
        elif there.status is DeploymentStatus.FAILED:
            console.print(await watch.request_retry(settings, TENANT, actor=getpass.getuser()))
        elif there.status in ARRIVED:
            console.print(f"{there.name} was onboarded before and is still here; to begin anew, remove {data_dir()}.")
        now = await watch.follow(settings, TENANT)
        console.print()
        console.print(qa_board(now))
        told = await watch.as_object(db, now, settings)
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
        "Portal": f"{stack.portal_url}   sign in as {stack.operator.email} with {stack.operator.password}",
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
