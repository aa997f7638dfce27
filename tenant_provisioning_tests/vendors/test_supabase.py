"""The Supabase Auth client: against answers a simulator should not give, then against the simulator."""

import json
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import stamina

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.supabase import SupabaseAuth, User

ADA = UUID("aaaaaaaa-1111-5111-8111-111111111111")
EMAIL = "ada@acme.example"
SHOWN = {
    "id": str(ADA),
    "aud": "authenticated",
    "email": EMAIL,
    "app_metadata": {"organization_id": "o1"},
    "user_metadata": {},
    "created_at": "2026-01-01T00:00:00Z",
    "email_confirmed_at": "2026-01-01T00:00:00Z",
}
VERSION = {"x-supabase-api-version": "2024-01-01"}
Answer = httpx.Response | Exception


class Server:
    """Gives the queued answers, the last one again and again, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(server: Server, **changes: Any) -> SupabaseAuth:
    transport = httpx.MockTransport(server)
    return SupabaseAuth("https://supabase.test", "service-key", "anon-key", transport=transport, **changes)


def user(**changes: object) -> httpx.Response:
    return httpx.Response(200, json=SHOWN | changes)


def refused(status: int, code: str, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message}, headers=VERSION | headers)


@pytest.fixture(autouse=True)
def _without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


async def test_a_user_is_made_with_our_id_and_without_a_password_or_a_mail() -> None:
    server = Server(user())
    async with client(server) as auth:
        made = await auth.create_user(
            ADA, EMAIL, app_metadata={"organization_id": "o1"}, user_metadata={"first": "Ada"}
        )
    [request] = server.requests
    assert (request.method, request.url.path) == ("POST", "/auth/v1/admin/users")
    assert request.headers["Authorization"] == "Bearer service-key"
    assert json.loads(request.content) == {
        "id": str(ADA),
        "email": EMAIL,
        "email_confirm": True,
        "app_metadata": {"organization_id": "o1"},
        "user_metadata": {"first": "Ada"},
    }
    assert (made.id, made.app_metadata, made.is_confirmed, made.banned_until) == (
        ADA,
        {"organization_id": "o1"},
        True,
        None,
    )


@pytest.mark.parametrize(
    "answer",
    [
        refused(422, "email_exists"),
        httpx.Response(422, json={"code": 422, "error_code": "email_exists", "msg": "no"}),
    ],
    ids=["api version 2024-01-01", "before it"],
)
async def test_a_taken_address_is_rejected_with_the_vendors_code(answer: httpx.Response) -> None:
    async with client(Server(answer)) as auth:
        with pytest.raises(VendorRejected) as rejected:
            await auth.create_user(ADA, EMAIL, app_metadata={})
    assert (rejected.value.status, rejected.value.code) == (422, "email_exists")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("lost"),
        httpx.ReadError("reset"),
        refused(500, "unexpected_failure"),
        httpx.Response(503, text="<html>"),
    ],
    ids=["timeout", "reset", "500", "503 without JSON"],
)
async def test_a_create_whose_outcome_is_unknown_is_not_repeated_but_a_read_is(answer: Answer) -> None:
    creating, reading = Server(answer, user()), Server(answer, user())
    async with client(creating) as auth:
        with pytest.raises(VendorUnavailable):
            await auth.create_user(ADA, EMAIL, app_metadata={})
    async with client(reading) as auth:
        assert await auth.find_user_by_id(ADA) is not None
    assert (len(creating.requests), len(reading.requests)) == (1, 2)


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), refused(429, "over_request_rate_limit")])
async def test_a_create_that_certainly_did_nothing_is_repeated(answer: Answer) -> None:
    server = Server(answer, user())
    async with client(server) as auth:
        assert (await auth.create_user(ADA, EMAIL, app_metadata={})).id == ADA
    assert len(server.requests) == 2


async def test_attempts_are_bounded_and_the_vendors_pause_is_told() -> None:
    server = Server(refused(429, "over_request_rate_limit", **{"Retry-After": "7"}))
    async with client(server) as auth:
        with pytest.raises(VendorUnavailable, match="over_request_rate_limit") as throttled:
            await auth.ban_user(ADA)
    assert throttled.value.retry_after == 7
    assert len(server.requests) == 3


async def test_a_pause_beyond_our_patience_is_left_to_whoever_runs_the_step_again() -> None:
    server = Server(refused(429, "over_request_rate_limit", **{"Retry-After": "3600"}))
    async with client(server, patience=60) as auth:
        with pytest.raises(VendorUnavailable):
            await auth.ban_user(ADA)
    assert len(server.requests) == 1


async def test_a_weak_password_is_a_rejection() -> None:
    body = {"code": "weak_password", "message": "Too short", "weak_password": {"reasons": ["length"]}}
    async with client(Server(httpx.Response(422, json=body, headers=VERSION))) as auth:
        with pytest.raises(VendorRejected, match="Too short") as weak:
            await auth.update_user(ADA, user_metadata={})
    assert weak.value.code == "weak_password"


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"id": 1}'])
async def test_a_success_that_cannot_be_read_is_unavailable_and_not_an_absent_user(text: str) -> None:
    async with client(Server(httpx.Response(200, text=text))) as auth:
        for find in (auth.find_user_by_id(ADA), auth.find_user_by_email(EMAIL)):
            with pytest.raises(VendorUnavailable, match="cannot be read"):
                await find


async def test_no_address_is_in_an_error_or_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = Server(refused(400, "email_address_invalid", f'Email address "{EMAIL}" is invalid'))
    async with client(server) as auth:
        for call in (auth.create_user(ADA, EMAIL, app_metadata={}), auth.find_user_by_email(EMAIL)):
            with pytest.raises(VendorRejected, match="is invalid") as rejected:
                await call
            assert "ada" not in "".join(traceback.format_exception(rejected.value))
    assert "ada" not in caplog.text


async def test_no_address_token_or_link_is_in_the_text_of_a_record() -> None:
    link = SHOWN | {
        "action_link": "https://x/verify?token=tok",
        "email_otp": "123456",
        "hashed_token": "tok",
        "verification_type": "magiclink",
        "redirect_to": "",
    }
    async with client(Server(httpx.Response(200, json=link))) as auth:
        told = f"{await auth.generate_link('magiclink', EMAIL)} {await auth.find_user_by_id(ADA)}"
    assert not any(secret in told for secret in ("tok", "123456", "ada@"))


def page(*emails: str) -> httpx.Response:
    return httpx.Response(200, json={"users": [SHOWN | {"email": email} for email in emails]})


async def test_an_address_is_looked_for_on_the_server_and_matched_exactly() -> None:
    server = Server(page("bada@acme.example", "Ada@acme.example"))
    async with client(server) as auth:
        found = await auth.find_user_by_email(" ADA@acme.example")
    assert found is not None
    assert found.email == EMAIL
    assert server.requests[0].url.params["filter"] == EMAIL


async def test_a_part_of_an_address_is_not_the_user() -> None:
    async with client(Server(page("bada@acme.example"))) as auth:
        assert await auth.find_user_by_email(EMAIL) is None


async def test_the_search_goes_on_over_full_pages() -> None:
    server = Server(page(*(f"x{number}ada@acme.example" for number in range(50))), page(EMAIL))
    async with client(server) as auth:
        assert await auth.find_user_by_email(EMAIL) is not None
    assert [request.url.params["page"] for request in server.requests] == ["1", "2"]


async def test_a_server_that_does_not_filter_ends_the_search_with_a_reason() -> None:
    server = Server(page(*(f"x{number}@acme.example" for number in range(50))))
    async with client(server) as auth:
        with pytest.raises(VendorRejected, match="does not seem to filter"):
            await auth.find_user_by_email(EMAIL)
    assert len(server.requests) == 200


async def test_deleting_is_quiet_when_the_user_is_gone_and_only_then() -> None:
    async with client(Server(refused(404, "user_not_found"))) as auth:
        await auth.delete_user(ADA)
    async with client(Server(refused(403, "not_admin"))) as auth:
        with pytest.raises(VendorRejected, match="not_admin"):
            await auth.delete_user(ADA)


async def test_following_a_link_uses_the_anon_key_and_leaves_the_service_role_to_the_rest() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiYXBwX21ldGFkYXRhIjp7Im9yZ2FuaXphdGlvbl9pZCI6Im8xIn19.c2ln"
    session = {"access_token": token, "refresh_token": "r", "expires_in": 3600, "token_type": "bearer", "user": SHOWN}
    server = Server(httpx.Response(200, json=session), user())
    async with client(server) as auth:
        signed_in = await auth.verify_link("hash", "magiclink")
        await auth.find_user_by_id(ADA)
    verify, find = server.requests
    assert (verify.url.path, verify.headers["Authorization"]) == ("/auth/v1/verify", "Bearer anon-key")
    sent = json.loads(verify.content)
    assert (sent["type"], sent["token_hash"]) == ("magiclink", "hash")
    assert signed_in.claims["app_metadata"] == {"organization_id": "o1"}
    assert find.headers["Authorization"] == "Bearer service-key"


async def test_a_link_is_never_followed_twice_by_itself() -> None:
    server = Server(httpx.ReadTimeout("lost"))
    async with client(server) as auth:
        with pytest.raises(VendorUnavailable, match="no answer"):
            await auth.verify_link("hash")
    assert len(server.requests) == 1


async def test_a_redirect_takes_our_keys_nowhere() -> None:
    server = Server(httpx.Response(302, headers={"Location": "https://elsewhere.test/auth/v1/admin/users"}))
    async with client(server) as auth:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: auth.find_user_by_id(ADA),
            lambda: auth.find_user_by_email(EMAIL),
        ]
        for call in calls:
            with pytest.raises(VendorRejected):
                await call()
    assert {request.url.host for request in server.requests} == {"supabase.test"}


def test_opening_the_client_does_not_load_the_slow_library() -> None:
    code = """
