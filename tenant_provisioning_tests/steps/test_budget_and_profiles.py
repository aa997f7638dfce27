"""A service principal holds so many workspaces and no more; a tenant's profile sees that tenant's reports and no others."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from tenant_provisioning.credentials import entra_tokens
from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict, SetupError
from tenant_provisioning.steps import fabric_workspace, powerbi_workspace
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.removal import remove_created
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.microsoft import POWERBI_SCOPE

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]


async def held(ctx: StepContext) -> int:
    return await ctx.vendors.powerbi.count_groups()


async def test_a_tenant_that_would_exceed_the_budget_is_refused_before_anything_is_made(
    acme: str, world: Any, open_ctx: OpenCtx, ctx: StepContext
) -> None:
    before = await held(ctx)
    async with open_ctx(acme, workspace_budget=before + 1) as tight:
        for step in (fabric_workspace, powerbi_workspace):
            with pytest.raises(SetupError, match=f"holds {before} of {before + 1} workspaces, and .* needs 2 more"):
                await step.ensure(tight)
    assert await held(ctx) == before
    assert world.requests("fabric.create_workspace") == []


async def test_the_last_tenant_within_the_budget_gets_both_its_workspaces_and_tells_the_count(
    acme: str, open_ctx: OpenCtx, ctx: StepContext
) -> None:
    limit = await held(ctx) + 2
    async with open_ctx(acme, workspace_budget=limit) as last:
        await fabric_workspace.ensure(last)
        told = (await powerbi_workspace.ensure(last)).facts["service_principal_holds"]
        assert told == f"{limit} of {limit} workspaces"
        await fabric_workspace.ensure(last)  # what is there is not made, so it needs no budget


async def test_a_profile_sees_its_own_tenants_reports_workspace_and_no_other(
    make_two: tuple[str, str], world: Any, open_ctx: OpenCtx
) -> None:
    ids = []
    for subdomain in make_two:
        async with open_ctx(subdomain, powerbi_profiles=True) as tenant:
            made = await powerbi_workspace.ensure(tenant)
            again = await powerbi_workspace.ensure(tenant)
            assert made.facts["profile_id"] == again.facts["profile_id"]
            ids.append((str(made.facts["profile_id"]), str(made.facts["workspace_id"])))
            token = await entra_tokens(tenant.settings).token(POWERBI_SCOPE)
            seen = groups_seen_by(world, token, ids[-1][0])
            assert seen == [ids[-1][1]]
            async with tenant.db.connection() as connection:
                rows = await connection.execute(
                    "select powerbi_profile_id from organizations where id = %s", (tenant.organization.id,)
                )
                assert [row["powerbi_profile_id"] async for row in rows] == [ids[-1][0]]
    assert ids[0][0] != ids[1][0]


def groups_seen_by(world: Any, token: str, profile_id: str) -> list[str]:
    """What the web app sees with this profile, asked past our clients."""
    headers = {"Authorization": f"Bearer {token}", "X-PowerBI-Profile-Id": profile_id}
    answer: httpx.Response = world.client.get("/v1.0/myorg/groups", headers=headers)
    return [group["id"] for group in answer.raise_for_status().json()["value"]]


async def test_a_profile_that_was_let_into_another_tenants_workspace_is_not_accepted(
    make_two: tuple[str, str], open_ctx: OpenCtx
) -> None:
    async with open_ctx(make_two[1]) as other:
        elsewhere = str((await powerbi_workspace.ensure(other)).facts["workspace_id"])
    async with open_ctx(make_two[0], powerbi_profiles=True) as tenant:
        profile = str((await powerbi_workspace.ensure(tenant)).facts["profile_id"])
        await tenant.vendors.powerbi.add_profile(elsewhere, profile, principal_id=await tenant.tokens.object_id())
        with pytest.raises(OwnershipConflict, match=f"somebody gave it {elsewhere}"):
            await powerbi_workspace.ensure(tenant)


async def test_rolling_back_removes_the_profile_and_without_the_setting_none_is_made(
    make_two: tuple[str, str], world: Any, open_ctx: OpenCtx
) -> None:
    before = await profiles(world)
    async with open_ctx(make_two[0], powerbi_profiles=True) as tenant:
        await powerbi_workspace.ensure(tenant)
        assert len(await profiles(world)) == len(before) + 1
    async with open_ctx(make_two[0]) as tenant:  # whatever the setting says by now
        removed = [gone.kind async for gone in remove_created(tenant)]
        assert removed == [ArtifactKind.POWERBI_PROFILE, ArtifactKind.POWERBI_WORKSPACE]
    assert await profiles(world) == before
    async with open_ctx(make_two[1]) as tenant:
        await powerbi_workspace.ensure(tenant)
        assert await artifacts.find_artifact(tenant.db, tenant.organization.id, ArtifactKind.POWERBI_PROFILE) is None
    assert await profiles(world) == before


async def profiles(world: Any) -> list[dict[str, str]]:
    return list(world.snapshot()["powerbi"]["profiles"])


@pytest.fixture
def make_two(make_acme: Callable[..., str]) -> tuple[str, str]:
    """Two tenants that have nothing yet."""
    return make_acme(), make_acme()
