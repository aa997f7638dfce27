"""The Vercel client: against answers a simulator should not give, then against the simulator."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import stamina

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.vercel import Challenge, DomainConfig, DomainTaken, ProjectDomain, Vercel

PROJECT, HOST = "training-platform", "acme.yourplatform.com"
ATTACHED = {"name": HOST, "apexName": "yourplatform.com", "projectId": "prj_1", "verified": True}


class Project:
    """Answers by method and path, and keeps the requests."""

    def __init__(self, answers: dict[tuple[str, str], httpx.Response]) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers[request.method, request.url.path]


ADD = ("POST", f"/v10/projects/{PROJECT}/domains")
GET = ("GET", f"/v9/projects/{PROJECT}/domains/{HOST}")
VERIFY = ("POST", f"/v9/projects/{PROJECT}/domains/{HOST}/verify")
DELETE = ("DELETE", f"/v9/projects/{PROJECT}/domains/{HOST}")
CONFIG = ("GET", f"/v6/domains/{HOST}/config")


def refused(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": f"message of {code}"}})


def client(project: Project, team_id: str = "") -> Vercel:
    transport = httpx.MockTransport(project)
    return Vercel("https://vercel.test", "token", team_id=team_id, transport=transport)


@pytest.fixture(autouse=True)
def _without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


async def test_a_host_is_added_by_its_name() -> None:
    project = Project({ADD: httpx.Response(200, json=ATTACHED)})
    async with client(project) as vercel:
        assert await vercel.add_domain(PROJECT, HOST) == ProjectDomain(HOST, verified=True)
    assert json.loads(project.requests[0].content) == {"name": HOST}
    assert project.requests[0].headers["Authorization"] == "Bearer token"
    assert project.requests[0].url.query == b""


async def test_a_team_is_named_in_every_call() -> None:
    project = Project(
        {
            ADD: refused(400, "domain_already_exists"),
            GET: httpx.Response(200, json=ATTACHED),
            VERIFY: httpx.Response(200, json=ATTACHED),
            DELETE: httpx.Response(200, json={}),
            CONFIG: httpx.Response(
                200, json={"recommendedCNAME": [{"rank": 1, "value": "x.test"}], "misconfigured": False}
            ),
        }
    )
    async with client(project, team_id="team_1") as vercel:
        await vercel.add_domain(PROJECT, HOST)
        await vercel.verify_domain(PROJECT, HOST)
        await vercel.get_config(PROJECT, HOST)
        await vercel.delete_domain(PROJECT, HOST)
    assert {request.url.params["teamId"] for request in project.requests} == {"team_1"}
    assert len(project.requests) == 5


async def test_a_host_that_is_on_the_project_already_is_taken_as_it_is() -> None:
    project = Project({ADD: refused(400, "domain_already_exists"), GET: httpx.Response(200, json=ATTACHED)})
    async with client(project) as vercel:
        assert await vercel.add_domain(PROJECT, HOST) == ProjectDomain(HOST, verified=True)


@pytest.mark.parametrize(("status", "code"), [(409, "domain_already_in_use"), (403, "forbidden")])
async def test_a_host_of_another_project_or_team_is_taken(status: int, code: str) -> None:
    project = Project({ADD: refused(status, code), GET: refused(404, "not_found")})
    async with client(project) as vercel:
        with pytest.raises(DomainTaken, match=f"{HOST} is not free: message of {code}") as taken:
            await vercel.add_domain(PROJECT, HOST)
    assert (taken.value.status, taken.value.code) == (status, code)


async def test_a_token_without_access_is_not_told_as_a_taken_host() -> None:
    project = Project({ADD: refused(403, "forbidden"), GET: refused(403, "forbidden")})
    async with client(project) as vercel:
        with pytest.raises(VendorRejected) as denied:
            await vercel.add_domain(PROJECT, HOST)
    assert type(denied.value) is VendorRejected


async def test_a_host_that_vercel_does_not_accept_is_rejected_with_its_reason() -> None:
    project = Project({ADD: refused(400, "invalid_domain"), GET: refused(404, "not_found")})
    async with client(project) as vercel:
        with pytest.raises(VendorRejected, match="message of invalid_domain") as invalid:
            await vercel.add_domain(PROJECT, HOST)
    assert type(invalid.value) is VendorRejected


async def test_a_host_that_is_not_on_the_project_is_not_found() -> None:
    async with client(Project({GET: refused(404, "not_found")})) as vercel:
        assert await vercel.find_domain(PROJECT, HOST) is None


async def test_an_unverified_host_shows_what_vercel_waits_for() -> None:
    asked = {"type": "TXT", "domain": "_vercel.yourplatform.com", "value": "vc-domain-verify=x", "reason": "pending"}
    body = {**ATTACHED, "verified": False, "verification": [asked]}
    async with client(Project({GET: httpx.Response(200, json=body)})) as vercel:
        found = await vercel.find_domain(PROJECT, HOST)
    challenge = Challenge("TXT", "_vercel.yourplatform.com", "vc-domain-verify=x")
    assert found == ProjectDomain(HOST, verified=False, challenges=(challenge,))


async def test_the_recommended_target_of_best_rank_comes_without_its_final_dot() -> None:
    targets = [
        {"rank": 2, "value": "cname.vercel-dns.com."},
        {"rank": 1, "value": "D433667938F5B093.vercel-dns-017.com."},
    ]
    body = {"configuredBy": None, "recommendedCNAME": targets, "recommendedIPv4": [], "misconfigured": True}
    project = Project({CONFIG: httpx.Response(200, json=body)})
    async with client(project) as vercel:
        config = await vercel.get_config(PROJECT, HOST)
    assert config == DomainConfig("d433667938f5b093.vercel-dns-017.com", misconfigured=True)
    assert project.requests[0].url.params["projectIdOrName"] == PROJECT


async def test_a_host_without_a_recommended_target_is_rejected() -> None:
    project = Project({CONFIG: httpx.Response(200, json={"recommendedCNAME": [], "misconfigured": True})})
    async with client(project) as vercel:
        with pytest.raises(VendorRejected, match="recommends no CNAME target"):
            await vercel.get_config(PROJECT, HOST)


async def test_a_missing_challenge_is_told_by_the_verification() -> None:
    async with client(Project({VERIFY: refused(400, "missing_txt_record")})) as vercel:
        with pytest.raises(VendorRejected, match="message of missing_txt_record"):
            await vercel.verify_domain(PROJECT, HOST)


async def test_deleting_is_quiet_when_the_host_is_gone() -> None:
    project = Project({DELETE: refused(404, "not_found")})
    async with client(project) as vercel:
        await vercel.delete_domain(PROJECT, HOST)
    assert len(project.requests) == 1


@pytest.mark.parametrize(
    "host", ["", "acme", "acme/../x.com", "acme.yourplatform.com/verify", "ACME.yourplatform.com", "a b.com"]
)
async def test_a_host_that_is_no_host_name_never_leaves_the_house(host: str) -> None:
    project = Project({})
    async with client(project) as vercel:
        for call in (
            vercel.find_domain,
            vercel.add_domain,
            vercel.get_config,
            vercel.verify_domain,
            vercel.delete_domain,
        ):
            with pytest.raises(ValueError, match="not a host name"):
                await call(PROJECT, host)
    assert project.requests == []


async def test_adding_is_repeated_after_a_lost_answer_because_it_cannot_make_two() -> None:
    answers = iter([httpx.ReadTimeout("lost"), refused(400, "domain_already_exists")])

    def lose_the_first(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=ATTACHED)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with Vercel("https://vercel.test", "token", transport=httpx.MockTransport(lose_the_first)) as vercel:
        assert await vercel.add_domain(PROJECT, HOST) == ProjectDomain(HOST, verified=True)


async def test_an_answer_without_what_it_promises_is_unavailable() -> None:
    async with client(Project({GET: httpx.Response(200, json={"name": HOST})})) as vercel:
        with pytest.raises(VendorUnavailable, match="cannot be read"):
            await vercel.find_domain(PROJECT, HOST)


@pytest.fixture
async def vercel(simulator: Any) -> AsyncIterator[Vercel]:
    """The client at the simulator."""
    async with Vercel(simulator.url, "simulated-vercel-token", verify=simulator.trusting) as opened:
        yield opened


async def test_a_host_is_added_once_found_and_gone_again(vercel: Vercel, simulator: Any) -> None:
    assert await vercel.find_domain(PROJECT, HOST) is None
    first, second = await vercel.add_domain(PROJECT, HOST), await vercel.add_domain(PROJECT, HOST)
    assert first == second == await vercel.find_domain(PROJECT, HOST)
    assert simulator.control("GET", "/snapshot")["vercel"]["projects"][PROJECT] == [HOST]
    for _ in range(2):
        await vercel.delete_domain(PROJECT, HOST)
    assert await vercel.find_domain(PROJECT, HOST) is None


async def test_a_host_of_the_accounts_other_project_is_taken(vercel: Vercel) -> None:
    await vercel.add_domain("marketing-site", HOST)
    with pytest.raises(DomainTaken, match="another project"):
        await vercel.add_domain(PROJECT, HOST)


async def test_a_host_of_another_team_is_taken(vercel: Vercel, simulator: Any) -> None:
    simulator.control("PATCH", "/knobs/vercel", {"forbidden": ["yourplatform.com"]})
    with pytest.raises(DomainTaken) as taken:
        await vercel.add_domain(PROJECT, HOST)
    assert taken.value.status == 403


async def test_a_wrong_token_is_a_rejection_and_not_a_taken_host(simulator: Any) -> None:
    async with Vercel(simulator.url, "not-the-token", verify=simulator.trusting) as stranger:
        with pytest.raises(VendorRejected) as denied:
            await stranger.add_domain(PROJECT, HOST)
    assert type(denied.value) is VendorRejected


async def test_each_project_has_a_target_of_its_own(vercel: Vercel) -> None:
    ours, other = await vercel.get_config(PROJECT, HOST), await vercel.get_config("marketing-site", HOST)
    assert ours.cname_target.endswith(".vercel-dns-017.com")
    assert ours.cname_target != other.cname_target
    assert ours.misconfigured


async def test_a_host_in_use_elsewhere_waits_for_its_txt_record(vercel: Vercel, simulator: Any) -> None:
    simulator.control("PATCH", "/knobs/vercel", {"unverified": ["yourplatform.com"]})
    attached = await vercel.add_domain(PROJECT, HOST)
    assert not attached.verified
    assert attached.challenges[0].domain == "_vercel.yourplatform.com"
    with pytest.raises(VendorRejected, match="missing required TXT Record"):
        await vercel.verify_domain(PROJECT, HOST)


async def test_an_add_whose_answer_is_lost_is_repeated_and_makes_one_host(vercel: Vercel, simulator: Any) -> None:
    simulator.fault("vercel", "add_domain", "lost_response")
    assert (await vercel.add_domain(PROJECT, HOST)).name == HOST
    assert simulator.control("GET", "/snapshot")["vercel"]["projects"][PROJECT] == [HOST]
