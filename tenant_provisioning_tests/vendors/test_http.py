"""How vendors are called: what is repeated, how long is waited, where credentials go, what the errors say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import accumulate, islice, pairwise
from typing import Any

import httpx
import pytest
import stamina

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors import incidents
from tenant_provisioning.vendors._answers import reason, retry_after, vendor_code
from tenant_provisioning.vendors._http import CLOSELY, GROWTH, LONGEST_PAUSE, Pending, VendorHttp, _pauses

pytestmark = pytest.mark.usefixtures("no_waiting")
Handler = Callable[[httpx.Request], httpx.Response]
BASE = "https://vendor.test/v1"
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Script:
    """Answers one request after the other, the last for ever, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception | Handler) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()
        self.times: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def vendor(script: Handler, **options: Any) -> VendorHttp:
    return VendorHttp("Vendor", BASE, transport=httpx.MockTransport(script), **options)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "54"}, None, 54),
        ({"Retry-After": "0"}, None, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}, None, 90),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, None, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT", "Date": "Sun, 01 Mar 2026 12:01:00 GMT"}, None, 30),
        ({}, {"code": "TOO_MANY_REQUESTS", "retryAfterSec": 12}, 12),
        ({"Retry-After": "7"}, {"retryAfterSec": 12}, 7),
        ({"Retry-After": "soon"}, None, None),
        ({}, ["not", "an", "object"], None),
    ],
)
def test_retry_after_is_read_from_header_or_body_in_every_form(
    headers: dict[str, str], body: Any, seconds: float | None
) -> None:
    assert retry_after(httpx.Headers(headers), body, now=NOON) == seconds


async def test_what_a_repeat_mends_is_heard_of_where_somebody_listens_and_expected_refusals_are_not() -> None:
    heard = list[VendorError]()
    busy, gone = httpx.Response(429), httpx.Response(404)
    script = Script(busy, busy, httpx.Response(200), gone)
    async with vendor(script) as http:
        with incidents.heard_by(heard.append):
            await http.call("make it", "POST", "/things")
            with pytest.raises(VendorRejected):
                await http.call("find it", "GET", "/things/1")
        script.answers = [httpx.Response(503), httpx.Response(200)]
        await http.call("make it", "POST", "/things", idempotent=True)  # nobody listens any more

    assert [(each.operation, each.status) for each in heard] == [("make it", 429)] * 2


async def test_a_throttled_create_is_repeated_after_the_time_the_vendor_names_and_never_earlier() -> None:
    script = Script(httpx.Response(429, headers={"Retry-After": "1"}), httpx.Response(201, json={"id": "w"}))
    with stamina.set_testing(False):
        async with vendor(script) as http:
            await http.call("create", "POST", "/things", json={})
    assert 1.0 <= script.times[1] - script.times[0] < 1.5


async def test_a_pause_longer_than_our_patience_is_left_to_whoever_runs_the_step_again() -> None:
    script = Script(httpx.Response(429, headers={"Retry-After": "3600"}))
    async with vendor(script, patience=300) as http:
        with pytest.raises(VendorUnavailable) as caught:
            await http.call("list", "GET", "/things")
    assert (caught.value.retry_after, len(script.requests)) == (3600, 1)


@pytest.mark.parametrize(
    "loss",
    [
        httpx.ReadTimeout("silence"),
        httpx.ReadError("reset by peer"),
        httpx.RemoteProtocolError("server disconnected without sending a response"),
        httpx.Response(500),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(503, headers={"Retry-After": "3"}),
        httpx.Response(201, content=b'{"id": "w', headers={"Content-Type": "application/json"}),
    ],
    ids=["timeout", "reset", "disconnected", "500", "502", "503", "broken JSON"],
)
async def test_a_create_whose_answer_was_lost_is_not_sent_again(loss: httpx.Response | Exception) -> None:
    script = Script(loss)
    async with vendor(script) as http:
        with pytest.raises(VendorUnavailable):
            await http.call("create", "POST", "/things", json={})
    assert len(script.requests) == 1


@pytest.mark.parametrize("refused", [httpx.ConnectError("connection refused"), httpx.ConnectTimeout("too late")])
async def test_a_create_that_never_left_is_sent_again(refused: Exception) -> None:
    script = Script(refused, refused, httpx.Response(201, json={"id": "w"}))
    async with vendor(script) as http:
        answer = await http.call("create", "POST", "/things", json={})
    assert (answer.json(), len(script.requests)) == ({"id": "w"}, 3)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "loss",
    [
        httpx.ReadTimeout("silence"),
        httpx.Response(500),
        httpx.Response(200, content=b"{", headers={"Content-Type": "application/json"}),
    ],
)
async def test_what_can_be_repeated_is_repeated_until_it_succeeds(
    method: str, loss: httpx.Response | Exception
) -> None:
    script = Script(loss, httpx.Response(200, json={}))
    async with vendor(script) as http:
        await http.call("repeatable", method, "/things/1")
    assert len(script.requests) == 2


