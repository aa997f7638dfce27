"""How every vendor is called over HTTP: one VendorHttp a vendor. Answers and silence become the errors of
`model.errors`.

It repeats a call by itself, within bounds, when that cannot do anything twice, and it waits for what takes a vendor
longer. What the paths are and what the bodies mean is the vendor modules' business; how a vendor's error bodies read is
here, for all of them. Waiting is switched off by `stamina.set_testing`, for the retries and the polls alike.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import stamina

from tenant_provisioning.model.errors import StillAtWork, VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors import incidents
from tenant_provisioning.vendors._answers import NothingDone, Transient, broken, clock, never, refusal
from tenant_provisioning.vendors.admission import Admission, BucketOf, time_stands_still, uncounted, vendor_deadline

T = TypeVar("T")
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
SUCCESS = (200, 201, 202, 204)
MOST_REDIRECTS = 3
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between polls where the vendor names none
TICK = 0.001  # seconds: uvloop counts whole milliseconds, so that its timers can ring by one too early for the vendor
# An end is seen late by up to a half of the time that it took, or by 15 %: CLOSELY is for what much else waits for.
GROWTH, CLOSELY = 1.5, 1.15
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """Not finished yet: the state the vendor tells, and in how many seconds it wants to be asked again."""

    state: str = ""
    retry_after: float | None = None


async def poll(
    vendor: str,
    operation: str,
    check: Callable[[], Awaitable[T | Pending]],
    *,
    deadline: float,
    after: float | None = None,
    growth: float = GROWTH,
) -> T:
    """The first answer of `check` that is not Pending; what `VendorHttp.poll` says of it."""
    state = ""
    try:
        async with vendor_deadline(deadline) as limit:
            if after is not None:
                await _pause(after)
            for pause in _pauses(growth):
                found = await check()
                if not isinstance(found, Pending):
                    return found
                state = found.state or state
                await _pause(pause if found.retry_after is None else found.retry_after)
    except TimeoutError:
        if not limit.expired():
            raise
        seen = f"; the vendor last said: {state}" if state else ""
        raise StillAtWork(vendor, operation, f"not finished after {deadline:g} seconds{seen}") from None
    raise AssertionError("unreachable: pauses never run out")


class VendorHttp:
    """One vendor's API; an async context manager to open and close within one event loop.

    `timeout` is seconds of silence; a call that keeps dripping ends after twice that. `patience` is the most seconds
    one call may spend on repeats: a vendor asking for a longer pause gets it from whoever runs the step again. `hosts`
    are the only other hosts a redirect may lead to (a name, or a suffix with a leading dot). `transient(status, code)`
    names refusals that pass by themselves.

    Every attempt of a call passes `admission` where `bucket` names one for it; what it waits there counts for no deadline.

    `skew` is by how many seconds the vendor's clock was ahead of ours at its last answer, None before or where it does
    not tell the time. It tells whole seconds.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        patience: float = 300,
        hosts: Collection[str] = (),
        transient: Transient = never,
        admission: Admission | None = None,
        bucket: BucketOf = uncounted,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._admission, self._bucket = admission, bucket
        self.vendor, self._hosts, self._transient = vendor, tuple(hosts), transient
        self._timeout, self._attempts, self._patience = timeout, attempts, patience
        self._base = httpx.URL(base_url)
        self.skew: float | None = None
        self._client = httpx.AsyncClient(
            base_url=self._base,
            auth=auth,
            headers={"User-Agent": "tenant-provisioning", "Accept": "application/json", **(headers or {})},
            verify=verify,
            timeout=timeout,
            follow_redirects=False,
            transport=transport,
            trust_env=not is_loopback(self._base),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        ok: Collection[int] = SUCCESS,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Any = None,
        content: Callable[[], AsyncIterator[bytes]] | None = None,
        idempotent: bool | None = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        """The vendor's answer, whose status is one of `ok`.

        `path` is relative to the base URL; `operation` names the call for people ("create workspace"). `idempotent`
        defaults to what the method promises; a call that is not idempotent is repeated only when the vendor certainly
        did nothing (refused connection, 429). `content` makes the bytes of a body anew for each
        attempt. `seconds` is the most the whole exchange may take, twice the timeout.
        Raises VendorRejected, VendorUnavailable.
        """
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"a path of {self.vendor} must be relative to its base URL, not {path!r}")
        sure = method.upper() in IDEMPOTENT_METHODS if idempotent is None else idempotent
        bucket = self._bucket(method, path)
        started, waits = time.monotonic(), list[float]()
        async for attempt in stamina.retry_context(
            on=lambda error: self._repeat(error, sure, started + sum(waits)),
            attempts=self._attempts,
            timeout=None,  # `_repeat` knows how long we have patience, which waiting for our turn does not try
            wait_initial=0.25,
            wait_max=20,
            wait_jitter=0.5,
        ):
            with attempt:
                request = {"json": json, "params": params, "headers": headers, "files": files}
                if content is not None:
                    request["content"] = content()
                async with self._let_through(bucket, waits):
                    response = await self._send(operation, method, path, request, seconds or 2 * self._timeout)
                if response.status_code in ok:
                    return self._readable(operation, response)
                error = refusal(self.vendor, operation, response, self._transient)
                await self._hold_back(bucket, error)
                raise error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def delete(
        self, operation: str, path: str, *, params: Mapping[str, Any] | None = None, gone: Collection[str] = ()
    ) -> None:
        """The thing is not there any more, whether or not it was; `gone`: codes that say so beside HTTP 404 and 410."""
        try:
            await self.call(operation, "DELETE", path, params=params)
        except VendorRejected as error:
            if error.status not in {404, 410} and error.code not in gone:
                raise

    def read(self, operation: str, response: httpx.Response, reader: Callable[[Any], T]) -> T:
        """What `reader` makes of the JSON body; VendorUnavailable where the body lacks what the API promises."""
        try:
            return reader(response.json())
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as gap:
            raise broken(self.vendor, operation, response) from gap

    async def poll(
        self,
        operation: str,
        check: Callable[[], Awaitable[T | Pending]],
        *,
        deadline: float,
        after: float | None = None,
        growth: float = GROWTH,
    ) -> T:
        """The first answer of `check` that is not Pending, first asked `after` seconds from now.

        Waits as long as the vendor says and grows its pauses where it says nothing, those of half a second and more by `growth`.
        Raises StillAtWork when `deadline` seconds have passed, whatever is going on then.
        """
        return await poll(self.vendor, operation, check, deadline=deadline, after=after, growth=growth)

    def _repeat(self, error: Exception, sure: bool, started: float) -> bool | float:
        again = repeat_after(error, sure=sure, patience=self._patience - (time.monotonic() - started))
        if again:
            log.info("%s; trying again", error)
        return again

    @asynccontextmanager
    async def _let_through(self, bucket: str | None, waits: list[float]) -> AsyncIterator[None]:
        """Within this block the call is sent; how long it stood before is added to `waits`."""
        if bucket is None or self._admission is None:
            yield
            return
        async with AsyncExitStack() as turn:
            began = time.monotonic()
            with time_stands_still():
                await turn.enter_async_context(self._admission.let_through(bucket))
            waits.append(time.monotonic() - began)
            yield

    async def _hold_back(self, bucket: str | None, error: VendorError) -> None:
        """What the vendor asks of one of us holds for everybody."""
        if bucket is None or self._admission is None or error.status != 429 or not isinstance(error, VendorUnavailable):
            return
        if error.retry_after:
            await self._admission.hold(bucket, error.retry_after)

    async def _send(
        self, operation: str, method: str, path: str, request: dict[str, Any], seconds: float
    ) -> httpx.Response:
        """One exchange, redirects within the vendor's hosts included; silence and broken connections become errors."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                response = await self._follow(operation, method, path, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NothingDone(self.vendor, operation, f"cannot be reached: {error}") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            waited = time.monotonic() - began
            raise VendorUnavailable(self.vendor, operation, f"no answer within {waited:.1f} seconds") from error
        except httpx.RequestError as error:
            raise VendorUnavailable(
                self.vendor, operation, f"the answer was lost on the way ({type(error).__name__})"
            ) from error
        if (told := clock(response)) is not None:
            self.skew = told - (time.time() - (time.monotonic() - began) / 2)
        log.debug("%s: %s: HTTP %s in %.3f s", self.vendor, operation, response.status_code, time.monotonic() - began)
        return response

    async def _follow(self, operation: str, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        target: httpx.URL | str = path
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._client.request(method, target, **request)
            if not response.has_redirect_location:
                return response
            target = response.url.join(response.headers["Location"])
            if not self._trusts(target):
                raise VendorRejected(
                    self.vendor,
                    operation,
                    f"sends us to another host, {target.host or 'unnamed'}, which gets no token of ours",
                    status=response.status_code,
                )
            request = {**request, "params": None}
        raise VendorUnavailable(self.vendor, operation, f"sends us in circles: more than {MOST_REDIRECTS} redirects")

    def _trusts(self, url: httpx.URL) -> bool:
        """Whether our credentials may go there: the vendor's own address, or an allowed host over TLS on port 443."""
        if (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port):
            return True
        known = any(url.host == host or (host.startswith(".") and url.host.endswith(host)) for host in self._hosts)
        return known and url.scheme == "https" and url.port is None

    def _readable(self, operation: str, response: httpx.Response) -> httpx.Response:
        """The response, unless it claims to be JSON and is not: then nobody knows what was done."""
        if response.content and "json" in response.headers.get("Content-Type", ""):
            try:
                response.json()
            except ValueError as error:
                raise broken(self.vendor, operation, response) from error
        return response


