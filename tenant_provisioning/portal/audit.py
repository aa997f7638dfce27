"""The timeline: who did what and when, of one organization or of all, with filters, and as CSV."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.portal import pages
from tenant_provisioning.store import timeline
from tenant_provisioning.store.organizations import get_organization
from tenant_provisioning.store.timeline import Filters, TimelineEntry

PAGE = 50  # entries
COLUMNS = ("at", "organization", "subdomain", "organization_id", "actor", "action", "from", "to", "reason", "details")
DONE = {
    "requested": "Submitted the onboarding request",
    "claimed": "Began to work on it",
    "attempt_requested": "Asked for another attempt",
    "rematerialize": "Made something again",
    "go_live": "Let the customer in",
    "checks_requested": "Asked for the checks to be run again",
    "checklist_ticked": "Ticked",
    "checklist_unticked": "Opened again",
    "approved": "Approved",
    "approval_lapsed": "The approval lapsed",
    "test_login": "Made a test login",
    "rollback_requested": "Asked for a rollback",
    "rollback_failed": "A rollback did not get to its end",
}
# what a spreadsheet takes for a formula, a tab or carriage return before one included
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


async def page(request: Request) -> Response:
    """Everybody's timeline."""
    filters, entered = _filters(request.query_params)
    db = pages.db(request)
    entries = await timeline.list_timeline(db, filters, limit=PAGE + 1)
    return pages.render(
        request, "audit.html", entered=entered, actors=await timeline.known_actors(db),
        actions={action: DONE.get(action, action) for action in await timeline.known_actions(db)},
        export=urlencode(entered), **_page_of(request, entries),
    )  # fmt: skip


async def organization_page(request: Request) -> Response:
    """One organization's timeline."""
    db = pages.db(request)
    organization = await get_organization(db, request.path_params["organization_id"])
    filters = replace(_filters(request.query_params)[0], organization_id=organization.id)
    entries = await timeline.list_timeline(db, filters, limit=PAGE + 1)
    return pages.render(
        request, "organization_audit.html", organization=organization, tab="organization_audit",
        export=urlencode({"organization_id": str(organization.id)}), **_page_of(request, entries),
    )  # fmt: skip


async def export(request: Request) -> Response:
    """The entries that pass the filters, as CSV, however many: it is sent while it is read."""
    filters, _ = _filters(request.query_params)
    headers = {"Content-Disposition": f'attachment; filename="timeline-{datetime.now(UTC):%Y-%m-%d}.csv"'}
    return StreamingResponse(
        _csv(timeline.stream_timeline(pages.db(request), replace(filters, before=None))),
        media_type="text/csv; charset=utf-8",
        headers=headers,
    )


def told(entry: TimelineEntry) -> str:
    """What was done, in words."""
    if entry.action == "moved":
        names = [pages.STATUS_TITLES.get(status or "", status or "") for status in (entry.from_status, entry.to_status)]
        return f"{names[0]} → {names[1]}"
    words = DONE.get(entry.action, entry.action.replace("_", " ").capitalize())
    if entry.action in ("checklist_ticked", "checklist_unticked"):
        return f"{words}: {MANUAL_ITEMS.get(str(entry.details.get('item')), 'an item')}"
    if entry.action == "attempt_requested":
        only = entry.details.get("only")
        number = f" (number {entry.details.get('attempt')})"
        return words + number + (f", at {', '.join(map(str, only))} alone" if only else "")
    return words


def cell(value: object) -> str:
    """The value as a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


async def _csv(entries: AsyncIterator[TimelineEntry]) -> AsyncIterator[str]:
    yield _row(COLUMNS)
    lines: list[str] = []
    async for entry in entries:
        details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True) if entry.details else ""
        lines.append(
            _row((
                entry.at.astimezone(UTC).isoformat(timespec="seconds"), entry.name, entry.subdomain, entry.organization_id,
                entry.actor, entry.action, entry.from_status, entry.to_status, entry.reason, details,
            ))
        )  # fmt: skip
        if len(lines) == timeline.BATCH:
            yield "".join(lines)
            lines = []
    yield "".join(lines)


def _row(values: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([cell(value) for value in values])
    return line.getvalue()


def _page_of(request: Request, entries: list[TimelineEntry]) -> dict[str, Any]:
    shown = entries[:PAGE]
    query = dict(request.query_params)
    older = urlencode(query | {"before": shown[-1].id}) if len(entries) > PAGE else ""
    newest = urlencode({name: value for name, value in query.items() if name != "before"})
    return {"entries": shown, "told": told, "older": older, "newest": newest, "is_first": "before" not in query}


def _filters(query: Mapping[str, str]) -> tuple[Filters, dict[str, str]]:
    """The filters of an address, and what of them was entered; what makes no sense does not count."""
    entered = {
        name: query.get(name, "").replace("\x00", "").strip()[:200]
        for name in ("organization", "organization_id", "actor", "action", "since", "until")
    }
    since, until = _day(entered["since"]), _day(entered["until"])
    before = query.get("before", "")
    filters = Filters(
        organization_id=_uuid(entered["organization_id"]),
        organization=entered["organization"] or None,
        actor=entered["actor"] or None,
        action=entered["action"] or None,
        since=since,
        until=until + timedelta(days=1) if until else None,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )
    return filters, {name: value for name, value in entered.items() if value}


def _day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day.year < 9999 else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