async def test_attempts_are_bounded() -> None:
    script = Script(httpx.Response(503))
    async with vendor(script, attempts=4) as http:
        with pytest.raises(VendorUnavailable) as caught:
            await http.call("list", "GET", "/things")
    assert (len(script.requests), caught.value.status) == (4, 503)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_refusal_is_final_and_tells_status_code_request_id_and_reason(status: int) -> None:
    body = {"requestId": "r-1", "errorCode": "NotAllowed", "message": "You may not."}
    script = Script(httpx.Response(status, json=body))
    async with vendor(script) as http:
        with pytest.raises(VendorRejected) as caught:
            await http.call("read thing", "GET", "/things/1")
    assert str(caught.value) == f"Vendor: read thing: You may not. (HTTP {status}, NotAllowed, request r-1)"
    assert len(script.requests) == 1


async def test_a_refusal_that_the_vendor_calls_passing_is_repeated_even_for_a_create() -> None:
    passing = httpx.Response(400, json={"errorCode": "NotYet", "message": "Not yet.", "isRetriable": True})
    conflict = httpx.Response(409, json={"code": "ZONE_BUSY"})
    script = Script(passing, conflict, httpx.Response(201, json={}))
    async with vendor(script, transient=lambda status, _code: status == 409) as http:
        await http.call("create", "POST", "/things")
    assert len(script.requests) == 3


async def test_an_unexpected_success_is_not_taken_for_the_expected_one() -> None:
    script = Script(httpx.Response(200, json={}))
    async with vendor(script) as http:
        with pytest.raises(VendorRejected):
            await http.call("import", "POST", "/imports", ok=(202,))


async def test_a_body_without_what_the_api_promises_becomes_an_error_of_the_family() -> None:
    script = Script(httpx.Response(200, json={"value": [{"name": "no id"}]}))
    async with vendor(script) as http:
        answer = await http.call("list", "GET", "/things")
        with pytest.raises(VendorUnavailable, match="cannot be read"):
            http.read("list", answer, lambda body: [one["id"] for one in body["value"]])


@pytest.mark.parametrize("status", [404, 410])
async def test_deleting_what_is_gone_is_quiet(status: int) -> None:
    async with vendor(Script(httpx.Response(status))) as http:
        await http.delete("delete", "/things/1")


async def test_deleting_knows_the_vendors_own_word_for_gone_and_no_other() -> None:
    async with vendor(Script(httpx.Response(400, json={"errorCode": "ThingNotFound"}))) as http:
        await http.delete("delete", "/things/1", gone=("ThingNotFound",))
        with pytest.raises(VendorRejected):
            await http.delete("delete", "/things/1")


