"""A tenant rolled back at every stage of its making: the vendors are as they were before it, and its name is free."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import LifecycleError, OwnershipConflict, VendorUnavailable
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.naming import fabric_workspace_name
from tenant_provisioning.steps import (
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    module_configuration,
    powerbi_dataset,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.steps.rollback import STAGES
from tenant_provisioning.store import (
    artifacts,
    audit,
    organizations,
    outbox,
    progress,
    reports,
    requests,
    rollbacks,
    users,
)

Vendors = Callable[[], Any]
OpenContext = Callable[..., AbstractAsyncContextManager[StepContext]]
SUPER_ADMIN = "sam@yourplatform.com"


async def deploy_some_reports(ctx: StepContext, templates: list[TemplateReport]) -> None:
    async for outcome in ensure_reports(ctx, templates):
        assert outcome.error is None


@pytest.fixture
def making(acme_reports: tuple[TemplateReport, ...]) -> dict[str, Callable[[StepContext], Awaitable[Any]]]:
    """What is done for a tenant, in order; of the 42 reports one of each strategy."""
    some = [
        next(one for one in acme_reports if one.strategy is strategy)
        for strategy in (ReportStrategy.CLONE, ReportStrategy.IMPORT)
    ]
    return {
        "hosting_domain": hosting_domain.ensure,
        "dns_record": dns_record.ensure,
        "fabric_workspace": fabric_workspace.ensure,
        "fabric_data_store": fabric_data_store.ensure,
        "powerbi_workspace": powerbi_workspace.ensure,
        "powerbi_dataset": powerbi_dataset.ensure,
        "reports": lambda ctx: deploy_some_reports(ctx, some),
        "module_configuration": module_configuration.ensure,
        "super_users": super_users.ensure,
    }


LAST = "super_users"


async def make(ctx: StepContext, making: dict[str, Callable[[StepContext], Awaitable[Any]]], until: str = LAST) -> None:
    """The tenant as a run leaves it that failed right after this step."""
    await organizations.claim(ctx.db, ctx.organization.id, "run-1", actor="run run-1")
    for name, ensure in making.items():
        await ensure(ctx)
        if name == until:
            break
    await organizations.move(ctx.db, ctx.organization.id, Status.FAILED, actor="run run-1", reason="it was to fail")
    await organizations.release(ctx.db, ctx.organization.id, "run-1")


async def roll_back(ctx: StepContext) -> None:
    """All of it, as the job does it."""
    await rollbacks.request_rollback(ctx.db, ctx.organization.id, actor=SUPER_ADMIN)
    for stage in STAGES.values():
        await stage(ctx)


@pytest.mark.parametrize(
    "until",
    ["hosting_domain", "dns_record", "fabric_workspace", "fabric_data_store", "powerbi_workspace", "powerbi_dataset",
     "reports", "module_configuration", "super_users"],
)  # fmt: skip
async def test_rolled_back_after_any_step_the_vendors_are_as_they_were(
    until: str, ctx: StepContext, vendors: Vendors, making: Any
) -> None:
    before = vendors()
    await make(ctx, making, until)
    assert vendors() != before

    await roll_back(ctx)

    assert vendors() == before
    assert await artifacts.list_artifacts(ctx.db, ctx.organization.id) == []
    after = await organizations.get_organization(ctx.db, ctx.organization.id)
    assert after.status is Status.ROLLED_BACK


async def test_the_rows_of_people_reports_and_secrets_go_and_the_audit_log_tells_the_story(
    ctx: StepContext, making: Any
) -> None:
    await make(ctx, making)
    assert await users.list_users(ctx.db, ctx.organization.id) != []

    await roll_back(ctx)

    of = (ctx.db, ctx.organization.id)
    assert await users.list_users(*of) == []
    assert await reports.list_deployed_reports(*of) == []
    assert await organizations.get_connection(*of) is None
    assert {mail.state for mail in await outbox.list_mail(*of)} == {outbox.MailState.FAILED}
    story = await audit.list_audit(*of)
    moves = [entry.to_status for entry in story if entry.to_status is not None]
    assert moves == [Status.REQUESTED, Status.PROVISIONING, Status.FAILED, Status.ROLLING_BACK, Status.ROLLED_BACK]
    assert [entry.actor for entry in story if entry.action == "rollback_requested"] == [SUPER_ADMIN]


async def test_a_name_that_was_rolled_back_can_be_onboarded_again_at_once(
    ctx: StepContext, making: Any, open_ctx: OpenContext, onboard: Any, vendors: Vendors
) -> None:
    await make(ctx, making)
    await roll_back(ctx)
    before = vendors()
    person = {"email": ctx.form.super_users[0].email, "first_name": "Ada", "last_name": "Admin"}

    again = await onboard(ctx.organization.subdomain, super_users=[person])
    async with open_ctx(again.subdomain, "run-2") as second:
        assert second.organization.id == again.id != ctx.organization.id
        await make(second, making)
        assert vendors() != before
        await roll_back(second)

    assert vendors() == before


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "rollback/organization_record"])
async def test_a_rollback_that_was_interrupted_goes_on_where_it_was(
    stage: str, ctx: StepContext, vendors: Vendors, making: Any
) -> None:
    before = vendors()
    await make(ctx, making)
    await rollbacks.request_rollback(ctx.db, ctx.organization.id, actor=SUPER_ADMIN)
    for name, work in STAGES.items():
        await work(ctx)
        if name == stage:
            break

    for work in STAGES.values():
        await work(ctx)

    assert vendors() == before


async def test_what_is_gone_already_is_no_obstacle(ctx: StepContext, world: Any, vendors: Vendors, making: Any) -> None:
    before = vendors()
    await make(ctx, making)
    ledger = {row.kind: str(row.vendor_id) for row in await artifacts.list_artifacts(ctx.db, ctx.organization.id)}
    await ctx.vendors.fabric.delete_workspace(ledger[ArtifactKind.POWERBI_WORKSPACE])
    await ctx.vendors.fabric.delete_connection(ledger[ArtifactKind.CONNECTION])
    await ctx.vendors.godaddy.delete_record(ctx.organization.domain, "CNAME", ctx.organization.subdomain)
    await ctx.vendors.vercel.delete_domain(ctx.settings.vercel_project, ctx.host)
    user = await ctx.vendors.supabase.find_user_by_email(ctx.form.super_users[0].email)
    assert user is not None
    await ctx.vendors.supabase.delete_user(user.id)

    await roll_back(ctx)

    assert vendors() == before


async def test_a_thing_lost_by_the_ledger_in_a_crash_is_found_and_removed(
    ctx: StepContext, vendors: Vendors, making: Any, open_ctx: OpenContext
) -> None:
    before = vendors()
    await make(ctx, making)
    async with ctx.db.connection() as connection:  # as if every answer had been lost
        await connection.execute(
            """update provisioned_artifacts set state = 'intended', vendor_id = null
               where organization_id = %s and kind in ('connection', 'dataset', 'data_store', 'super_user', 'report')""",
            (ctx.organization.id,),
        )

    async with open_ctx(ctx.organization.subdomain, step_retry_wait=0) as again:
        await roll_back(again)

    assert vendors() == before


async def test_a_thing_that_comes_into_being_after_its_call_was_cut_short_is_removed_too(
    ctx: StepContext, vendors: Vendors, making: Any, open_ctx: OpenContext
) -> None:
    before = vendors()
    await make(ctx, making, until="dns_record")
    await artifacts.intend(ctx.db, ctx.organization.id, ArtifactKind.FABRIC_WORKSPACE)

    async def late() -> None:
        await asyncio.sleep(0.3)
        name = fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain)
        capacity = str(ctx.settings.fabric_capacity_id)
        await ctx.vendors.fabric.create_workspace(name, capacity_id=capacity, description=ctx.mark)

    async with open_ctx(ctx.organization.subdomain, step_retry_wait=1) as again:
        await asyncio.gather(late(), roll_back(again))

    assert vendors() == before


async def test_from_an_adopted_workspace_only_what_we_made_in_it_is_taken(
    ctx: StepContext, world: Any, making: Any
) -> None:
    await make(ctx, making)
    async with ctx.db.connection() as connection:
        await connection.execute(
            "update provisioned_artifacts set created = false where organization_id = %s and kind like '%%workspace'",
            (ctx.organization.id,),
        )

    await roll_back(ctx)

    left = [space for space in world.snapshot()["fabric"]["workspaces"] if space["description"] == ctx.mark]
    assert len(left) == 2
    assert [item["displayName"] for space in left for item in space["items"]] == []


async def test_a_user_who_belongs_to_another_organization_is_neither_shut_out_nor_deleted(
    ctx: StepContext, world: Any, making: Any
) -> None:
    await make(ctx, making)
    email = ctx.form.super_users[0].email
    user = await ctx.vendors.supabase.find_user_by_email(email)
    assert user is not None
    other = "00000000-0000-4000-8000-000000000000"
    await ctx.vendors.supabase.update_user(user.id, app_metadata={"organization_id": other})

    await roll_back(ctx)

    left = [one for one in world.snapshot()["supabase"]["users"] if one["email"] == email]
    assert [one["app_metadata"]["organization_id"] for one in left] == [other]
    assert not left[0].get("banned_until")
    await ctx.vendors.supabase.delete_user(user.id)


async def test_a_record_that_somebody_pointed_elsewhere_stays_theirs(ctx: StepContext, world: Any, making: Any) -> None:
    from tenant_provisioning.vendors.godaddy import Record

    await make(ctx, making)
    theirs = Record("CNAME", ctx.organization.subdomain, "somebody.example", 600)
    await ctx.vendors.godaddy.put_record(ctx.organization.domain, theirs)

    await roll_back(ctx)

    kept = await ctx.vendors.godaddy.find_record(ctx.organization.domain, "CNAME", ctx.organization.subdomain)
    assert kept is not None
    assert kept.data.rstrip(".") == "somebody.example"
    await ctx.vendors.godaddy.delete_record(ctx.organization.domain, "CNAME", ctx.organization.subdomain)


async def test_nobody_can_sign_in_any_more_before_anything_else_goes(ctx: StepContext, world: Any, making: Any) -> None:
    await make(ctx, making)
    await rollbacks.request_rollback(ctx.db, ctx.organization.id, actor=SUPER_ADMIN)
    world.control("DELETE", "requests")

    for stage in STAGES.values():
        await stage(ctx)

    changes = [one["operation"] for one in world.requests() if one["method"] in ("PUT", "DELETE", "PATCH")]
    order = list(dict.fromkeys(changes))
    assert order == [
        "update_user", "delete_user", "delete_records", "remove_domain", "delete_connection", "delete_workspace"
    ]  # fmt: skip


async def test_a_vendor_that_is_away_leaves_the_organization_rolling_back_and_the_rest_is_done_later(
    ctx: StepContext, world: Any, vendors: Vendors, making: Any
) -> None:
    before = vendors()
    await make(ctx, making)
    world.fault("fabric.delete_workspace", "error_before", status=503, times="forever")

    with pytest.raises(VendorUnavailable):
        await roll_back(ctx)

    now = await organizations.get_organization(ctx.db, ctx.organization.id)
    assert now.status is Status.ROLLING_BACK
    world.clear_faults()
    for stage in STAGES.values():
        await stage(ctx)
    assert vendors() == before


async def test_an_organization_is_not_forgotten_while_something_of_it_is_there(ctx: StepContext, making: Any) -> None:
    await make(ctx, making, until="hosting_domain")
    await rollbacks.request_rollback(ctx.db, ctx.organization.id, actor=SUPER_ADMIN)

    with pytest.raises(LifecycleError, match="still there is hosting_domain"):
        await STAGES["rollback/organization_record"](ctx)


async def waits_shown(ctx: StepContext, step: str) -> str:
    """What the running step tells people it waits for."""
    for _ in range(200):
        await asyncio.sleep(0.02)
        for one in await progress.list_steps(ctx.db, ctx.organization.id):
            if one.step == step and one.reason:
                return one.reason
    return ""


async def test_the_name_of_a_removed_workspace_that_the_vendor_still_keeps_is_waited_for_and_the_wait_is_shown(
    ctx: StepContext, making: Any, onboard: Any, open_ctx: OpenContext, world: Any
) -> None:
    await make(ctx, making, until="fabric_workspace")
    await roll_back(ctx)
    again = await onboard(ctx.organization.subdomain)
    name = f"{again.name} ({again.subdomain}) data"
    kept = {"status": 409, "code": "WorkspaceNameAlreadyExists", "message": "Only unused workspace names are allowed."}
    fault = world.fault("fabric.create_workspace", "error_before", times="forever", **kept)

    async with open_ctx(again.subdomain, "run-2", step_retry_wait=0.05) as second:
        await progress.start_step(second.db, again.id, "fabric_workspace", run_id="run-2")
        waiting = asyncio.create_task(fabric_workspace.ensure(second))
        shown = await waits_shown(second, "fabric_workspace")
        assert world.fault_struck(fault) >= 1
        world.clear_faults()
        done = await waiting

        assert shown == f"waiting for the name “{name}”, which Fabric still keeps for what was removed"
        assert done.facts["name"] == name
        assert await waits_shown_now(second, "fabric_workspace") == ""


async def waits_shown_now(ctx: StepContext, step: str) -> str:
    (shown,) = [one.reason for one in await progress.list_steps(ctx.db, ctx.organization.id) if one.step == step]
    return shown


async def test_a_name_that_was_never_ours_is_not_waited_for(ctx: StepContext, world: Any) -> None:
    kept = {"status": 409, "code": "WorkspaceNameAlreadyExists", "message": "Only unused workspace names are allowed."}
    world.fault("fabric.create_workspace", "error_before", times="forever", **kept)

    with pytest.raises(OwnershipConflict):
        await fabric_workspace.ensure(ctx)


async def test_a_wait_for_a_name_ends_at_its_deadline_and_can_be_taken_up_again(
    ctx: StepContext, making: Any, onboard: Any, open_ctx: OpenContext, world: Any
) -> None:
    await make(ctx, making, until="fabric_workspace")
    await roll_back(ctx)
    again = await onboard(ctx.organization.subdomain)
    kept = {"status": 400, "code": "WorkspaceNameIsReserved", "message": "The requested workspace name is reserved."}
    world.fault("fabric.create_workspace", "error_before", times="forever", **kept)

    async with open_ctx(again.subdomain, "run-2", step_retry_wait=0.05, operation_deadline=0.2) as second:
        with pytest.raises(VendorUnavailable, match="is still kept for something that was removed: try again later"):
            await fabric_workspace.ensure(second)
        world.clear_faults()
        await fabric_workspace.ensure(second)


async def test_the_name_of_a_removed_item_is_waited_for(
    ctx: StepContext, making: Any, open_ctx: OpenContext, world: Any
) -> None:
    await make(ctx, making, until="fabric_workspace")
    kept = {
        "status": 409,
        "code": "ItemDisplayNameNotAvailableYet",
        "message": "It is expected to become available soon.",
    }
    fault = world.fault("fabric.create_lakehouse", "error_before", times=2, **kept)

    async with open_ctx(ctx.organization.subdomain, "run-2", step_retry_wait=0) as again:
        await fabric_data_store.ensure(again)

    assert world.fault_struck(fault) == 2


async def test_work_that_the_sensors_see_knows_the_new_organization_and_not_the_old_one_of_its_name(
    ctx: StepContext, making: Any, onboard: Any
) -> None:
    await make(ctx, making, until="hosting_domain")
    await roll_back(ctx)

    again = await onboard(ctx.organization.subdomain)

    named = [work for work in await requests.list_work(ctx.db) if work.subdomain == ctx.organization.subdomain]
    assert [work.organization_id for work in named] == [again.id]
    assert ctx.organization.id not in {work.organization.id for work in await rollbacks.list_rollbacks(ctx.db)}
