"""The portal served over real HTTP from a thread, and a real browser: for the browser tests and for screenshots."""

import os
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from playwright.async_api import Browser, BrowserContext, async_playwright, expect
from playwright.sync_api import expect as expect_in_sync

from tenant_provisioning.portal import guards
from tenant_provisioning.portal.app import create_app
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.people import Person

# a busy machine is no mistake
expect.set_options(timeout=30_000)
expect_in_sync.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = "no Chromium is installed; apt-get install --no-install-recommends chromium brings it"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--renderer-process-limit=1",  # else each window begins several
]


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The portal's address, while it is served."""
    url = settings.portal_url
    config = uvicorn.Config(
        create_app(settings),
        port=int(url.rpartition(":")[2]),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="portal")
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the portal did not start"
            assert time.monotonic() < deadline, "the portal did not start in time"
            time.sleep(0.02)
        yield url
    finally:
        server.should_exit = True
        thread.join(10)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The installed Chromium, headless; root has no sandbox."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, chromium_sandbox=os.geteuid() != 0, args=FLAGS
        )
        yield browser
        await browser.close()


async def let_in(context: BrowserContext, person: Person, db: Database, settings: Settings) -> None:
    """The person is signed in, in this context, without having been asked."""
    token = await portal_sessions.begin_session(db, person.user_id, person.email)
    await context.add_cookies(
        [{"name": guards.COOKIE, "value": guards.signed_cookie(settings, {"token": token}), "url": settings.portal_url}]
    )
