"""Vercel's project domains: attach, read the target, point DNS at it, detach."""

from typing import Any

import httpx
import pytest

HOST = "acme.yourplatform.com"
ADD = "/v10/projects/training-platform/domains"
DOMAINS = "/v9/projects/training-platform/domains"
CONFIG = f"/v6/domains/{HOST}/config"


@pytest.fixture
def vercel(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = "Bearer simulated-vercel-token"
    return http


def point(client: httpx.Client, kind: str, name: str, data: str) -> None:
    answer = client.put(
        f"/v1/domains/yourplatform.com/records/{kind}/{name}",
        json=[{"data": data, "ttl": 600}],
        headers={"Authorization": "sso-key simulated-key:simulated-godaddy-secret"},
    )
    assert answer.status_code == 200


def test_a_host_is_attached_found_listed_and_detached(vercel: httpx.Client) -> None:
    made = vercel.post(ADD, json={"name": HOST})

    assert made.status_code == 200
    told = made.json()
    assert (told["name"], told["apexName"], told["verified"]) == (HOST, "yourplatform.com", True)
    assert vercel.get(f"{DOMAINS}/{HOST}").json() == told
    assert [domain["name"] for domain in vercel.get(DOMAINS).json()["domains"]] == [HOST]
    assert [vercel.delete(f"{DOMAINS}/{HOST}").status_code for _ in range(2)] == [200, 404]
    assert vercel.get(f"{DOMAINS}/{HOST}").status_code == 404


def test_a_project_is_reached_by_its_id_as_by_its_name(vercel: httpx.Client) -> None:
    project = vercel.get("/v9/projects/training-platform").json()

    vercel.post(f"/v10/projects/{project['id']}/domains", json={"name": HOST})

    assert vercel.get(f"{DOMAINS}/{HOST}").json()["projectId"] == project["id"]


def test_a_host_of_this_project_is_400_of_another_project_409_of_another_team_403(
    vercel: httpx.Client, simulator: Any
) -> None:
    simulator.control("PATCH", "knobs/vercel", {"forbidden": ["theirs.com"]})
    vercel.post(ADD, json={"name": HOST})

    again = vercel.post(ADD, json={"name": HOST.upper()})
    elsewhere = vercel.post("/v10/projects/marketing-site/domains", json={"name": HOST})
    theirs = vercel.post(ADD, json={"name": "acme.theirs.com"})

    assert [answer.status_code for answer in (again, elsewhere, theirs)] == [400, 409, 403]
    assert elsewhere.json()["error"]["code"] == "domain_already_in_use"


def test_the_target_is_the_projects_own_and_dns_has_to_say_it(vercel: httpx.Client) -> None:
    vercel.post(ADD, json={"name": HOST})
    before = vercel.get(CONFIG).json()
    targets = [entry["value"] for entry in sorted(before["recommendedCNAME"], key=lambda entry: entry["rank"])]

    point(vercel, "CNAME", "acme", "your-vercel-app.vercel.app")
    wrong = vercel.get(CONFIG).json()
    point(vercel, "CNAME", "acme", targets[0])
    right = vercel.get(CONFIG).json()

    assert targets[0].endswith(".vercel-dns-017.com.")
    assert (before["misconfigured"], before["configuredBy"]) == (True, None)
    assert (wrong["misconfigured"], right["misconfigured"], right["configuredBy"]) == (True, False, "CNAME")


def test_projects_have_targets_of_their_own(vercel: httpx.Client) -> None:
    names = ("training-platform", "marketing-site")
    configurations = [vercel.get(CONFIG, params={"projectIdOrName": name}).json() for name in names]

    assert len({told["recommendedCNAME"][0]["value"] for told in configurations}) == 2


def test_a_host_in_use_at_another_account_is_verified_by_its_txt_record(vercel: httpx.Client, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/vercel", {"unverified": ["yourplatform.com"]})
    made = vercel.post(ADD, json={"name": HOST}).json()
    challenge = made["verification"][0]

    point(vercel, "TXT", "_vercel", "vc-domain-verify=acme.yourplatform.com,somebody-elses")
    early = vercel.post(f"{DOMAINS}/{HOST}/verify")
    point(vercel, "TXT", challenge["domain"].removesuffix(".yourplatform.com"), challenge["value"])
    verified = vercel.post(f"{DOMAINS}/{HOST}/verify")

    assert (made["verified"], challenge["type"]) == (False, "TXT")
    assert (early.status_code, early.json()["error"]["code"]) == (400, "missing_txt_record")
    assert (verified.status_code, verified.json()["verified"]) == (200, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "missing required property `name`"),
        ({"name": HOST, "domain": HOST}, "should NOT have additional property `domain`"),
        ({"name": "no host"}, "not valid"),
        ({"name": 5}, "`name`"),
    ],
)
def test_a_body_that_is_not_right_is_told_what_is_wrong(vercel: httpx.Client, body: dict[str, Any], words: str) -> None:
    answer = vercel.post(ADD, json=body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_without_the_token_or_for_a_team_nothing_is_allowed(http: httpx.Client) -> None:
    good = {"Authorization": "Bearer simulated-vercel-token"}

    for headers, query in (({}, ""), ({"Authorization": "Bearer wrong"}, ""), (good, "?teamId=team_other")):
        answer = http.get(f"{DOMAINS}{query}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_a_project_that_is_not_there_and_a_wrong_method_get_vercels_errors(vercel: httpx.Client) -> None:
    absent = vercel.post("/v10/projects/nothing/domains", json={"name": HOST})

    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "not_found")
    assert vercel.put(ADD, json={"name": HOST}).json()["error"]["code"] == "method_not_allowed"
    assert vercel.get("/v9/nowhere").json()["error"]["code"] == "not_found"