class Signing(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = "Bearer secret-token"
        yield request


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.test/v1/things",
        "http://vendor.test/v1/things",
        "https://vendor.test:8443/v1/things",
        "//evil.test/things",
        "http://eu.trusted.test/things",
        "https://eviltrusted.test/things",
        "https://eu.trusted.test:9999/things",
        "https://vendor.test@evil.test/things",
        "https://evil-one.exact.test/things",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_redirect_takes_the_token_to_another_host(method: str, location: str) -> None:
    script = Script(httpx.Response(307, headers={"Location": location}), httpx.Response(200, json={}))
    async with vendor(script, auth=Signing(), hosts=(".trusted.test", "one.exact.test")) as http:
        with pytest.raises(VendorRejected, match="another host"):
            await http.call("read", method, "/things")
    assert [request.url.host for request in script.requests] == ["vendor.test"]


async def test_a_redirect_to_an_allowed_host_is_followed_with_method_body_and_token() -> None:
    script = Script(
        httpx.Response(307, headers={"Location": "https://eu.trusted.test/v1/things?page=2"}),
        httpx.Response(200, json={}),
    )
    async with vendor(script, auth=Signing(), hosts=(".trusted.test",)) as http:
        await http.call("create", "POST", "/things", json={"a": 1}, params={"page": "1"})
    sent = script.requests[1]
    assert (sent.method, str(sent.url)) == ("POST", "https://eu.trusted.test/v1/things?page=2")
    assert (sent.headers["Authorization"], sent.content) == ("Bearer secret-token", b'{"a":1}')


async def test_redirects_in_a_circle_end() -> None:
    script = Script(httpx.Response(307, headers={"Location": "/v1/things"}))
    async with vendor(script, attempts=1) as http:
        with pytest.raises(VendorUnavailable, match="circles"):
            await http.call("read", "GET", "/things")


@pytest.mark.parametrize("path", ["https://evil.test/things", "//evil.test/things", "things"])
async def test_a_path_cannot_lead_away_from_the_base_url(path: str) -> None:
    script = Script(httpx.Response(200))
    async with vendor(script, auth=Signing()) as http:
        with pytest.raises(ValueError, match="relative"):
            await http.call("read", "GET", path)
    assert script.requests == []


async def test_a_poll_asks_until_the_thing_is_there() -> None:
    states: list[Any] = [Pending("Running"), Pending("Running"), "done"]

    async def check() -> Any:
        return states.pop(0)

    async with vendor(Script(httpx.Response(200))) as http:
        assert await http.poll("make", check, deadline=5) == "done"


async def test_a_poll_waits_as_long_as_the_vendor_says_before_the_first_and_every_further_question() -> None:
    asked: list[float] = []

    async def check() -> Any:
        asked.append(time.monotonic())
        return Pending("Running", retry_after=0.4) if len(asked) == 1 else "done"

    async with vendor(Script(httpx.Response(200))) as http:
        with stamina.set_testing(False):
            began = time.monotonic()
            await http.poll("make", check, deadline=5, after=0.3)
    assert 0.3 <= asked[0] - began < 0.5
    assert 0.4 <= asked[1] - asked[0] < 0.6


async def test_a_poll_past_its_deadline_says_what_was_waited_for_how_long_and_what_was_last_seen() -> None:
    async def check() -> Any:
        return Pending("Publishing", retry_after=0.05)

    async with vendor(Script(httpx.Response(200))) as http:
        with stamina.set_testing(False), pytest.raises(VendorUnavailable) as caught:
            await http.poll("import report", check, deadline=0.2)
    assert str(caught.value) == (
        "Vendor: import report: not finished after 0.2 seconds; the vendor last said: Publishing"
    )


async def test_a_poll_ends_at_its_deadline_even_while_a_question_hangs() -> None:
    async def check() -> Any:
        await asyncio.sleep(60)

    async with vendor(Script(httpx.Response(200))) as http:
        began = time.monotonic()
        with pytest.raises(VendorUnavailable, match=r"not finished after 0\.1 seconds"):
            await http.poll("make", check, deadline=0.1)
    assert time.monotonic() - began < 2


async def test_an_answer_that_drips_for_ever_ends() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async with vendor(Script(lambda _request: httpx.Response(200, content=drip())), attempts=1, timeout=0.05) as http:
        with pytest.raises(VendorUnavailable, match="no answer within"):
            await http.call("read", "GET", "/things")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"errorCode": "ItemNotFound", "message": "No such item."}, "ItemNotFound", "No such item."),
        (
            {"errorCode": "InvalidInput", "message": "Bad.", "moreDetails": [{}, {"message": "capacityId is no GUID"}]},
            "InvalidInput",
            "Bad. capacityId is no GUID",
        ),
        ({"error": {"code": "PowerBIEntityNotFound"}}, "PowerBIEntityNotFound", ""),
        (
            {
                "error": {
                    "code": "DM_Error",
                    "pbi.error": {
                        "details": [
                            {"code": "d", "detail": {"type": 1, "value": "Query (1, 10) no table"}},
                            {"code": "n", "detail": {"type": 1, "value": "3241803789"}},
                        ]
                    },
                }
            },
            "DM_Error",
            "Query (1, 10) no table",
        ),
        (
            {"code": "INVALID_BODY", "message": "Body.", "fields": [{"message": "ttl too small"}]},
            "INVALID_BODY",
            "Body. ttl too small",
        ),
        (
            {"code": 422, "error_code": "email_exists", "msg": "Already registered"},
            "email_exists",
            "Already registered",
        ),
        ({"message": "ann@example.org is taken\n  twice"}, None, "(address) is taken twice"),
        (None, None, ""),
        (["odd"], None, ""),
        ({"error": "plain text"}, None, ""),
    ],
)
def test_every_vendors_error_body_is_read_without_personal_data(body: Any, code: str | None, said: str) -> None:
    assert (vendor_code(body), reason(body)) == (code, said)


@pytest.mark.parametrize(("growth", "late"), [(GROWTH, 0.5), (CLOSELY, 0.15)])
def test_whoever_polls_closely_is_late_by_little_of_what_it_waited_for(growth: float, late: float) -> None:
    asked_at = list(accumulate(islice(_pauses(growth), 30)))

    pairs = [(before, after) for before, after in pairwise(asked_at) if before > 2]
    assert pairs
    assert all(after <= before + min(late * before + 0.5, LONGEST_PAUSE) for before, after in pairs)
    assert list(islice(_pauses(growth), 100))[-1] == LONGEST_PAUSE
