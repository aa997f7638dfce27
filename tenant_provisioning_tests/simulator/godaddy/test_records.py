"""What GoDaddy's records API does to a zone, version 1: the calls to make, and the calls that do harm."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

RECORDS = "/v1/domains/yourplatform.com/records"
ACME = f"{RECORDS}/CNAME/acme"
TARGET = "abc.vercel-dns-017.com"


@pytest.fixture
def godaddy(http: httpx.Client) -> Iterator[httpx.Client]:
    http.headers["Authorization"] = "sso-key simulated-key:simulated-godaddy-secret"
    return http


def put(client: httpx.Client, name: str, data: str = TARGET) -> None:
    assert client.put(f"{RECORDS}/CNAME/{name}", json=[{"data": data, "ttl": 600}]).status_code == 200


def test_a_record_that_is_absent_is_an_empty_list(godaddy: httpx.Client) -> None:
    answer = godaddy.get(ACME)

    assert (answer.status_code, answer.json()) == (200, [])


def test_put_of_type_and_name_is_idempotent_and_answers_with_nothing(godaddy: httpx.Client) -> None:
    first = godaddy.put(ACME, json=[{"data": TARGET, "ttl": 3600}])
    second = godaddy.put(ACME, json=[{"data": "other.vercel-dns-017.com", "ttl": 600}])

    for answer in (first, second):
        assert (answer.status_code, answer.content, "content-type" in answer.headers) == (200, b"", False)
    assert godaddy.get(ACME).json() == [
        {"data": "other.vercel-dns-017.com", "name": "acme", "ttl": 600, "type": "CNAME"}
    ]


def test_put_takes_the_type_and_name_that_clients_repeat_but_no_others(godaddy: httpx.Client) -> None:
    record = {"data": TARGET, "ttl": 600, "type": "CNAME", "name": "acme"}

    assert godaddy.put(ACME, json=[record]).status_code == 200
    assert godaddy.put(ACME, json=[{**record, "name": "other"}]).status_code == 422
    assert godaddy.put(ACME, json=[{**record, "type": "A"}]).status_code == 422


def test_put_of_a_whole_type_takes_every_other_record_of_that_type(godaddy: httpx.Client) -> None:
    put(godaddy, "acme")

    answer = godaddy.put(f"{RECORDS}/CNAME", json=[{"data": TARGET, "name": "globex", "ttl": 600}])

    assert answer.status_code == 200
    assert {record["name"] for record in godaddy.get(f"{RECORDS}/CNAME").json()} == {"globex"}
    assert godaddy.get(f"{RECORDS}/A/@").json()


def test_put_of_the_zone_takes_everything_that_it_does_not_name(godaddy: httpx.Client) -> None:
    put(godaddy, "acme")

    answer = godaddy.put(RECORDS, json=[{"data": TARGET, "name": "globex", "type": "CNAME", "ttl": 600}])

    assert answer.status_code == 200
    assert {(record["type"], record["name"]) for record in godaddy.get(RECORDS).json()} == {
        ("CNAME", "globex"),
        ("NS", "@"),
    }


@pytest.mark.parametrize("path", [ACME, f"{RECORDS}/CNAME", RECORDS])
def test_an_empty_array_changes_nothing(godaddy: httpx.Client, path: str) -> None:
    put(godaddy, "acme")
    before = godaddy.get(RECORDS).json()

    assert godaddy.put(path, json=[]).status_code == 200
    assert godaddy.get(RECORDS).json() == before


def test_patch_appends_and_refuses_to_append_twice(godaddy: httpx.Client) -> None:
    record = {"type": "TXT", "name": "acme", "data": "one", "ttl": 600}

    assert godaddy.patch(RECORDS, json=[record]).status_code == 200
    assert godaddy.patch(RECORDS, json=[{**record, "data": "two"}]).status_code == 200
    again = godaddy.patch(RECORDS, json=[record])

    assert (again.status_code, again.json()["code"]) == (422, "DUPLICATE_RECORD")
    assert [kept["data"] for kept in godaddy.get(f"{RECORDS}/TXT/acme").json()] == ["one", "two"]


def test_delete_removes_that_type_and_name_and_is_quiet_the_second_time(godaddy: httpx.Client) -> None:
    put(godaddy, "acme")
    put(godaddy, "globex")

    assert [godaddy.delete(ACME).status_code for _ in range(2)] == [204, 204]
    assert godaddy.get(ACME).json() == []
    assert len(godaddy.get(f"{RECORDS}/CNAME/globex").json()) == 1


@pytest.mark.parametrize("path", [RECORDS, f"{RECORDS}/A", f"{RECORDS}/A/@"])
def test_post_exists_nowhere_under_records(godaddy: httpx.Client, path: str) -> None:
    record = [{"type": "CNAME", "name": "acme", "data": "your-vercel-app.vercel.app", "ttl": 3600}]

    assert godaddy.post(path, json=record).status_code == 405


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ([{"data": TARGET, "ttl": 599}], "records[0].ttl", "INVALID_VALUE"),
        ([{"ttl": 600}], "records.0.data", "UNDEFINED_VALUE"),
        ([{"data": TARGET, "proxied": True}], "records.0.proxied", "UNEXPECTED_PROPERTY"),
        ([{"data": "no host name", "ttl": 600}], "records[0].data", "INVALID_VALUE"),
        ({"data": TARGET}, "records", "INVALID_VALUE"),
    ],
)
def test_a_record_that_is_not_right_is_refused_by_field(
    godaddy: httpx.Client, body: Any, field: str, code: str
) -> None:
    answer = godaddy.put(ACME, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_BODY")
    assert [(told["path"], told["code"]) for told in answer.json()["fields"]] == [(field, code)]
    assert godaddy.get(ACME).json() == []


def test_a_cname_stands_alone(godaddy: httpx.Client) -> None:
    godaddy.put(f"{RECORDS}/A/taken", json=[{"data": "192.0.2.1", "ttl": 600}])

    beside = godaddy.put(f"{RECORDS}/CNAME/taken", json=[{"data": TARGET, "ttl": 600}])
    twice = godaddy.put(ACME, json=[{"data": TARGET, "ttl": 600}, {"data": "b.example", "ttl": 600}])

    assert (beside.status_code, twice.status_code) == (422, 422)


def test_no_json_another_media_type_and_an_unknown_record_type_are_refused(godaddy: httpx.Client) -> None:
    json_type = {"content-type": "application/json"}

    assert godaddy.put(ACME, content=b"[{", headers=json_type).status_code == 400
    assert godaddy.put(ACME, content=b"[]", headers={"content-type": "text/plain"}).status_code == 415
    assert godaddy.get(f"{RECORDS}/CNAM/acme").status_code == 422


def test_a_domain_that_is_not_in_the_account_is_not_found(godaddy: httpx.Client) -> None:
    for answer in (godaddy.get("/v1/domains/elsewhere.com"), godaddy.delete("/v1/domains/elsewhere.com/records/A/x")):
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_DOMAIN")


@pytest.mark.parametrize("credential", [None, "sso-key simulated-key:wrong", "Bearer wrong", "sso-key é:é"])
def test_callers_who_are_not_known_are_told_so(http: httpx.Client, credential: str | None) -> None:
    headers = {} if credential is None else {"Authorization": credential.encode()}

    answer = http.get(ACME, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNABLE_TO_AUTHENTICATE")


def test_an_account_below_the_gate_may_not_even_read(godaddy: httpx.Client, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/godaddy", {"account_may_use_dns_api": False})

    answer = godaddy.get(ACME)

    assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_DENIED")
    assert answer.json()["message"] == "Authenticated user is not allowed access"


def test_while_a_zone_changes_every_other_change_is_a_conflict(godaddy: httpx.Client, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/godaddy", {"zone_change_seconds": 5})
    put(godaddy, "acme")

    meanwhile = godaddy.put(f"{RECORDS}/CNAME/globex", json=[{"data": TARGET, "ttl": 600}])
    read = godaddy.get(ACME)
    simulator.control("POST", "clock", {"advance": 6})

    assert (meanwhile.status_code, read.status_code) == (409, 200)
    put(godaddy, "globex")


def test_the_sixty_first_request_of_a_minute_waits_as_the_body_says(godaddy: httpx.Client, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/godaddy", {"limit_requests": True})

    answers = [godaddy.get(ACME) for _ in range(61)]

    assert {answer.status_code for answer in answers[:60]} == {200}
    assert (answers[0].headers["ratelimit-limit"], answers[0].headers["ratelimit-remaining"]) == ("60", "59")
    told = answers[60].json()
    assert (answers[60].status_code, told["code"]) == (429, "TOO_MANY_REQUESTS")
    simulator.control("POST", "clock", {"advance": told["retryAfterSec"]})
    assert godaddy.get(ACME).status_code == 200


def test_nobody_is_limited_under_instant_latency(godaddy: httpx.Client) -> None:
    assert {godaddy.get(ACME).status_code for _ in range(70)} == {200}


def test_everybody_is_limited_under_realistic_latency(godaddy: httpx.Client, simulator: Any) -> None:
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.01})
    simulator.control("PATCH", "knobs/godaddy", {"requests_per_minute": 3})

    assert 429 in [godaddy.get(ACME).status_code for _ in range(6)]


def test_a_minute_of_the_limit_lasts_as_long_as_a_test_wants(godaddy: httpx.Client, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/godaddy", {"limit_requests": True, "requests_per_minute": 1, "minute": 600})
    assert godaddy.get(ACME).status_code == 200
    assert 60 < godaddy.get(ACME).json()["retryAfterSec"] <= 600

    simulator.control("PATCH", "knobs/godaddy", {"minute": 5})
    simulator.control("POST", "clock", {"advance": 5})
    assert godaddy.get(ACME).status_code == 200
    assert godaddy.get(ACME).json()["retryAfterSec"] <= 5


def test_a_domain_shows_what_the_specification_requires(godaddy: httpx.Client) -> None:
    told = godaddy.get("/v1/domains/yourplatform.com").json()

    assert told["status"] == "ACTIVE"
    required = (
        "authCode contactAdmin contactTech createdAt domainId expirationProtected holdRegistrar locked nameServers"
    )
    assert set(required.split()) <= told.keys()
    assert [domain["domain"] for domain in godaddy.get("/v1/domains").json()] == ["yourplatform.com"]
