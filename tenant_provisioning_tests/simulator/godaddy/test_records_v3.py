"""GoDaddy's records API, version 3: tokens only, one record at a time."""

import httpx
import pytest

RECORDS = "/v3/domains/zones/yourplatform.com/dns-records"
ACME = {"name": "acme", "type": "CNAME", "data": "abc.vercel-dns-017.com.", "ttl": 600}


@pytest.fixture
def godaddy(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = "Bearer simulated-godaddy-access-token"
    return http


def test_a_record_is_created_found_and_deleted_by_its_id(godaddy: httpx.Client) -> None:
    made = godaddy.post(RECORDS, json=ACME)
    found = godaddy.get(RECORDS, params={"type": "CNAME", "name": "acme", "totalRequired": "true"}).json()

    assert made.status_code == 201
    assert made.headers["location"].endswith(f"{RECORDS}/{made.json()['recordId']}")
    assert found["items"] == [made.json()]
    assert (found["totalItems"], found["items"][0]["data"]) == (1, ACME["data"])
    deleted = [godaddy.delete(f"{RECORDS}/{made.json()['recordId']}").status_code for _ in range(2)]
    assert deleted == [204, 404]


def test_the_same_record_twice_is_a_conflict(godaddy: httpx.Client) -> None:
    assert [godaddy.post(RECORDS, json=ACME).status_code for _ in range(2)] == [201, 409]


@pytest.mark.parametrize(
    "change", [{"ttl": 599}, {"ttl": 86_401}, {"data": "abc.vercel-dns-017.com"}, {"type": "NS"}, {"x": 1}]
)
def test_a_record_that_is_not_right_is_refused(godaddy: httpx.Client, change: dict[str, object]) -> None:
    answer = godaddy.post(RECORDS, json={**ACME, **change})

    assert answer.status_code == 422
    assert {"name", "correlationId", "message", "details"} <= answer.json().keys()


def test_version_3_takes_no_key_and_no_put_but_version_1_takes_the_token(godaddy: httpx.Client) -> None:
    key = {"Authorization": "sso-key simulated-key:simulated-godaddy-secret"}

    assert godaddy.get(RECORDS, headers=key).status_code == 401
    assert godaddy.put(RECORDS, json=[ACME]).status_code == 405
    assert godaddy.get("/v1/domains/yourplatform.com/records/CNAME/acme").json() == []


def test_a_zone_that_is_not_there_is_told_in_version_3s_words(godaddy: httpx.Client) -> None:
    answer = godaddy.get("/v3/domains/zones/elsewhere.com/dns-records")

    assert (answer.status_code, answer.json()["name"]) == (404, "ZONE_NOT_FOUND")
