"""Faults happen to the calls they are meant for, as a client sees them over the wire, and to no others."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.faults import FaultPlan

RECORDS = "/v1/domains/yourplatform.com/records"


@pytest.fixture
def put(http: httpx.Client) -> Callable[[str], httpx.Response]:
    http.headers["Authorization"] = "sso-key simulated-key:simulated-godaddy-secret"

    def call(name: str) -> httpx.Response:
        return http.put(f"{RECORDS}/CNAME/{name}", json=[{"data": "a.example", "ttl": 600}])

    return call


def held(simulator: Any) -> set[str]:
    zone = simulator.control("GET", "snapshot")["godaddy"]["domains"]["yourplatform.com"]
    return {record["name"] for record in zone} - {"@", "www"}


def test_an_error_before_the_effect_leaves_nothing_behind(simulator: Any, put: Any) -> None:
    simulator.add_fault("godaddy", "error_before", operation="put_records", status=504, code="TIMEOUT", message="later")

    answer = put("acme")

    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (504, "TIMEOUT", "later")
    assert held(simulator) == set()
    assert put("acme").status_code == 200


def test_a_lost_response_is_no_answer_but_the_effect_is_there(simulator: Any, put: Any) -> None:
    simulator.add_fault("godaddy", "lost_response", operation="put_records")

    with pytest.raises(httpx.TransportError):
        put("acme")

    assert held(simulator) == {"acme"}
    seen = simulator.control("GET", "requests")["requests"]
    assert [(one["operation"], one["status"], one["fault"]) for one in seen] == [("put_records", 0, "lost_response")]


@pytest.mark.parametrize("kind", ["reset", "hang"])
def test_a_reset_and_a_hang_have_no_effect_and_no_answer(simulator: Any, put: Any, kind: str) -> None:
    simulator.add_fault("godaddy", kind, seconds=0.05)

    with pytest.raises(httpx.TransportError):
        put("acme")

    assert held(simulator) == set()


def test_a_slow_answer_comes(simulator: Any, put: Any) -> None:
    simulator.add_fault("godaddy", "slow", seconds=0.2)
    began = time.perf_counter()

    assert put("acme").status_code == 200
    assert time.perf_counter() - began >= 0.2


def test_a_malformed_body_is_no_json_although_the_status_is_good(simulator: Any, http: httpx.Client) -> None:
    simulator.add_fault("vercel", "malformed", operation="get_config")

    answer = http.get("/v6/domains/a.example/config", headers={"Authorization": "Bearer simulated-vercel-token"})

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()


def test_throttling_is_told_in_each_vendors_own_way(simulator: Any, http: httpx.Client, put: Any) -> None:
    for vendor in ("godaddy", "vercel", "entra"):
        simulator.add_fault(vendor, "throttle", retry_after=7)

    godaddy, vercel = put("acme"), http.get("/v9/projects/training-platform")
    entra = http.get("/11111111-1111-4111-8111-111111111111/discovery/v2.0/keys")

    assert {answer.status_code for answer in (godaddy, vercel, entra)} == {429}
    assert (godaddy.json()["retryAfterSec"], "retry-after" in godaddy.headers) == (7, False)
    assert (vercel.headers["retry-after"], entra.headers["retry-after"]) == ("7", "7")


def test_a_refusal_lasts_until_it_is_taken_back(simulator: Any, put: Any) -> None:
    identifier = simulator.add_fault("godaddy", "refuse", times="forever")

    assert [put("acme").status_code for _ in range(3)] == [403, 403, 403]
    simulator.control("DELETE", f"faults/{identifier}")
    assert put("acme").status_code == 200


def test_a_fault_strikes_only_what_it_matches_from_the_nth_call_on(simulator: Any, put: Any) -> None:
    simulator.add_fault("godaddy", "error_before", match={"name": "globex"}, nth=2, times=2)

    assert [put("acme").status_code for _ in range(3)] == [200, 200, 200]
    assert [put("globex").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert [(fault["met"], fault["struck"]) for fault in simulator.control("GET", "faults")["faults"]] == [(4, 2)]


def test_a_match_is_looked_for_in_the_body_too(simulator: Any, http: httpx.Client) -> None:
    simulator.add_fault("vercel", "refuse", operation="add_domain", match={"name": "acme"}, status=500)
    headers = {"Authorization": "Bearer simulated-vercel-token"}

    statuses = [
        http.post("/v10/projects/training-platform/domains", json={"name": name}, headers=headers).status_code
        for name in ("globex.yourplatform.com", "acme.yourplatform.com")
    ]

    assert statuses == [200, 500]


def test_chance_is_the_same_for_the_same_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = build_world(seed=seed).faults
        faults.add(FaultPlan(vendor="fabric", kind="reset", probability=0.5, times="forever"))
        return [faults.strike("fabric", "any", "") is not None for _ in range(40)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 5 < sum(struck(1)) < 35


def test_a_fault_of_a_vendors_own_kind_waits_for_the_vendor_to_claim_it() -> None:
    faults = build_world().faults
    faults.add(FaultPlan(vendor="powerbi", kind="import_failed", match={"name": "Report 7"}, times="forever"))

    assert not faults.concern("powerbi", "import")
    assert faults.claim("import_failed", "powerbi", "import", "Report 8") is None
    assert faults.claim("import_failed", "powerbi", "import", "Report 7") is not None


def test_a_fault_that_is_not_understood_is_refused(simulator: Any) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        simulator.control("POST", "faults", {"vendor": "godaddy", "kind": "reset", "often": True})
