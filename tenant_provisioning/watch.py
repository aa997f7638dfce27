"""Following tenants from a terminal: what the rows say, shown as it changes. The rendering is `terminal`."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

from rich.console import Console
from rich.live import Live

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.model.artifact import WORKSPACE_KINDS
from tenant_provisioning.model.budget import WORKSPACES_PER_TENANT, WorkspaceBudget
from tenant_provisioning.model.catalog import TemplateReport, matching_reports
from tenant_provisioning.model.errors import NoSuchTenant
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.review import as_object as review_as_object
from tenant_provisioning.review import review
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.time_left import time_left
from tenant_provisioning.store import artifacts, organizations, progress, qa_results, requests, rollbacks
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.terminal import (
    TenantView,
    organizations_table,
    plain_changes,
    progress_lines,
    qa_board,
    review_board,
)

UNDERWAY = (DeploymentStatus.REQUESTED, DeploymentStatus.PROVISIONING, DeploymentStatus.ROLLING_BACK)
LOOK_EVERY = 0.25  # seconds between looks at the rows
LOOKS_AN_ESTIMATE = 8


async def view(
    db: Database, tenant: str, templates: tuple[TemplateReport, ...], *, since: TenantView | None = None
) -> TenantView:
    """What the rows say about this tenant now, with the time left as it was `since`; NoSuchTenant when nobody onboarded it."""
    organization = await _require(db, tenant)
    steps = await progress.list_steps(db, organization.id)
    results = await qa_results.latest_verdicts(db, organization.id)
    matching = len(matching_reports(templates, organization.providers))
    left = since.left if since else await time_left(db, organization, reports=matching, steps=steps)
    return TenantView(organization, steps, results, matching, left)


async def views(db: Database, tenant: str, templates: tuple[TemplateReport, ...]) -> AsyncIterator[TenantView]:
    """The tenant as it changes, the first look at once, until it waits for a person and no run works on it any more."""
    now: TenantView | None = None
    for look in itertools.count():
        now = await view(db, tenant, templates, since=now if look % LOOKS_AN_ESTIMATE else None)
        yield now
        if _is_at_rest(now.organization):
            return
        await asyncio.sleep(LOOK_EVERY)


def _is_at_rest(organization: Organization) -> bool:
    """True when nothing more happens to the organization until a person does something."""
    if organization.is_on_its_way_back:
        return organization.rollback_has_stopped
    return organization.status not in UNDERWAY and organization.claimed_by_run is None


async def follow(settings: Settings, tenant: str, *, since: TenantView | None = None) -> TenantView:
    """The tenant's last view, after its progress has been shown on standard error: live in a terminal, line by line elsewhere.

    What `since` tells already is not told again.
    """
    console = Console(stderr=True)
    templates = load_catalog(settings.catalog_path).reports
    last = since
    async with open_database(settings.database_url.get_secret_value()) as db:
        if not console.is_terminal:
            async for now in views(db, tenant, templates):
                for line in plain_changes(last, now):
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
                last = now
        else:
            with Live(console=console, refresh_per_second=12) as live:
                async for now in views(db, tenant, templates):
                    live.update(progress_lines(now))
                    last = now
    assert last is not None  # noqa: S101  views always yields once
    return last


async def show_all(settings: Settings, *, as_json: bool) -> None:
    """Every organization, on standard output."""
    async with open_database(settings.database_url.get_secret_value()) as db:
        rows = await organizations.list_organizations(db)
        held = await artifacts.count_created(db, *WORKSPACE_KINDS, living=True)
    if as_json:
        keys = ("subdomain", "name", "status", "status_reason")
        print(json.dumps([{"organization": str(row.id), **{key: getattr(row, key) for key in keys}} for row in rows]))  # noqa: T201
    elif rows:
        Console().print(organizations_table(rows))
        budget = WorkspaceBudget(held, settings.workspace_budget)
        Console().print(
            f"{budget} by the ledger, {WORKSPACES_PER_TENANT} for each tenant", style="dim", highlight=False
        )
    else:
        Console().print("No organization yet. Begin with: tenant-provisioning onboard FILE.json")


async def show_one(settings: Settings, tenant: str, *, as_json: bool) -> None:
    """One tenant's steps and QA board, on standard output."""
    templates = load_catalog(settings.catalog_path).reports
    async with open_database(settings.database_url.get_secret_value()) as db:
        now = await view(db, tenant, templates)
        if as_json:
            print(json.dumps(await as_object(db, now, settings)))  # noqa: T201
        else:
            console = Console()
            console.print(progress_lines(now))
            if not now.goes_back:
                console.print()
                console.print(qa_board(now))
                console.print()
                console.print(review_board(await review(db, now.organization, settings)))


async def as_object(db: Database, now: TenantView, settings: Settings) -> dict[str, Any]:
    """The tenant as the JSON object that `status` and `demo` print."""
    return {
        "organization": str(now.organization.id),
        "tenant": now.organization.subdomain,
        "status": now.organization.status,
        "reason": now.organization.status_reason,
        "next_attempt_at": next_at.isoformat() if (next_at := now.organization.next_attempt_at) else None,
        "seconds_left": round(now.left.seconds, 1) if now.left else None,
        "reports": {"deployed": now.deployed, "matching": now.matching},
        "artifacts": await artifacts.count_artifacts(db, now.organization.id),
        "checks": {result.verdict.check: result.verdict.outcome for result in now.results},
        **review_as_object(await review(db, now.organization, settings)),
        "run_ids": sorted({step.run_id for step in now.steps if step.run_id}),
    }


async def request_retry(settings: Settings, tenant: str, *, actor: str) -> str:
    """A sentence about the attempt that was asked for. LifecycleError unless the tenant has failed."""
    async with open_database(settings.database_url.get_secret_value()) as db:
        organization = await _require(db, tenant)
        attempt = await requests.retry(db, organization.id, actor=actor)
    return f"Attempt {attempt} of {organization.name} begins within seconds. Watch it: tenant-provisioning status {tenant} --follow"


async def needs_confirmation(settings: Settings, tenant: str) -> bool:
    """True when a rollback would take the tenant away from people who use it."""
    async with open_database(settings.database_url.get_secret_value()) as db:
        return (await _require(db, tenant)).status is DeploymentStatus.ACTIVE


async def request_rollback(settings: Settings, tenant: str, *, actor: str, confirmed: str | None) -> str:
    """A sentence about the rollback that was asked for. LifecycleError where the tenant's status forbids it."""
    async with open_database(settings.database_url.get_secret_value()) as db:
        organization = await _require(db, tenant)
        now = await rollbacks.request_rollback(db, organization.id, actor=actor, confirmed=confirmed)
    begins = "begins within seconds"
    if now.status is not DeploymentStatus.ROLLING_BACK:
        begins = "begins as soon as the work on it has been stopped"
    return f"The rollback of {now.name} {begins}. Watch it: tenant-provisioning status {tenant} --follow"


async def _require(db: Database, tenant: str) -> Organization:
    organization = await organizations.find_by_subdomain(db, tenant)
    if organization is None:
        raise NoSuchTenant(f"there is no tenant “{tenant}”; `tenant-provisioning status` lists all")
    return organization
