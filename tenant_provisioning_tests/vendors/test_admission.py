"""Where calls ask before they are sent: which bucket they name, what holds everybody back, and whose time it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.vendors._http import Pending, VendorHttp
from tenant_provisioning.vendors.fabric import bucket
from tenant_provisioning.vendors.godaddy import GoDaddy
from tenant_provisioning.vendors.mail import Mailer, OutgoingMail
from tenant_provisioning.vendors.vercel import Vercel

pytestmark = pytest.mark.usefixtures("no_waiting")
WORKSPACE, ITEM = "0f3d0c7e-5a0b-4c1e-9d2f-111111111111", "0f3d0c7e-5a0b-4c1e-9d2f-222222222222"


@dataclass
class Door:
    """Lets calls through after so many seconds, and keeps what it was told."""

    seconds: float = 0
    told: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def let_through(self, bucket: str) -> AsyncIterator[None]:
        self.told.append(bucket)
        await asyncio.sleep(self.seconds)
        yield

    async def hold(self, bucket: str, seconds: float) -> None:
        self.told.append((bucket, seconds))


def vendor(door: Door, *answers: httpx.Response, **options: Any) -> VendorHttp:
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        door.told.append("sent")
        return left.pop(0) if len(left) > 1 else left[0]

    named: Callable[[str, str], str | None] = lambda _method, path: None if path == "/free" else "vendor"  # noqa: E731
    transport = httpx.MockTransport(answer)
    return VendorHttp("Vendor", "https://vendor.test", admission=door, bucket=named, transport=transport, **options)


async def test_every_attempt_asks_before_it_is_sent() -> None:
    door = Door()
    async with vendor(door, httpx.Response(503), httpx.Response(200)) as http:
        await http.call("look", "GET", "/things")

    assert door.told == ["vendor", "sent", "vendor", "sent"]


async def test_what_has_no_bucket_does_not_ask() -> None:
    door = Door()
    async with vendor(door, httpx.Response(200)) as http:
        await http.call("look", "GET", "/free")

    assert door.told == ["sent"]


async def test_a_vendor_that_asks_one_call_to_wait_holds_back_everybody_before_that_call_is_repeated() -> None:
    door = Door()
    async with vendor(door, httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200)) as http:
        await http.call("make", "POST", "/things")

    assert door.told == ["vendor", "sent", ("vendor", 7), "vendor", "sent"]


@pytest.mark.parametrize("answer", [httpx.Response(429), httpx.Response(503, headers={"Retry-After": "7"})])
async def test_nobody_else_is_held_back_by_trouble_that_names_no_time_or_is_no_throttling(
    answer: httpx.Response,
) -> None:
    door = Door()
    async with vendor(door, answer, httpx.Response(200)) as http:
        await http.call("look", "GET", "/things")

    assert [one for one in door.told if isinstance(one, tuple)] == []


async def test_waiting_for_the_turn_takes_nothing_from_a_deadline() -> None:
    door, looks = Door(seconds=0.3), list[int]()
    async with vendor(door, httpx.Response(200), patience=0.1, timeout=0.1) as http:

        async def check() -> bool | Pending:
            await http.call("look", "GET", "/things")
            looks.append(1)
            return len(looks) == 3 or Pending()

        assert await http.poll("look", check, deadline=0.5)


async def test_a_deadline_that_passes_while_the_vendor_works_still_ends_it() -> None:
    async with vendor(Door(seconds=0.05), httpx.Response(200)) as http:

        async def check() -> bool | Pending:
            await http.call("look", "GET", "/things")
            await asyncio.sleep(0.1)
            return Pending("at work")

        with pytest.raises(VendorUnavailable, match="at work"):
            await http.poll("look", check, deadline=0.3)


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/workspaces", "fabric:GET /workspaces"),
        ("GET", f"/workspaces/{WORKSPACE}", "fabric:GET /workspaces/*"),
        ("DELETE", f"/workspaces/{WORKSPACE}", "fabric:DELETE /workspaces/*"),
        ("GET", f"/workspaces/{WORKSPACE}/items/{ITEM}", "fabric:GET /workspaces/*/items/*"),
        ("GET", f"/operations/{ITEM}/result", "fabric:GET /operations/*/result"),
        (
            "POST",
            f"/workspaces/{WORKSPACE}/items/{ITEM}/jobs/RunNotebook/instances",
            "fabric:POST /workspaces/*/items/*/jobs/RunNotebook/instances",
        ),
    ],
)
def test_fabric_counts_each_api_by_itself_whatever_it_is_about(method: str, path: str, named: str) -> None:
    assert bucket(method, path) == named


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda vercel: vercel.add_domain("web", "acme.yourplatform.com"), ["vercel_domains:added"]),
        (lambda vercel: vercel.delete_domain("web", "acme.yourplatform.com"), ["vercel_domains:removed"]),
        (lambda vercel: vercel.find_domain("web", "acme.yourplatform.com"), []),
        (lambda vercel: vercel.verify_domain("web", "acme.yourplatform.com"), []),
    ],
    ids=["added", "removed", "looked up", "verified"],
)
async def test_vercel_counts_the_hosts_that_are_added_and_those_that_are_removed(
    call: Callable[[Vercel], Awaitable[Any]], named: list[str]
) -> None:
    door, body = Door(), {"name": "acme.yourplatform.com", "verified": True}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with Vercel("https://vercel.test", "token", admission=door, transport=transport) as vercel:
        await call(vercel)
    assert door.told == named


async def test_godaddy_counts_all_calls_of_a_credential_together() -> None:
    door = Door()
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json=[] if request.method == "GET" else None))
    async with GoDaddy("https://godaddy.test", "key", "secret", admission=door, transport=answer) as godaddy:
        await godaddy.find_record("yourplatform.com", "CNAME", "acme")
        await godaddy.delete_record("yourplatform.com", "CNAME", "acme")

    assert door.told == ["godaddy", "godaddy"]


async def test_a_mail_asks_before_the_server_is_greeted() -> None:
    door = Door()
    mailer = Mailer("127.0.0.1", 1, sender="Platform <us@yourplatform.com>", starttls=False, admission=door)
    with pytest.raises(VendorUnavailable):
        await mailer.send(OutgoingMail("ada@acme.example", "Hello", "text", "<p>text</p>", "<1@yourplatform.com>"))

    assert door.told == ["mail"]
