"""Who gets where: every page and every action as a super admin, as a tenant's super user, and signed out."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.routing import Route

from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal import guards
from tenant_provisioning.portal.app import ROUTES
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.people import ADA, SAM
from tenant_provisioning_tests.portal.conftest import Browse, Browser

PUBLIC = {"sign_in", "sign_in_link", "sign_out"}
CALLS = [(method, route) for route in ROUTES for method in sorted((route.methods or set()) - {"HEAD"})]
GUARDED = [(method, route) for method, route in CALLS if route.path not in {"/sign-in", "/sign-in/link", "/sign-out"}]


def named(call: Any) -> str:
    return f"{call[0]} {call[1].path}"


def path_of(route: Route, organization: UUID, draft: UUID) -> str:
    """The route's path with something that exists in it, where the test has it."""
    values = {
        "organization_id": str(organization),
        "draft_id": str(draft),
        "step": "basics",
        "key": "none",
        "request_id": str(uuid4()),
    }
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], route.path)


async def call(browser: Browser, method: str, path: str) -> httpx.Response:
    # a stream would not end: that it was let through is all that is asked
    if path.endswith("/events"):
        async with browser.http.stream(method, path) as answer:
            return answer
    return await (browser.get(path) if method == "GET" else browser.post(path, {}))


@pytest.mark.parametrize("somebody", [None, ADA], ids=["signed out", "a tenant's super user"])
async def test_nobody_but_a_super_admin_gets_to_any_page_or_action(
    browse: Browse, acme: Organization, platform_db: Database, somebody: Any
) -> None:
    browser = await browse()
    if somebody is not None:
        # signed in at the platform, and so with a cookie of its own making: no session of the portal
        browser.http.cookies.set(guards.COOKIE, "eyJ0b2tlbiI6ICJzdHJhbmdlciJ9.aaaa.bbbb")
    answers = {named(each): await call(browser, each[0], path_of(each[1], acme.id, uuid4())) for each in GUARDED}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code not in (303, 401)} == {}
    sent_to = {answer.headers.get("location", "").partition("?")[0] for answer in answers.values()} - {""}
    assert sent_to == {"/sign-in"}
    async with platform_db.connection() as connection:
        rows = await (await connection.execute("select deployment_status from organizations")).fetchall()
    assert rows == [{"deployment_status": "requested"}]


@pytest.mark.parametrize(
    "each", [each for each in GUARDED if each[0] == "GET" and "events" not in each[1].path], ids=named
)
async def test_a_super_admin_gets_to_every_page(browse: Browse, acme: Organization, each: Any) -> None:
    browser = await browse(SAM)
    draft = UUID((await browser.post("/organizations/new")).headers["location"].split("/")[3])

    answer = await browser.get(path_of(each[1], acme.id, draft))

    assert answer.status_code == (404 if "{key}" in each[1].path else 200), answer.text[:500]


async def test_every_page_marks_where_it_is_in_the_navigation(browse: Browse, acme: Organization) -> None:
    browser = await browse(SAM)
    places = {
        "/organizations": "Organizations",
        f"/organizations/{acme.id}": "Organizations",
        f"/organizations/{acme.id}/qa": "Organizations",
        "/organizations/new": "Organizations",
        "/deployments": "Deployments",
        "/catalog": "Catalog",
        "/timeline": "Timeline",
    }
    marked = {}
    for path in places:
        found = re.findall(r'aria-current="page">([^<]+)</a>', (await browser.get(path)).text)
        marked[path] = found[0] if found else ""

    assert marked == places


@pytest.mark.parametrize("token", ["", "made up"])
async def test_no_action_is_done_for_a_form_without_the_sessions_token(
    browse: Browse, acme: Organization, platform_db: Database, token: str
) -> None:
    browser = await browse(SAM)
    await browser.get("/organizations")
    answers = {}
    for method, route in CALLS:
        if method == "POST":
            answers[route.path] = await browser.http.post(path_of(route, acme.id, uuid4()), data={"csrf": token})

    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 403} == {}
    async with platform_db.connection() as connection:
        rows = await (await connection.execute("select count(*) as number from onboarding_drafts")).fetchone()
    assert rows == {"number": 0}


async def test_a_token_is_good_for_its_own_session_alone(browse: Browse) -> None:
    browser, other = await browse(SAM), await browse(SAM)
    await other.get("/organizations")
    await browser.get("/organizations")

    assert (await browser.post("/organizations/new", {"csrf": other.csrf})).status_code == 403


async def test_a_form_from_another_site_is_refused_whatever_it_carries(browse: Browse) -> None:
    browser = await browse(SAM)
    answer = await browser.post("/organizations/new", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403


async def test_a_form_that_is_larger_than_any_of_ours_is_refused(browse: Browse) -> None:
    answer = await (await browse(SAM)).post("/organizations/new", {"x": "y" * 300_000})

    assert answer.status_code == 413


async def test_a_cookie_that_was_changed_signs_nobody_in(browse: Browse) -> None:
    browser = await browse(SAM)
    cookie = browser.http.cookies[guards.COOKIE]
    browser.http.cookies.set(guards.COOKIE, cookie[:-3] + ("abc" if not cookie.endswith("abc") else "xyz"))

    assert (await browser.get("/organizations")).status_code == 303


async def test_who_is_not_signed_in_comes_back_to_the_page_they_wanted(browse: Browse) -> None:
    answer = await (await browse()).get("/organizations?status=failed")

    assert answer.headers["location"] == "/sign-in?next=%2Forganizations%3Fstatus%3Dfailed"


@pytest.mark.parametrize("path", ["/sign-in", "/organizations", "/nothing/here", "/static/style.css"])
async def test_every_answer_carries_the_headers_that_bind_a_browser(browse: Browse, path: str) -> None:
    headers = (await (await browse(SAM)).get(path)).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert ("no-store" in headers["cache-control"]) == (not path.startswith("/static"))


async def test_the_cookie_is_for_the_server_and_this_site_alone(browse: Browse) -> None:
    cookie = (await (await browse()).get("/sign-in")).headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_another_host_name_is_not_answered(browse: Browse) -> None:
    answer = await (await browse(SAM)).get("/organizations", headers={"host": "evil.example"})

    assert answer.status_code == 400


async def test_an_error_of_ours_is_a_page_in_words_that_tells_nothing_else(
    browse: Browse, platform_db: Database
) -> None:
    browser = await browse(SAM)
    async with platform_db.connection() as connection:
        await connection.execute("alter table organizations rename to gone")
    answer = await browser.get("/organizations")

    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "gone" not in answer.text
    assert "content-security-policy" in answer.headers
