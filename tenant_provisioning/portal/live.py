"""Pages that follow what happens: one listening connection a process, fanned out to the open pages as server-sent events.

What a page shows is rendered here no differently than when it is loaded: every event is the page's whole live part, so a page that
comes back after a break needs nothing but the next event.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.portal import pages
from tenant_provisioning.store import portal_sessions
from tenant_provisioning.store.announcements import announcements

TOGETHER = 0.3  # seconds within which changes are told as one
AFRESH = 5.0  # seconds after which a page is rendered again though nothing was announced: time passes too
LIFE = 600.0  # seconds; the browser then comes back by itself
COMES_BACK = 1500  # milliseconds a browser waits before it connects again


class Watchers:
    """The pages that are open, by the organization they show."""

    def __init__(self) -> None:
        self._open: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    def tell(self, organization_id: UUID | None) -> None:
        """Wake the pages of this organization; of all when it is None."""
        everybody = self._open.values() if organization_id is None else [self._open.get(organization_id, set())]
        for waiting in everybody:
            for changed in waiting:
                changed.set()

    @contextmanager
    def watching(self, organization_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the organization has changed."""
        changed = asyncio.Event()
        self._open[organization_id].add(changed)
        try:
            yield changed
        finally:
            self._open[organization_id].discard(changed)
            if not self._open[organization_id]:
                del self._open[organization_id]

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))


@asynccontextmanager
async def open_watchers(url: str) -> AsyncIterator[Watchers]:
    """Watchers that hear what the database announces."""
    watchers = Watchers()

    async def listen() -> None:
        async for organization_id in announcements(url):
            watchers.tell(organization_id)

    listening = asyncio.create_task(listen())
    try:
        yield watchers
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


def follow(request: Request, organization_id: UUID, render: Callable[[], Awaitable[str]]) -> Response:
    """A stream of what `render` gives, whenever the organization has changed, for as long as the reader is signed in."""
    stream = _events(request, organization_id, render)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, organization_id: UUID, render: Callable[[], Awaitable[str]]) -> AsyncIterator[str]:
    watchers: Watchers = request.state.watchers
    end, last = time.monotonic() + LIFE, ""
    yield f"retry: {COMES_BACK}\n\n"
    with watchers.watching(organization_id) as changed:
        while time.monotonic() < end:
            try:
                html = await render() if await _is_signed_in(request) else ""
            except ProvisioningError:  # the database is away: the browser comes back by itself
                html = ""
            if not html:
                return
            yield _event(html) if html != last else ": still here\n\n"
            last = html
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), AFRESH)
                await asyncio.sleep(TOGETHER)
            changed.clear()


async def _is_signed_in(request: Request) -> bool:
    token = request.session.get("token")
    return isinstance(token, str) and await portal_sessions.find_session(pages.db(request), token) is not None


def _event(html: str) -> str:
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