import asyncio, sys
from tenant_provisioning.vendors.supabase import SupabaseAuth

async def main() -> None:
    async with SupabaseAuth("https://supabase.test", "service-key", "anon-key"):
        sys.exit("supabase_auth" in sys.modules)

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
async def auth(simulator: Any) -> AsyncIterator[SupabaseAuth]:
    """The client at the simulator."""
    service, anon = "simulated-service-role-key", "simulated-anon-key"
    async with SupabaseAuth(simulator.url, service, anon, verify=simulator.trusting) as opened:
        yield opened


async def make_ada(auth: SupabaseAuth) -> User:
    return await auth.create_user(ADA, EMAIL, app_metadata={"organization_id": "o1"}, user_metadata={"first": "Ada"})


async def test_a_new_user_is_found_by_id_and_by_address(auth: SupabaseAuth) -> None:
    assert await auth.find_user_by_id(ADA) is None
    assert await auth.find_user_by_email(EMAIL) is None
    made = await make_ada(auth)
    assert made == await auth.find_user_by_id(ADA) == await auth.find_user_by_email("Ada@ACME.example")


async def test_the_same_address_twice_is_rejected_and_the_same_id_twice_is_unavailable(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    with pytest.raises(VendorRejected, match="email_exists"):
        await auth.create_user(UUID(int=1), EMAIL, app_metadata={})
    with pytest.raises(VendorUnavailable, match="creating new user"):
        await auth.create_user(ADA, "other@acme.example", app_metadata={})


async def test_a_user_whose_creation_was_not_answered_is_there_to_be_found(auth: SupabaseAuth, simulator: Any) -> None:
    simulator.fault("supabase", "create_user", "lost_response")
    with pytest.raises(VendorUnavailable):
        await make_ada(auth)
    found = await auth.find_user_by_id(ADA)
    assert found is not None
    assert found.app_metadata["organization_id"] == "o1"
    assert [seen["operation"] for seen in simulator.requests()].count("create_user") == 1


async def test_an_update_merges_metadata_key_by_key(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    changed = await auth.update_user(ADA, user_metadata={"last": "Lovelace", "first": None}, email="Ada@new.example")
    assert (changed.email, changed.user_metadata.get("last")) == ("ada@new.example", "Lovelace")
    assert "first" not in changed.user_metadata
    assert changed.app_metadata["organization_id"] == "o1"


async def test_a_user_who_is_not_there_cannot_be_updated(auth: SupabaseAuth) -> None:
    with pytest.raises(VendorRejected, match="user_not_found"):
        await auth.update_user(ADA, user_metadata={"first": "Ada"})


async def test_a_link_signs_the_user_in_once_and_the_token_says_whose_organization_it_is(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    link = await auth.generate_link("magiclink", EMAIL, redirect_to="https://acme.yourplatform.com/welcome")
    assert (link.user_id, link.kind, link.redirect_to) == (ADA, "magiclink", "https://acme.yourplatform.com/welcome")
    session = await auth.verify_link(link.hashed_token)
    assert (session.user_id, session.claims["sub"], session.claims["role"]) == (ADA, str(ADA), "authenticated")
    assert session.claims["app_metadata"]["organization_id"] == "o1"
    with pytest.raises(VendorRejected, match="otp_expired"):
        await auth.verify_link(link.hashed_token)


async def test_a_recovery_link_works_for_a_known_address_only(auth: SupabaseAuth) -> None:
    with pytest.raises(VendorRejected, match="user_not_found"):
        await auth.generate_link("recovery", EMAIL)
    await make_ada(auth)
    link = await auth.generate_link("recovery", EMAIL)
    assert (await auth.verify_link(link.hashed_token, link.kind)).user_id == ADA


async def test_a_newer_link_ends_the_older_one_even_of_the_other_kind(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    older = await auth.generate_link("recovery", EMAIL)
    await auth.generate_link("magiclink", EMAIL)
    with pytest.raises(VendorRejected, match="otp_expired"):
        await auth.verify_link(older.hashed_token, older.kind)


async def test_a_banned_user_cannot_sign_in_until_the_ban_is_lifted(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    banned = await auth.ban_user(ADA)
    assert banned.banned_until is not None
    assert banned.banned_until.year > 2100
    link = await auth.generate_link("magiclink", EMAIL)
    with pytest.raises(VendorRejected):
        await auth.verify_link(link.hashed_token)
    assert (await auth.unban_user(ADA)).banned_until is None
    link = await auth.generate_link("magiclink", EMAIL)
    assert (await auth.verify_link(link.hashed_token)).user_id == ADA


async def test_an_ended_session_may_be_ended_again(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    session = await auth.verify_link((await auth.generate_link("magiclink", EMAIL)).hashed_token)
    for _ in range(2):
        await auth.end_session(session)


async def test_a_deleted_user_is_gone_and_may_be_deleted_again(auth: SupabaseAuth) -> None:
    await make_ada(auth)
    for _ in range(2):
        await auth.delete_user(ADA)
    assert await auth.find_user_by_id(ADA) is None
    assert await auth.find_user_by_email(EMAIL) is None
