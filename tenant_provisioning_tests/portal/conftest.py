"""The portal as people use it: `browse(SAM)` is a browser where Sam is signed in, `browse()` one where nobody is.

The portal runs in process against this test's database. Nobody's sign-in costs a call to Supabase but where that is what is tested.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tenant_provisioning.portal import guards
from tenant_provisioning.portal.app import create_app
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.people import Person

HERE = "http://127.0.0.1:8400"
CSRF = re.compile(r'<meta name="csrf" content="([^"]+)">')


class Browser:
    """A person's browser: follows no redirect by itself, keeps cookies, and puts the page's token into what it posts."""

    def __init__(self, app: Starlette) -> None:
        # a page that fails is seen as the person sees it
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50000))
        self.http = httpx.AsyncClient(transport=transport, base_url=HERE)
        self.csrf = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """The page."""
        return self._seen(await self.http.get(path, **options))

    async def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """The answer to a form."""
        if not self.csrf:
            await self.get("/organizations")
            await self.get("/sign-in")
        return self._seen(await self.http.post(path, data={"csrf": self.csrf} | (data or {}), **options))

    async def submit(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """The page that a form leads to."""
        answer = await self.post(path, data)
        assert answer.status_code == 303, f"{answer.status_code}: {answer.text[:2000]}"
        return await self.get(answer.headers["location"])

    def _seen(self, answer: httpx.Response) -> httpx.Response:
        if found := CSRF.search(answer.text):
            self.csrf = found[1]
        return answer


Browse = Callable[..., Awaitable[Browser]]


@pytest.fixture
async def portal(portal_settings: Settings) -> AsyncIterator[Starlette]:
    """The portal, running."""
    app = create_app(portal_settings)
    async with app.router.lifespan_context(app) as state:
        # httpx sends no lifespan, so the state goes in by hand, as a server would put it into each request's scope
        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app(scope | {"state": dict(state or {})}, receive, send)

        yield with_state  # type: ignore[misc]


@pytest.fixture
def portal_settings(make_settings: Callable[..., Settings], platform_url: str) -> Settings:
    """Settings of a portal whose vendors are nowhere: only signing in would call one. Override to use the simulator."""
    from tenant_provisioning_tests.conftest import World

    return make_settings(World("http://127.0.0.1:9", None, 9, 9, None), platform_url)  # type: ignore[arg-type]


@pytest.fixture
async def browse(portal: Starlette, platform_db: Database, portal_settings: Settings) -> AsyncIterator[Browse]:
    """Opens browsers."""
    opened: list[Browser] = []

    async def browse(person: Person | None = None) -> Browser:
        browser = Browser(portal)
        opened.append(browser)
        if person is not None:
            token = await portal_sessions.begin_session(platform_db, person.user_id, person.email)
            browser.http.cookies.set(guards.COOKIE, guards.signed_cookie(portal_settings, {"token": token}))
        return browser

    yield browse
    for browser in opened:
        await browser.http.aclose()
