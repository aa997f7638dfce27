"""An organization's page as a super admin sees it, what a person can do there, and that it follows what happens."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal import guards
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import audit, organizations, portal_sessions, progress, requests
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.people import ADA, KIM, SAM
from tenant_provisioning_tests.portal.conftest import Browse

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def platform_url(new_database: Callable[[], str]) -> str:
    """One database for the module; each test has an organization of its own."""
    return new_database()


@pytest.fixture
async def failed(onboard: Callable[..., Any], platform_db: Database) -> Organization:
    """An organization, two of whose steps have failed."""
    organization: Organization = await onboard(f"failed-{next(NUMBERS)}")
    await organizations.claim(platform_db, organization.id, "run-1", actor="run run-1")
    for step, can_help in (("dns_record", True), ("reports/pipeline", False)):
        await progress.start_step(platform_db, organization.id, step, run_id="run-1")
        await progress.fail_step(
            platform_db, organization.id, step, f"{step} <b>said</b> no", a_rerun_can_help=can_help
        )
    await organizations.move(platform_db, organization.id, Status.FAILED, actor="test", reason="two steps failed")
    await organizations.release(platform_db, organization.id, "run-1")
    return organization


def path_of(organization: Organization, *more: str) -> str:
    return "/".join(["/organizations", str(organization.id), *more])


async def test_it_names_what_failed_why_and_whether_a_retry_helps(browse: Browse, failed: Organization) -> None:
    page = (await (await browse(SAM)).get(path_of(failed))).text

    assert "dns_record &lt;b&gt;said&lt;/b&gt; no" in page
    assert "<b>said" not in page
    assert "A retry can help" in page
    assert "A retry alone will not help" in page
    assert page.count("Retry just this") == 2


async def test_retry_just_this_writes_an_attempt_at_that_step_in_the_persons_name(
    browse: Browse, failed: Organization, platform_db: Database
) -> None:
    page = await (await browse(KIM)).submit(path_of(failed, "retry"), {"step": "dns_record"})

    assert "Attempt 2 begins within seconds, at this part alone." in page.text
    work = next(each for each in await requests.list_work(platform_db) if each.organization_id == failed.id)
    assert (work.attempt, work.selection) == (2, ("dns_record",))
    entry = (await audit.list_audit(platform_db, failed.id))[-2]
    assert (entry.actor, entry.action) == (KIM.email, "attempt_requested")


async def test_of_two_admins_who_retry_at_once_one_is_told_that_it_is_done(
    browse: Browse, failed: Organization, platform_db: Database
) -> None:
    sam, kim = await browse(SAM), await browse(KIM)
    await sam.get(path_of(failed))
    await kim.get(path_of(failed))

    pages = await asyncio.gather(sam.submit(path_of(failed, "retry")), kim.submit(path_of(failed, "retry")))

    told = sorted(
        re.findall(r'<p class="flash (\w+)">(Attempt|[^<]* is provisioning)', "".join(each.text for each in pages))
    )
    assert [kind for kind, _ in told] == ["bad", "good"]
    assert (
        next(each.attempt for each in await requests.list_work(platform_db) if each.organization_id == failed.id) == 2
    )


async def test_a_step_that_there_is_not_is_refused(browse: Browse, failed: Organization) -> None:
    assert (await (await browse(SAM)).post(path_of(failed, "retry"), {"step": "drop table"})).status_code == 400


async def test_rolling_back_asks_for_the_organizations_name(
    browse: Browse, failed: Organization, platform_db: Database
) -> None:
    sam = await browse(SAM)
    refused = await sam.submit(path_of(failed, "rollback"), {"name": "something else"})
    assert "Nothing was done: to confirm, type the name" in refused.text
    assert (await organizations.get_organization(platform_db, failed.id)).status is Status.FAILED

    done = await sam.submit(path_of(failed, "rollback"), {"name": failed.name})

    assert "begins within seconds" in done.text
    assert (await organizations.get_organization(platform_db, failed.id)).status is Status.ROLLING_BACK
    entry = next(each for each in await audit.list_audit(platform_db, failed.id) if each.action == "rollback_requested")
    assert entry.actor == SAM.email


async def test_an_organization_that_there_is_not_is_not_found(browse: Browse) -> None:
    assert (await (await browse(SAM)).get(f"/organizations/{ADA.user_id}")).status_code == 404


@asynccontextmanager
async def stream(portal: Starlette, settings: Settings, token: str, path: str) -> AsyncIterator[Callable[[], Any]]:
    """The events of a page, one by one, as a browser receives them; the status first."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    gone = asyncio.Event()
    cookie = f"{guards.COOKIE}={guards.signed_cookie(settings, {'token': token})}".encode()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8400),
        "headers": [(b"host", b"127.0.0.1:8400"), (b"cookie", cookie), (b"accept", b"text/event-stream")],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await received.put(message["status"] if message["type"] == "http.response.start" else message["body"].decode())

    async def follow() -> Any:
        async with asyncio.timeout(20):
            return await received.get()

    task = asyncio.create_task(portal(scope, receive, send))  # type: ignore[arg-type]
    try:
        yield follow
    finally:
        gone.set()
        await task


async def until(follow: Callable[[], Any], text: str) -> str:
    """The first event that holds the text."""
    async with asyncio.timeout(20):
        while text not in (event := await follow()):
            pass
    return str(event)


async def test_the_page_follows_what_the_database_announces_and_ends_with_the_session(
    portal: Starlette, portal_settings: Settings, failed: Organization, platform_db: Database
) -> None:
    token = await portal_sessions.begin_session(platform_db, SAM.user_id, SAM.email)
    async with stream(portal, portal_settings, token, path_of(failed, "events")) as follow:
        assert await follow() == 200
        assert "retry:" in await follow()
        first = await until(follow, "data: ")
        assert 'id="live-failures"' in first
        assert all(line.startswith("data: ") for line in first.strip().splitlines())

        await progress.start_step(platform_db, failed.id, "hosting_domain", run_id="run-2")
        await until(follow, "now: Host attached to the web app")

        await portal_sessions.end_session(platform_db, token)
        await progress.finish_step(platform_db, failed.id, "hosting_domain")
        async with asyncio.timeout(20):
            while await follow():  # the empty last part of an answer
                pass


async def test_a_stream_is_refused_to_who_is_not_signed_in(
    portal: Starlette, portal_settings: Settings, failed: Organization
) -> None:
    async with stream(portal, portal_settings, "nothing", path_of(failed, "events")) as follow:
        assert await follow() == 401


async def test_after_the_listening_connection_is_lost_the_page_hears_again(
    portal: Starlette, portal_settings: Settings, failed: Organization, platform_db: Database
) -> None:
    token = await portal_sessions.begin_session(platform_db, SAM.user_id, SAM.email)
    async with stream(portal, portal_settings, token, path_of(failed, "events")) as follow:
        await until(follow_text(follow), "data: ")
        async with platform_db.connection() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where query ilike 'listen%%' and datname = current_database()"
            )
        await progress.start_step(platform_db, failed.id, "super_users", run_id="run-2")
        await until(follow_text(follow), "now: Super users")


def follow_text(follow: Callable[[], Any]) -> Callable[[], Any]:
    async def text() -> str:
        return str(await follow())

    return text
