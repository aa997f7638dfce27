"""Who may sign in: the test login, and the door that is closed while an organization is suspended."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tenant_provisioning.model.errors import LifecycleError, ProvisioningError, VendorRejected, VendorUnavailable
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.steps import access, letters, super_users
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import access_requests, audit, organizations, outbox, users, vendor_incidents
from tenant_provisioning.store.access_requests import AccessRequest, Wish
from tenant_provisioning.vendors.supabase import User

NUMBERS = itertools.count(1)
OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]


@pytest.fixture
async def ctx(onboard: Callable[..., Any], open_ctx: OpenCtx, world: Any) -> AsyncIterator[StepContext]:
    """The context of an organization in QA with two super users."""
    organization = await onboard(f"door-{next(NUMBERS)}")
    async with open_ctx(organization.subdomain) as context:
        await organizations.claim(context.db, organization.id, "run-1", actor="test")
        await super_users.ensure(context)
        await organizations.move(context.db, organization.id, Status.PENDING_QA, actor="test")
    async with open_ctx(organization.subdomain) as context:
        yield context


async def moved(ctx: StepContext, *path: Status) -> StepContext:
    """The context as a command opens it once the organization has got there."""
    for status in path:
        await organizations.move(ctx.db, ctx.organization.id, status, actor="test")
    return replace(ctx, organization=await organizations.get_organization(ctx.db, ctx.organization.id))


async def user(ctx: StepContext, number: int = 0) -> User:
    found = await ctx.vendors.supabase.find_user_by_email(ctx.form.super_users[number].email)
    assert found is not None
    return found


async def can_sign_in(ctx: StepContext, number: int) -> bool:
    """Whether a link lets this super user in."""
    link = await ctx.vendors.supabase.generate_link("recovery", ctx.form.super_users[number].email)
    try:
        await ctx.vendors.supabase.verify_link(link.hashed_token, "recovery")
    except VendorRejected as refusal:
        if refusal.code != "user_banned":
            raise
        return False
    return True


async def actions(ctx: StepContext, action: str) -> list[audit.AuditEntry]:
    return [each for each in await audit.list_audit(ctx.db, ctx.organization.id) if each.action == action]


@pytest.mark.parametrize("number", [0, 1])
async def test_a_test_login_signs_in_once_as_the_chosen_super_user(ctx: StepContext, world: Any, number: int) -> None:
    person = ctx.form.super_users[number]

    link = await access.sign_in_link(ctx, email=person.email.upper() if number else None, actor="quinn")

    assert link.user_id == (await user(ctx, number)).id
    followed = world.client.get(link.action_link).headers["location"]
    assert followed.startswith(f"https://{ctx.host}/#access_token=")
    assert "error" in world.client.get(link.action_link).headers["location"]


async def test_a_test_login_is_audited_without_the_address(ctx: StepContext) -> None:
    await access.sign_in_link(ctx, email=None, actor="quinn")

    (entry,) = await actions(ctx, "test_login")
    assert (entry.actor, entry.details) == ("quinn", {"user": str((await user(ctx)).id)})
    assert "@" not in str(entry)


async def test_a_test_login_for_somebody_else_makes_no_user(ctx: StepContext, world: Any) -> None:
    before = len(world.snapshot()["supabase"]["users"])

    with pytest.raises(ProvisioningError, match="nobody of"):
        await access.sign_in_link(ctx, email="stranger@elsewhere.example", actor="quinn")
    await ctx.vendors.supabase.delete_user((await user(ctx)).id)
    with pytest.raises(ProvisioningError, match="is gone"):
        await access.sign_in_link(ctx, email=None, actor="quinn")

    assert len(world.snapshot()["supabase"]["users"]) == before - 1
    assert await actions(ctx, "test_login") == []


async def test_a_test_login_does_not_void_a_link_that_was_mailed(ctx: StepContext) -> None:
    ada = ctx.form.super_users[0].email
    live = await moved(ctx, Status.ACTIVE)
    letter = letters.platform_ready("P", "O", "Ada", live.host)
    await outbox.queue_mail(
        live.db, live.organization.id, kind=letter.kind, recipient=ada, subject="s", text="t", html="h"
    )

    with pytest.raises(LifecycleError, match="has not used it yet"):
        await access.sign_in_link(live, email=ada, actor="quinn")
    await access.sign_in_link(live, email=ctx.form.super_users[1].email, actor="quinn")


async def test_a_test_login_needs_an_organization_in_qa_or_live(ctx: StepContext) -> None:
    suspended = await moved(ctx, Status.ACTIVE, Status.SUSPENDED)

    with pytest.raises(LifecycleError, match="is suspended"):
        await access.sign_in_link(suspended, email=None, actor="quinn")


async def test_a_suspended_organizations_users_cannot_sign_in_until_it_is_resumed(ctx: StepContext) -> None:
    live = await moved(ctx, Status.ACTIVE)

    assert await access.suspend(live, actor="quinn", reason="unpaid") == 2
    suspended = await moved(ctx)
    shut = [await can_sign_in(ctx, number) for number in (0, 1)]
    assert await access.resume(suspended, actor="quinn") == 2
    resumed = await moved(ctx)

    assert (suspended.organization.status, suspended.organization.status_reason) == (Status.SUSPENDED, "unpaid")
    assert shut == [False, False]
    assert resumed.organization.status is Status.ACTIVE
    assert [await can_sign_in(ctx, number) for number in (0, 1)] == [True, True]
    story = [(each.actor, each.to_status, each.reason) for each in (await actions(ctx, "moved"))[-2:]]
    assert story == [("quinn", Status.SUSPENDED, "unpaid"), ("quinn", Status.ACTIVE, "resumed")]


async def test_the_subscription_follows(ctx: StepContext) -> None:
    states = []
    for status in (Status.ACTIVE, Status.SUSPENDED, Status.ACTIVE):
        await moved(ctx, status)
        async with ctx.db.connection() as connection:
            rows = await connection.execute(
                "select status from subscriptions where organization_id = %s", (ctx.organization.id,)
            )
            states += [row["status"] async for row in rows]

    assert states == ["active", "suspended", "active"]


async def test_a_suspension_that_broke_off_is_finished_by_the_same_command(ctx: StepContext, world: Any) -> None:
    live = await moved(ctx, Status.ACTIVE)
    world.fault("supabase.update_user", "error_before", status=503, match={"name": str((await user(ctx, 1)).id)})
    with pytest.raises(VendorUnavailable):
        await access.suspend(live, actor="quinn", reason="unpaid")
    half = await moved(ctx)

    await access.suspend(half, actor="quinn", reason="unpaid")

    assert half.organization.status is Status.SUSPENDED
    assert [await can_sign_in(ctx, number) for number in (0, 1)] == [False, False]
    assert len([each for each in await actions(ctx, "moved") if each.to_status is Status.SUSPENDED]) == 1


@pytest.mark.parametrize("number", [1])
async def test_a_user_who_has_become_another_organizations_is_left_alone(ctx: StepContext, number: int) -> None:
    other = {"organization_id": "00000000-0000-4000-8000-000000000000"}
    await ctx.vendors.supabase.update_user((await user(ctx, number)).id, app_metadata=other)

    assert await access.suspend(await moved(ctx, Status.ACTIVE), actor="quinn", reason="unpaid") == 1

    banned_until = (await user(ctx, number)).banned_until
    assert banned_until is None or banned_until < datetime.now(UTC)


async def test_what_is_in_qa_is_neither_suspended_nor_resumed(ctx: StepContext) -> None:
    with pytest.raises(LifecycleError, match="cannot become suspended"):
        await access.suspend(ctx, actor="quinn", reason="unpaid")
    with pytest.raises(LifecycleError, match="only what is suspended can be resumed"):
        await access.resume(ctx, actor="quinn")

    assert [await can_sign_in(ctx, number) for number in (0, 1)] == [True, True]


async def ask(ctx: StepContext, wish: Wish, **fields: Any) -> AccessRequest:
    """The wish as the sensor finds it."""
    await access_requests.request_access(ctx.db, ctx.organization.id, wish, requested_by="quinn", **fields)
    (request,) = await access_requests.list_open(ctx.db)
    return request


async def answered(ctx: StepContext, wish: Wish) -> AccessRequest:
    return (await access_requests.newest(ctx.db, ctx.organization.id))[wish]


async def test_a_test_login_that_was_asked_for_in_the_portal_signs_in_the_user_who_was_chosen(ctx: StepContext) -> None:
    chosen = (await users.list_users(ctx.db, ctx.organization.id))[1]
    request = await ask(ctx, Wish.TEST_LOGIN, user_id=chosen.id)

    await access.answer_request(ctx.settings, request)

    told = await answered(ctx, Wish.TEST_LOGIN)
    assert (told.outcome, told.has_link) == ("done", True)
    sealed = await access_requests.take_link(ctx.db, request.id, ctx.organization.id, by="quinn")
    link = ctx.vault.decrypt(str(sealed), ctx.organization.id, access_requests.LINK_COLUMN)
    assert "token=" in link
    (entry,) = await actions(ctx, "test_login")
    assert (entry.actor, entry.details) == ("quinn", {"user": str(chosen.id)})


async def test_suspending_and_resuming_in_the_portal_is_audited_as_the_persons(ctx: StepContext) -> None:
    await moved(ctx, Status.ACTIVE)
    await access.answer_request(ctx.settings, await ask(ctx, Wish.SUSPEND, reason="unpaid"))
    told = await answered(ctx, Wish.SUSPEND)
    assert (told.outcome, told.told.split(":")[1]) == ("done", " 2 user(s) cannot sign in. Its data stays.")
    assert not await can_sign_in(ctx, 0)

    await access.answer_request(ctx.settings, await ask(ctx, Wish.RESUME))

    assert (await answered(ctx, Wish.RESUME)).outcome == "done"
    assert await can_sign_in(ctx, 0)
    last = (await audit.list_audit(ctx.db, ctx.organization.id))[-2:]
    assert [(each.actor, each.to_status) for each in last] == [("quinn", Status.SUSPENDED), ("quinn", Status.ACTIVE)]


async def test_what_the_status_forbids_is_refused_in_words(ctx: StepContext) -> None:
    await access.answer_request(ctx.settings, await ask(ctx, Wish.RESUME))

    told = await answered(ctx, Wish.RESUME)
    assert told.outcome == "refused"
    assert "only what is suspended can be resumed" in told.told


async def test_while_supabase_is_away_a_wish_is_put_off_and_refused_in_the_end(ctx: StepContext, world: Any) -> None:
    world.fault("supabase.generate_link", "error_before", status=503, times="forever")
    request = await ask(ctx, Wish.TEST_LOGIN)
    for attempts in range(1, access_requests.ATTEMPTS):
        await access.answer_request(ctx.settings, request)
        (request,) = await access_requests.list_open(ctx.db)
        assert request.attempts == attempts
        assert "It is tried again by itself." in request.told

    await access.answer_request(ctx.settings, request)

    assert (await answered(ctx, Wish.TEST_LOGIN)).outcome == "refused"
    (supabase,) = await vendor_incidents.vendor_health(ctx.db, hours=1)
    assert supabase.vendor == "Supabase Auth"
    assert supabase.unavailable >= access_requests.ATTEMPTS
