"""The GoDaddy client: against answers a simulator should not give, then against the simulator."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.godaddy import Domain, GoDaddy, Record

DOMAIN = "yourplatform.com"
ACME = Record("CNAME", "acme", "d433667938f5b093.vercel-dns-017.com", 600)


class Zone:
    """Gives the queued answers, the last one again and again, and keeps the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def client(zone: Zone) -> GoDaddy:
    transport = httpx.MockTransport(zone)
    return GoDaddy("https://godaddy.test", "key", "secret", attempts=4, transport=transport)


def refused(status: int, code: str, **more: object) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": f"message of {code}", **more})


@pytest.fixture(autouse=True)
def _without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


def calls(godaddy: GoDaddy) -> dict[str, Callable[[str, str], Awaitable[object]]]:
    """Every call that names a record, as functions of domain and name."""
    return {
        "find": lambda domain, name: godaddy.find_record(domain, "CNAME", name),
        "put": lambda domain, name: godaddy.put_record(domain, Record("CNAME", name, "target.example")),
        "delete": lambda domain, name: godaddy.delete_record(domain, "CNAME", name),
    }


async def test_an_empty_list_means_that_there_is_no_record() -> None:
    async with client(Zone(httpx.Response(200, json=[]))) as godaddy:
        assert await godaddy.find_record(DOMAIN, "CNAME", "acme") is None


async def test_a_record_is_found_under_exactly_its_type_and_name() -> None:
    row = {"type": "CNAME", "name": "acme", "data": ACME.data, "ttl": 600}
    zone = Zone(httpx.Response(200, json=[row]))
    async with client(zone) as godaddy:
        assert await godaddy.find_record(DOMAIN, "CNAME", "acme") == ACME
    assert zone.requests[0].url.path == "/v1/domains/yourplatform.com/records/CNAME/acme"
    assert zone.requests[0].headers["Authorization"] == "sso-key key:secret"


async def test_a_domain_that_is_not_the_accounts_is_no_absent_record() -> None:
    async with client(Zone(refused(404, "NOT_FOUND"))) as godaddy:
        with pytest.raises(VendorRejected, match="NOT_FOUND"):
            await godaddy.find_record(DOMAIN, "CNAME", "acme")


async def test_several_records_of_one_name_are_refused_and_not_shown_as_one() -> None:
    rows = [{"type": "A", "name": "acme", "data": f"192.0.2.{number}", "ttl": 600} for number in (1, 2)]
    async with client(Zone(httpx.Response(200, json=rows))) as godaddy:
        with pytest.raises(VendorRejected, match="2 A records named acme"):
            await godaddy.find_record(DOMAIN, "A", "acme")


async def test_a_record_is_put_under_exactly_its_type_and_name() -> None:
    zone = Zone(httpx.Response(200))  # GoDaddy answers with an empty body
    async with client(zone) as godaddy:
        await godaddy.put_record(DOMAIN, ACME)
    [request] = zone.requests
    assert (request.method, request.url.path) == ("PUT", "/v1/domains/yourplatform.com/records/CNAME/acme")
    assert json.loads(request.content) == [{"data": ACME.data, "ttl": 600}]


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "@", "*", "a/b", "../../records", "acme/..", "acme?x", "acme.", "%2e"]
)
@pytest.mark.parametrize("method", ["put", "find", "delete"])
async def test_a_name_that_could_reach_the_whole_type_or_zone_never_leaves_the_house(method: str, name: str) -> None:
    zone = Zone(httpx.Response(200, json=[]))
    async with client(zone) as godaddy:
        with pytest.raises(ValueError, match="not the name of one record"):
            await calls(godaddy)[method](DOMAIN, name)
    assert zone.requests == []


@pytest.mark.parametrize(
    ("domain", "kind"), [("", "CNAME"), ("com", "CNAME"), ("a/b.com", "CNAME"), (DOMAIN, ""), (DOMAIN, "*")]
)
async def test_a_domain_or_type_that_is_none_never_leaves_the_house(domain: str, kind: str) -> None:
    zone = Zone(httpx.Response(200))
    async with client(zone) as godaddy:
        with pytest.raises(ValueError, match="not a "):
            await godaddy.put_record(domain, Record(kind, "acme", "target.example"))
    assert zone.requests == []


async def test_deleting_is_quiet_when_the_record_is_gone() -> None:
    zone = Zone(httpx.Response(204), refused(404, "NOT_FOUND"))
    async with client(zone) as godaddy:
        for _ in range(2):
            await godaddy.delete_record(DOMAIN, "CNAME", "acme")
    assert {(request.method, request.url.path) for request in zone.requests} == {
        ("DELETE", "/v1/domains/yourplatform.com/records/CNAME/acme")
    }


async def test_a_refused_delete_is_not_quiet() -> None:
    async with client(Zone(refused(422, "UNPROCESSABLE"))) as godaddy:
        with pytest.raises(VendorRejected, match="UNPROCESSABLE"):
            await godaddy.delete_record(DOMAIN, "CNAME", "acme")


async def test_an_account_without_access_is_told_to_the_operator_in_words() -> None:
    async with client(Zone(refused(403, "ACCESS_DENIED"))) as godaddy:
        with pytest.raises(
            VendorRejected, match=r"yourplatform\.com: GoDaddy opens it only .* GODADDY_API_KEY"
        ) as denied:
            await godaddy.get_domain(DOMAIN)
    assert (denied.value.status, denied.value.code) == (403, "ACCESS_DENIED")


