"""supabase-py, sync and async, takes a person from being created to signing in, as the platform and as a browser.

What each call does in every case is told in the tests of the simulated Supabase; here it is that the published client
gets through, in both its forms. Not simulated, and refused: the database (`rpc` and tables), storage, functions.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClientOptions, AuthApiError, ClientOptions, acreate_client, create_client

from tenant_provisioning.simulator.world import SUPABASE_ANON_KEY, SUPABASE_JWT_SECRET, SUPABASE_SERVICE_KEY

EMAIL, PASSWORD = "ada@acme.example", "correct horse battery"
ACME = {"organization_id": "9d0f3f60-0000-4000-8000-000000000001"}
ADA = "5f0b6b9e-0000-5000-8000-000000000001"

Connect = Callable[[str], Awaitable[Any]]


@pytest.fixture(params=["sync", "async"])
async def connect(request: pytest.FixtureRequest, simulator: Any, tls: Any) -> AsyncIterator[Connect]:
    """Makes clients for a key, of the one form or the other; `settled` evens out how they answer."""
    async with AsyncExitStack() as stack:
        alone = {"auto_refresh_token": False, "persist_session": False}

        async def client(key: str) -> Any:
            if request.param == "sync":
                http = stack.enter_context(httpx.Client(verify=tls, trust_env=False))
                return create_client(simulator.url, key, ClientOptions(httpx_client=http, **alone))
            async_http = await stack.enter_async_context(httpx.AsyncClient(verify=tls, trust_env=False))
            return await acreate_client(simulator.url, key, AsyncClientOptions(httpx_client=async_http, **alone))

        yield client


async def settled(answer: Any) -> Any:
    """The answer of a call, awaited where the client is the async one."""
    return await answer if inspect.isawaitable(answer) else answer


async def make_ada(admin: Any, **more: Any) -> Any:
    """A confirmed user of Acme whose id we chose."""
    attributes = {"id": ADA, "email": EMAIL, "email_confirm": True, "app_metadata": ACME, **more}
    return (await settled(admin.auth.admin.create_user(attributes))).user


async def test_a_user_is_created_found_changed_and_deleted(connect: Connect) -> None:
    admin = await connect(SUPABASE_SERVICE_KEY)
    users = admin.auth.admin

    made = await make_ada(admin)
    listed = await settled(users.list_users(page=1, per_page=10))
    changed = (await settled(users.update_user_by_id(ADA, {"user_metadata": {"first_name": "Ada"}}))).user
    await settled(users.delete_user(ADA))

    assert (made.id, made.app_metadata["organization_id"]) == (ADA, ACME["organization_id"])
    assert [user.email for user in listed] == [EMAIL]
    assert changed.user_metadata["first_name"] == "Ada"
    with pytest.raises(AuthApiError) as gone:
        await settled(users.get_user_by_id(ADA))
    assert (gone.value.status, gone.value.code) == (404, "user_not_found")


async def test_an_address_in_use_is_refused_with_the_code_of_the_vendor(connect: Connect) -> None:
    admin = await connect(SUPABASE_SERVICE_KEY)
    await make_ada(admin)

    with pytest.raises(AuthApiError) as refused:
        await settled(admin.auth.admin.create_user({"email": EMAIL.upper(), "email_confirm": True}))

    assert (refused.value.status, refused.value.code) == (422, "email_exists")


async def test_an_invitation_leads_to_a_password_and_to_signing_in_with_the_claim(connect: Connect) -> None:
    admin, browser = await connect(SUPABASE_SERVICE_KEY), await connect(SUPABASE_ANON_KEY)
    link = await settled(
        admin.auth.admin.generate_link({"type": "invite", "email": EMAIL, "options": {"data": {"first_name": "Ada"}}})
    )
    await settled(admin.auth.admin.update_user_by_id(link.user.id, {"app_metadata": ACME}))

    verified = await settled(browser.auth.verify_otp({"token_hash": link.properties.hashed_token, "type": "invite"}))
    await settled(browser.auth.update_user({"password": PASSWORD}))
    session = (await settled(browser.auth.sign_in_with_password({"email": EMAIL, "password": PASSWORD}))).session

    claims = jwt.decode(session.access_token, SUPABASE_JWT_SECRET, ["HS256"], audience="authenticated")
    assert verified.user.id == link.user.id == claims["sub"]
    assert claims["app_metadata"]["organization_id"] == ACME["organization_id"]


async def test_a_recovery_link_works_once(connect: Connect) -> None:
    admin, browser = await connect(SUPABASE_SERVICE_KEY), await connect(SUPABASE_ANON_KEY)
    await make_ada(admin)
    link = await settled(admin.auth.admin.generate_link({"type": "recovery", "email": EMAIL}))
    proof = {"token_hash": link.properties.hashed_token, "type": "recovery"}

    assert (await settled(browser.auth.verify_otp(proof))).session

    with pytest.raises(AuthApiError) as used:
        await settled(browser.auth.verify_otp(proof))
    assert (used.value.status, used.value.code) == (403, "otp_expired")


async def test_a_link_can_be_followed_as_the_mail_client_does(connect: Connect, simulator: Any, http: Any) -> None:
    admin = await connect(SUPABASE_SERVICE_KEY)
    await make_ada(admin)
    link = await settled(admin.auth.admin.generate_link({"type": "magiclink", "email": EMAIL}))

    answer = http.get(link.properties.action_link)

    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).fragment)["access_token"]


async def test_a_session_is_refreshed_and_ended(connect: Connect) -> None:
    admin, browser = await connect(SUPABASE_SERVICE_KEY), await connect(SUPABASE_ANON_KEY)
    await make_ada(admin, password=PASSWORD)
    first = (await settled(browser.auth.sign_in_with_password({"email": EMAIL, "password": PASSWORD}))).session

    second = (await settled(browser.auth.refresh_session())).session
    user = (await settled(browser.auth.get_user())).user
    await settled(browser.auth.sign_out())

    assert second.refresh_token != first.refresh_token
    assert user.id == ADA
    with pytest.raises(AuthApiError) as ended:
        await settled(admin.auth.get_user(second.access_token))
    assert (ended.value.status, ended.value.code) == (403, "session_not_found")


async def test_the_anon_key_does_not_administer(connect: Connect) -> None:
    browser = await connect(SUPABASE_ANON_KEY)

    with pytest.raises(AuthApiError) as refused:
        await settled(browser.auth.admin.list_users())

    assert (refused.value.status, refused.value.code) in {(401, "no_authorization"), (403, "not_admin")}


async def test_the_database_is_not_simulated_and_says_so(connect: Connect) -> None:
    admin = await connect(SUPABASE_SERVICE_KEY)

    with pytest.raises(APIError, match="are not simulated") as no_function:
        await settled(admin.rpc("initialize_organization_modules", {"org_id": ADA}).execute())
    with pytest.raises(APIError, match="are not simulated") as no_table:
        await settled(admin.table("organizations").select("*").execute())

    assert (no_function.value.code, no_table.value.code) == ("PGRST202", "PGRST205")
