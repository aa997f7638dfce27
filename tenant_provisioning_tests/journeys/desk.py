"""People before a real browser, at the portal of the running stack.

Playwright keeps an event loop running in the thread it works in, and the journeys start loops of their own: so it has a thread to
itself, and a test hands it what a person does.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from playwright.sync_api import Page, sync_playwright

from tenant_provisioning_tests.portal.serving import CHROMIUM, FLAGS

T = TypeVar("T")
PATIENCE = 300  # seconds for all that a person does at once


class Person:
    """Somebody with a browser window of their own: call them with what they do there."""

    def __init__(self, hands: ThreadPoolExecutor, page: Page) -> None:
        self._hands, self._page = hands, page

    def __call__(self, act: Callable[[Page], T]) -> T:
        """What comes of it."""
        return self._hands.submit(act, self._page).result(PATIENCE)

    def signs_in(self, email: str, password: str) -> "Person":
        """The same person, before the board of organizations or a refusal."""

        def act(page: Page) -> None:
            page.goto("/sign-in")
            page.get_by_label("Email").fill(email)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in", exact=True).click()

        self(act)
        return self


class Desk:
    """One Chromium for all of them."""

    def __init__(self, portal_url: str) -> None:
        self._portal_url = portal_url
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._hands.submit(self._open).result(PATIENCE)

    def _open(self) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, chromium_sandbox=os.geteuid() != 0, args=FLAGS
        )

    def person(self) -> Person:
        """Somebody whom the portal does not know yet."""

        def sit_down() -> Page:
            # what turns and pulses would keep the processor busy while a person waits
            page = self._browser.new_context(base_url=self._portal_url, reduced_motion="reduce").new_page()
            page.set_default_timeout(60_000)
            return page

        return Person(self._hands, self._hands.submit(sit_down).result(PATIENCE))

    def everybody_leaves(self) -> None:
        """No window is open any more: each would go on following what happens."""

        def leave() -> None:
            for context in self._browser.contexts:
                context.close()

        self._hands.submit(leave).result(PATIENCE)

    def close(self) -> None:
        """The browser is closed."""

        def leave() -> None:
            self._browser.close()
            self._playwright.stop()

        self._hands.submit(leave).result(PATIENCE)
        self._hands.shutdown()
