"""One organization, live: its steps, its reports, what has failed and how it goes on. What a person can do there is `actions`."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.portal import live, pages
from tenant_provisioning.portal.links import Links
from tenant_provisioning.portal.progress import Progress, Rows, progress_of
from tenant_provisioning.steps.time_left import UNDERWAY
from tenant_provisioning.store import call_queue, coverage, history, progress, qa_results
from tenant_provisioning.store.organizations import get_organization


async def page(request: Request) -> Response:
    """The organization's page."""
    rows, found = await _read(request)
    return pages.render(request, "organization.html", **_values(request, rows, found))


async def events(request: Request) -> Response:
    """The live part of the page, again and again as it changes."""

    async def render() -> str:
        rows, found = await _read(request)
        return pages.partial(request, "_organization_live.html", **_values(request, rows, found))

    return live.follow(request, _id(request), render)


def _id(request: Request) -> UUID:
    found: UUID = request.path_params["organization_id"]
    return found


async def _read(request: Request) -> tuple[Rows, Progress]:
    db, organization_id = pages.db(request), _id(request)
    organization = await get_organization(db, organization_id)
    rows = Rows(
        organization,
        await progress.list_steps(db, organization_id),
        await qa_results.latest_verdicts(db, organization_id),
        await coverage.matching_templates(db, organization.providers),
        await history.past_runs(db) if organization.status in UNDERWAY else [],
        (await call_queue.done_in_seconds(db)).get(organization_id, 0.0) if organization.status in UNDERWAY else 0.0,
    )
    return rows, progress_of(rows, pages.settings(request), datetime.now(UTC))


def _values(request: Request, rows: Rows, found: Progress) -> dict[str, Any]:
    return {
        "organization": rows.organization,
        "progress": found,
        "links": Links(rows.organization, rows.steps, pages.settings(request)),
        "tab": "organization",
    }