class VendorClient:
    """A vendor's client over one VendorHttp, open as long as that is: an async context manager."""

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    @property
    def skew(self) -> float | None:
        """By how many seconds the vendor's clock is ahead of ours, as far as it has said so."""
        return self._http.skew

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)


def repeat_after(error: Exception, *, sure: bool, patience: float) -> bool | float:
    """Whether to try again, or in how many seconds: never earlier than the vendor said, never past `patience` (seconds).

    `sure` says that a repetition does no harm; otherwise a call is repeated only when the vendor certainly did nothing.
    """
    if not isinstance(error, VendorUnavailable):
        return False
    incidents.tell(error)
    if not (sure or isinstance(error, NothingDone)) or (error.retry_after or 0) > patience:
        return False
    return True if error.retry_after is None else error.retry_after + TICK


@lru_cache
def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The TLS context that trusts the usual authorities and, where given, the one in `ca_file` (PEM)."""
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def is_loopback(url: httpx.URL) -> bool:
    """Whether this is our own machine, which no proxy of the environment should stand before."""
    return url.host in {"localhost", "127.0.0.1", "::1"}


def _pauses(growth: float) -> Iterator[float]:
    pause = SHORTEST_PAUSE
    while True:
        yield min(pause, LONGEST_PAUSE)
        pause *= GROWTH if pause < 0.5 else growth


async def _pause(seconds: float) -> None:
    """Sleep; a vendor's zero still leaves it a moment, so that nobody asks in a tight loop."""
    await asyncio.sleep(0 if stamina.is_testing() else max(seconds, SHORTEST_PAUSE / 2) + TICK)
