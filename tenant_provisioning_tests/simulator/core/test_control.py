"""What the control API does to the world, and what the request log says of it."""

import time
from typing import Any

import httpx
import pytest

from tenant_provisioning.simulator.latency import CALLS
from tenant_provisioning.simulator.vendors import VENDORS

GODADDY = {"Authorization": "sso-key simulated-key:simulated-godaddy-secret"}
ACME = "/v1/domains/yourplatform.com/records/CNAME/acme"


def test_a_reset_brings_back_the_world_as_it_was_before_any_tenant(simulator: Any, http: httpx.Client) -> None:
    before = simulator.control("GET", "snapshot")
    http.put(ACME, json=[{"data": "a.example", "ttl": 600}], headers=GODADDY)
    simulator.add_fault("godaddy", "refuse", times="forever")
    simulator.control("PATCH", "knobs/godaddy", {"account_may_use_dns_api": False})
    assert simulator.control("GET", "snapshot") != before

    simulator.control("POST", "reset")

    assert simulator.control("GET", "snapshot") == before
    assert http.get(ACME, headers=GODADDY).json() == []
    assert simulator.control("GET", "faults") == {"faults": []}


def test_seeding_twice_is_seeding_once(simulator: Any, http: httpx.Client) -> None:
    snapshots = []
    for _ in range(2):
        simulator.control("POST", "seed", {"domains": ["second.example"]})
        snapshots.append(simulator.control("GET", "snapshot")["godaddy"])

    assert snapshots[0] == snapshots[1]
    assert "second.example" in snapshots[0]["domains"]


def test_the_log_names_the_call_and_the_caller_and_no_secret(simulator: Any, http: httpx.Client) -> None:
    http.get(ACME, headers=GODADDY)
    http.get("/v9/projects/training-platform", headers={"Authorization": "Bearer simulated-vercel-token"})
    http.get("/v9/nowhere")

    seen = simulator.control("GET", "requests")["requests"]

    assert [(one["vendor"], one["operation"], one["status"], one["identity"]) for one in seen] == [
        ("godaddy", "get_records", 200, "simulated-key"),
        ("vercel", "get_project", 200, "vercel-token"),
        ("vercel", "unknown", 404, ""),
    ]
    assert (seen[0]["method"], seen[0]["path"]) == ("GET", ACME)
    assert not [one for one in seen if "secret" in str(one) or "simulated-vercel-token" in str(one)]
    simulator.control("DELETE", "requests")
    assert simulator.control("GET", "requests") == {"requests": []}


def test_realistic_latency_takes_time_and_its_scale_shortens_it(simulator: Any, http: httpx.Client) -> None:
    http.get(ACME, headers=GODADDY)
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 1})
    began = time.perf_counter()
    http.get(ACME, headers=GODADDY)
    whole = time.perf_counter() - began
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.01})
    began = time.perf_counter()
    http.get(ACME, headers=GODADDY)

    assert whole >= 0.12
    assert time.perf_counter() - began < whole


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("latency", {"profile": "leisurely"}),
        ("latency", {"profile": "realistic", "scale": 0}),
        ("knobs/godaddy", {"colour": "red"}),
        ("seed", {"tenants": []}),
    ],
)
def test_what_the_control_api_does_not_know_it_refuses(simulator: Any, path: str, body: dict[str, Any]) -> None:
    methods = {"latency": "PUT", "knobs/godaddy": "PATCH", "seed": "POST"}

    with pytest.raises(httpx.HTTPStatusError, match="400"):
        simulator.control(methods[path], path, body)


def test_seeded_reports_are_in_the_template_workspace_once(simulator: Any, signed_in: Any) -> None:
    reports = [{"id": f"88888888-8888-4888-8888-{number:012}", "name": f"Report {number}"} for number in range(3)]

    for _ in range(2):
        assert simulator.control("POST", "seed", {"reports": reports}) == {"reports": 3, "domains": 0}

    template = "/v1.0/myorg/groups/44444444-4444-4444-8444-444444444444/reports"
    found = {(report["id"], report["name"]) for report in signed_in("powerbi").get(template).json()["value"]}
    assert found == {(report["id"], report["name"]) for report in reports}


def test_every_line_of_the_latency_table_is_a_call_that_some_vendor_takes(simulator: Any) -> None:
    served = {route.endpoint.__name__ for vendor in VENDORS for route in vendor.routes(simulator.world)}

    assert set(CALLS) <= served
