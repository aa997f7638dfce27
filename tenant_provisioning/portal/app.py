"""Every page of the portal, on one screen, and the application that serves them.

How a page is built here:

- **One module a page**, named for what it shows. A view is `async def page(request: Request) -> Response`; what it needs of the
  request it asks of `pages`: `pages.db(request)`, `pages.settings(request)`, `pages.admin(request)` (who acts: its `email` goes
  into every row as the actor), and it answers with `pages.render(request, "organization.html", organization=…)`.
- **Rows in, rows out.** A view calls `store` and the words of `model` and `steps`; it never calls Dagster, and no vendor but for
  the sign-in. SQL is in `store`: one or two queries a page.
- **POST, redirect, GET.** A post changes rows and answers `pages.see_other(request, "organization", organization_id=…)`, usually
  after `pages.flash(request, "Retry requested.", kind="good")`; kinds are good, info, warn and bad. A form with mistakes
  is rendered again with status 422. `LifecycleError` and its like may simply be raised: `pages` shows the sentence (409, 404).
- **Guards are in the table**: `admin(…)` lets signed-in super admins through and nobody else; `public(…)` is for signing in. Both
  refuse a post without the session's token, which `{{ csrf_field() }}` writes into a form; a script sends it as `X-CSRF-Token`
  (it is in `<meta name="csrf">`). `request.form()` is already read and costs nothing.
- **Templates** extend `layout.html` (blocks `title`, `head`, `main`; `{% set page = "organizations" %}` marks the navigation) and
  import `_parts.html`: `badge(status)`, `field(…)`, `bar(value, most)`, `empty(…)`, `when(moment)`. `link("organization",
  organization_id=…)` is a page's address, `asset("portal.js")` a static file's. Autoescape is on, undefined names are errors.
- **The policy forbids inline script and style**, attributes included: `style="…"` does nothing. Put a class into `style.css`,
  draw with SVG attributes or `<progress>`, write behaviour into a file in `static/` that finds its elements by `data-…`
  and without which the page still works.
- **Times** are shown with `when(moment)`: UTC for everybody, and in the reader's zone where scripts run.
- **Buttons that post** from a list or a page: `<form method="post" action=…>{{ csrf_field() }}<button class="button">`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tenant_provisioning.portal import (
    actions,
    audit,
    catalog,
    dashboard,
    guards,
    new_organization,
    organization,
    organizations,
    pages,
    qa,
    sign_in,
)
from tenant_provisioning.portal.guards import admin, public
from tenant_provisioning.portal.live import Watchers, open_watchers
from tenant_provisioning.portal.sign_in import SupabaseAuth
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.database import Database, open_database

ROUTES = [
    public("/sign-in", sign_in.page, name="sign_in"),
    public("/sign-in", sign_in.sign_in, "POST"),
    public("/sign-in/link", sign_in.send_link, "POST"),
    public("/sign-in/link", sign_in.follow_link, name="sign_in_link"),
    public("/sign-out", sign_in.sign_out, "POST", name="sign_out"),
    admin("/organizations", organizations.page, name="organizations"),
    admin("/organizations/new", new_organization.invitation, name="begin"),
    admin("/organizations/new", new_organization.begin, "POST"),
    admin("/organizations/new/subdomain", new_organization.subdomain, name="subdomain"),
    admin("/organizations/new/reports", new_organization.matching, name="matching_reports"),
    admin("/organizations/new/{draft_id:uuid}/discard", new_organization.discard, "POST", name="discard_draft"),
    admin("/organizations/new/{draft_id:uuid}/{step}", new_organization.page, name="new_organization"),
    admin("/organizations/new/{draft_id:uuid}/{step}", new_organization.save, "POST"),
    admin("/organizations/{organization_id:uuid}", organization.page, name="organization"),
    admin("/organizations/{organization_id:uuid}/events", organization.events, name="organization_events"),
    admin("/organizations/{organization_id:uuid}/retry", actions.retry, "POST", name="retry"),
    admin("/organizations/{organization_id:uuid}/rollback", actions.roll_back, "POST", name="roll_back"),
    admin("/organizations/{organization_id:uuid}/qa", qa.page, name="qa"),
    admin("/organizations/{organization_id:uuid}/qa/events", qa.events, name="qa_events"),
    admin("/organizations/{organization_id:uuid}/checks", actions.run_checks, "POST", name="run_checks"),
    admin("/organizations/{organization_id:uuid}/checklist", actions.tick, "POST", name="tick"),
    admin("/organizations/{organization_id:uuid}/approve", actions.approve, "POST", name="approve"),
    admin("/organizations/{organization_id:uuid}/suspend", actions.suspend, "POST", name="suspend"),
    admin("/organizations/{organization_id:uuid}/resume", actions.resume, "POST", name="resume"),
    admin("/organizations/{organization_id:uuid}/test-login", actions.test_login, "POST", name="test_login"),
    admin(
        "/organizations/{organization_id:uuid}/test-login/{request_id:uuid}",
        actions.show_link,
        "POST",
        name="show_link",
    ),
    admin("/organizations/{organization_id:uuid}/timeline", audit.organization_page, name="organization_audit"),
    admin("/timeline", audit.page, name="audit"),
    admin("/timeline.csv", audit.export, name="audit_export"),
    admin("/catalog", catalog.page, name="catalog"),
    admin("/catalog/{key}", catalog.template_page, name="template"),
    admin("/deployments", dashboard.page, name="dashboard"),
]
# what the bar on top offers, as (title, route)
NAVIGATION = (
    ("Organizations", "organizations"),
    ("Deployments", "dashboard"),
    ("Catalog", "catalog"),
    ("Timeline", "audit"),
)


class State(TypedDict):
    """What the lifespan opens and every request can reach."""

    db: Database
    settings: Settings
    supabase: SupabaseAuth
    watchers: Watchers


async def home(request: Request) -> Response:
    """The front door leads to the board."""
    return RedirectResponse(request.url_for("organizations").path, 303)


async def healthy(request: Request) -> Response:
    """204 when the portal serves and its database answers."""
    async with pages.db(request).statement() as connection:
        await connection.execute("select 1")
    return Response(status_code=204)


def create_app(settings: Settings) -> Starlette:
    """The portal as an ASGI application; its database pool is open for the length of its lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        database = open_database(settings.database_url.get_secret_value(), max_size=8)
        watching = open_watchers(settings.database_url.get_secret_value())
        async with database as db, sign_in.open_supabase(settings) as supabase, watching as watchers:
            yield {"db": db, "settings": settings, "supabase": supabase, "watchers": watchers}

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/health", healthy),
            *ROUTES,
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static"),
        ],
        lifespan=lifespan,
        middleware=guards.middleware(settings),
        exception_handlers=pages.exception_handlers(),
    )
    app.state.navigation = NAVIGATION
    app.state.still_belongs = sign_in.still_belongs
    return app