async def test_a_zone_that_is_changing_is_tried_again() -> None:
    zone = Zone(refused(409, "CONFLICT"), refused(409, "CONFLICT"), httpx.Response(200))
    async with client(zone) as godaddy:
        await godaddy.put_record(DOMAIN, ACME)
    assert len(zone.requests) == 3


@pytest.mark.parametrize("verb", ["put", "delete"])
async def test_a_zone_that_never_stops_changing_ends_as_unavailable(verb: str) -> None:
    zone = Zone(refused(409, "CONFLICT"))
    async with client(zone) as godaddy:
        with pytest.raises(VendorUnavailable, match="CONFLICT"):
            await calls(godaddy)[verb](DOMAIN, "acme")
    assert len(zone.requests) == 4


async def test_throttling_carries_the_pause_that_the_body_names() -> None:
    zone = Zone(refused(429, "TOO_MANY_REQUESTS", retryAfterSec=37))
    async with client(zone) as godaddy:
        with pytest.raises(VendorUnavailable) as throttled:
            await godaddy.put_record(DOMAIN, ACME)
    assert throttled.value.retry_after == 37


async def test_a_domain_is_read_with_its_state_and_name_servers() -> None:
    body = {"domain": DOMAIN, "status": "ACTIVE", "nameServers": ["ns1.example", "ns2.example"], "domainId": 1.0}
    async with client(Zone(httpx.Response(203, json=body))) as godaddy:
        assert await godaddy.get_domain(DOMAIN) == Domain(DOMAIN, "ACTIVE", ("ns1.example", "ns2.example"))


@pytest.mark.parametrize("body", [{}, [{"type": "CNAME"}], "acme"])
async def test_an_answer_of_another_shape_is_unavailable_and_not_an_absent_record(body: object) -> None:
    async with client(Zone(httpx.Response(200, json=body))) as godaddy:
        with pytest.raises(VendorUnavailable, match="cannot be read"):
            await godaddy.find_record(DOMAIN, "CNAME", "acme")


@pytest.fixture
async def godaddy(simulator: Any) -> AsyncIterator[GoDaddy]:
    """The client at the simulator, whose instant zone changes leave nothing to wait for."""
    key, secret = "simulated-key", "simulated-godaddy-secret"
    async with GoDaddy(simulator.url, key, secret, verify=simulator.trusting, attempts=4) as opened:
        yield opened


async def test_a_put_record_is_found_and_changed_and_gone_again(godaddy: GoDaddy) -> None:
    assert await godaddy.find_record(DOMAIN, "CNAME", "acme") is None
    for target in ("first.vercel-dns-017.com", "second.vercel-dns-017.com"):
        await godaddy.put_record(DOMAIN, Record("CNAME", "acme", target, 600))
        assert await godaddy.find_record(DOMAIN, "CNAME", "acme") == Record("CNAME", "acme", target, 600)
    await godaddy.delete_record(DOMAIN, "CNAME", "acme")
    assert await godaddy.find_record(DOMAIN, "CNAME", "acme") is None


async def test_putting_and_deleting_leave_the_rest_of_the_zone_alone(godaddy: GoDaddy, simulator: Any) -> None:
    await godaddy.put_record(DOMAIN, Record("CNAME", "neighbour", "other.vercel-dns-017.com", 600))
    before = simulator.control("GET", "/snapshot")["godaddy"]
    await godaddy.put_record(DOMAIN, ACME)
    await godaddy.delete_record(DOMAIN, "CNAME", "acme")
    await godaddy.delete_record(DOMAIN, "CNAME", "acme")
    assert "neighbour" in str(before)
    assert simulator.control("GET", "/snapshot")["godaddy"] == before


async def test_a_domain_of_somebody_else_is_rejected_by_the_real_api(godaddy: GoDaddy) -> None:
    with pytest.raises(VendorRejected) as unknown:
        await godaddy.get_domain("somebody-elses.com")
    assert unknown.value.status == 404
    assert (await godaddy.get_domain(DOMAIN)).status == "ACTIVE"


async def test_the_account_gate_is_told_in_words(godaddy: GoDaddy, simulator: Any) -> None:
    simulator.control("PATCH", "/knobs/godaddy", {"account_may_use_dns_api": False})
    with pytest.raises(VendorRejected, match="Discount Domain Club"):
        await godaddy.get_domain(DOMAIN)


async def test_a_wrong_key_is_rejected_without_showing_it(simulator: Any) -> None:
    async with GoDaddy(simulator.url, "key", "not-the-secret", verify=simulator.trusting) as stranger:
        with pytest.raises(VendorRejected) as denied:
            await stranger.get_domain(DOMAIN)
    assert denied.value.status == 401
    assert "not-the-secret" not in str(denied.value)


async def test_a_put_whose_answer_is_lost_is_repeated_and_makes_one_record(godaddy: GoDaddy, simulator: Any) -> None:
    simulator.fault("godaddy", "put_records", "lost_response")
    await godaddy.put_record(DOMAIN, ACME)
    assert await godaddy.find_record(DOMAIN, "CNAME", "acme") == ACME
