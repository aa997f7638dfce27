"""Whose a thing is, where that is not as plain as in the laws: marks that were lost, names that are taken out of our sight."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.errors import OwnershipConflict, VendorUnavailable
from tenant_provisioning.model.naming import fabric_workspace_name, user_id
from tenant_provisioning.steps import dns_record, fabric_data_store, fabric_workspace, hosting_domain, super_users
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import artifacts, outbox, users
from tenant_provisioning.store.outbox import MailState
from tenant_provisioning.vendors.godaddy import Record
from tenant_provisioning.vendors.microsoft import FABRIC_SCOPE, EntraTokens


async def row_of(ctx: StepContext, kind: ArtifactKind) -> Artifact | None:
    return await artifacts.find_artifact(ctx.db, ctx.organization.id, kind)


async def writer_of(ctx: StepContext, row: Artifact) -> Any:
    """The transaction that has written the row last, changed or not."""
    async with ctx.db.statement() as connection:
        rows = await connection.execute("select xmin::text from provisioned_artifacts where id = %s", (row.id,))
        return await rows.fetchone()


async def test_a_workspace_whose_description_somebody_edited_is_still_ours(
    ctx: StepContext, vendors: Callable[[], Any]
) -> None:
    await fabric_workspace.ensure(ctx)
    row = await row_of(ctx, ArtifactKind.FABRIC_WORKSPACE)
    assert row is not None
    path = f"/workspaces/{row.vendor_id}"
    await ctx.vendors.fabric._http.call("describe", "PATCH", path, json={"description": "Acme's data, ask Ada"})

    await fabric_workspace.ensure(ctx)

    again = await row_of(ctx, ArtifactKind.FABRIC_WORKSPACE)
    assert again is not None
    assert again.vendor_id == row.vendor_id


async def test_the_ledger_is_not_written_again_about_what_is_there_as_it_says(ctx: StepContext) -> None:
    await fabric_workspace.ensure(ctx)
    row = await row_of(ctx, ArtifactKind.FABRIC_WORKSPACE)
    assert row is not None
    written = await writer_of(ctx, row)
    await fabric_workspace.ensure(ctx)
    assert await writer_of(ctx, row) == written

    await artifacts.note(ctx.db, row.id, name="what somebody wrote by hand")
    await fabric_workspace.ensure(ctx)
    mended = await row_of(ctx, ArtifactKind.FABRIC_WORKSPACE)
    assert mended is not None
    assert mended.details["name"] == row.details["name"]


async def test_a_lakehouse_that_somebody_renamed_is_found_by_its_id(ctx: StepContext, world: Any) -> None:
    await fabric_workspace.ensure(ctx)
    await fabric_data_store.ensure(ctx)
    workspace, lakehouse = [
        await row_of(ctx, kind) for kind in (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.DATA_STORE)
    ]
    assert workspace is not None
    assert lakehouse is not None
    path = f"/workspaces/{workspace.vendor_id}/lakehouses/{lakehouse.vendor_id}"
    await ctx.vendors.fabric._http.call("rename", "PATCH", path, json={"displayName": "renamed"})

    await fabric_data_store.ensure(ctx)

    assert len(world.requests("fabric.create_lakehouse")) == 1


async def test_a_workspace_name_that_is_taken_out_of_our_sight_is_a_conflict(
    ctx: StepContext, world: Any, vendors: Callable[[], Any]
) -> None:
    name = fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain)
    client_id, secret = "99999999-9999-4999-8999-999999999999", "an-agencys-secret"
    world.control("PUT", f"entra/clients/{client_id}", {"secret": secret})
    settings = ctx.settings
    tokens = EntraTokens(
        settings.entra_authority_url, settings.entra_tenant_id, client_id, secret=secret, ca_file=settings.tls_ca_file
    )
    token = await tokens.token(FABRIC_SCOPE)
    made = world.client.post("/v1/workspaces", json={"displayName": name}, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201
    before = vendors()

    for _ in range(2):
        with pytest.raises(OwnershipConflict, match="may not see it"):
            await fabric_workspace.ensure(ctx)
        assert await row_of(ctx, ArtifactKind.FABRIC_WORKSPACE) is None

    assert vendors() == before


async def stranger_makes_workspace(ctx: StepContext) -> None:
    name = fabric_workspace_name(ctx.organization.name, ctx.organization.subdomain)
    capacity = str(ctx.settings.fabric_capacity_id)
    await ctx.vendors.fabric.create_workspace(name, capacity_id=capacity, description="somebody's own")


async def stranger_makes_user(ctx: StepContext) -> None:
    other = {"organization_id": str(uuid.uuid4())}
    await ctx.vendors.supabase.create_user(uuid.uuid4(), ctx.form.super_users[0].email, app_metadata=other)


@pytest.mark.parametrize(
    ("step", "creates", "stranger"),
    [
        (fabric_workspace, "fabric.create_workspace", stranger_makes_workspace),
        (super_users, "supabase.create_user", stranger_makes_user),
    ],
    ids=["workspace", "super user"],
)
async def test_who_is_faster_by_a_moment_keeps_the_name(
    ctx: StepContext, world: Any, step: Any, creates: str, stranger: Callable[[StepContext], Awaitable[None]]
) -> None:
    fault = world.fault(creates, "slow", seconds=0.3)
    ours = asyncio.create_task(step.ensure(ctx))
    for _ in range(1000):
        if world.fault_struck(fault):
            break
        await asyncio.sleep(0.01)
    await stranger(ctx)

    with pytest.raises(OwnershipConflict):
        await ours

    assert await artifacts.list_artifacts(ctx.db, ctx.organization.id) == []


async def test_a_host_of_another_team_is_a_conflict(ctx: StepContext, world: Any) -> None:
    world.control("PATCH", "knobs/vercel", {"forbidden": [ctx.organization.domain]})
    try:
        with pytest.raises(OwnershipConflict, match=ctx.host):
            await hosting_domain.ensure(ctx)
    finally:
        world.control("PATCH", "knobs/vercel", {"forbidden": []})

    assert await row_of(ctx, ArtifactKind.HOSTING_DOMAIN) is None


async def test_an_address_record_of_our_name_is_a_conflict(ctx: StepContext, vendors: Callable[[], Any]) -> None:
    await hosting_domain.ensure(ctx)
    await ctx.vendors.godaddy.put_record(
        ctx.organization.domain, Record("A", ctx.organization.subdomain, "192.0.2.1", 600)
    )
    before = vendors()

    for _ in range(2):
        with pytest.raises(OwnershipConflict, match="cannot stand beside"):
            await dns_record.ensure(ctx)
        assert await row_of(ctx, ArtifactKind.DNS_RECORD) is None

    assert vendors() == before


async def test_a_record_that_a_stranger_made_after_our_attempt_came_to_nothing_stays_the_strangers(
    ctx: StepContext, world: Any, vendors: Callable[[], Any]
) -> None:
    await hosting_domain.ensure(ctx)
    world.fault("godaddy.put_records", "error_before", status=503)
    with pytest.raises(VendorUnavailable):
        await dns_record.ensure(ctx)
    name = ctx.organization.subdomain
    await ctx.vendors.godaddy.put_record(ctx.organization.domain, Record("CNAME", name, "somebody.example", 600))
    before = vendors()

    with pytest.raises(OwnershipConflict):
        await dns_record.ensure(ctx)

    assert vendors() == before


async def test_our_record_follows_the_target_that_vercel_names(ctx: StepContext) -> None:
    await hosting_domain.ensure(ctx)
    await dns_record.ensure(ctx)
    hosting = await row_of(ctx, ArtifactKind.HOSTING_DOMAIN)
    assert hosting is not None
    await artifacts.note(ctx.db, hosting.id, cname_target="another.vercel-dns-017.com")

    await dns_record.ensure(ctx)

    record = await ctx.vendors.godaddy.find_record(ctx.organization.domain, "CNAME", ctx.organization.subdomain)
    assert record is not None
    assert record.data.rstrip(".") == "another.vercel-dns-017.com"


async def test_a_record_that_somebody_pointed_elsewhere_since_is_not_removed(ctx: StepContext) -> None:
    await hosting_domain.ensure(ctx)
    await dns_record.ensure(ctx)
    domain, name = ctx.organization.domain, ctx.organization.subdomain
    await ctx.vendors.godaddy.put_record(domain, Record("CNAME", name, "somebody.example", 600))
    row = await row_of(ctx, ArtifactKind.DNS_RECORD)
    assert row is not None

    await dns_record.remove(ctx, row)

    record = await ctx.vendors.godaddy.find_record(domain, "CNAME", name)
    assert record is not None
    assert record.data.rstrip(".") == "somebody.example"


async def test_a_super_user_gets_the_id_we_chose_a_row_and_one_mail_without_a_link(ctx: StepContext) -> None:
    for _ in range(2):
        await super_users.ensure(ctx)

    [person] = ctx.form.super_users
    chosen = user_id(ctx.organization.id, person.email)
    account = await ctx.vendors.supabase.find_user_by_id(chosen)
    assert account is not None
    assert account.app_metadata["organization_id"] == str(ctx.organization.id)
    assert account.app_metadata["role"] == "super_user"
    assert [(user.id, user.email, user.role) for user in await users.list_users(ctx.db, ctx.organization.id)] == [
        (chosen, person.email, "super_user")
    ]
    [mail] = await outbox.list_mail(ctx.db, ctx.organization.id)
    assert (mail.kind, mail.recipient, mail.state) == ("being_prepared", person.email, MailState.QUEUED)
    assert "http" not in mail.text + mail.html


async def test_an_account_of_our_mark_that_we_did_not_make_keeps_its_id(ctx: StepContext) -> None:
    [person] = ctx.form.super_users
    link = await ctx.vendors.supabase.generate_link("invite", person.email)
    await ctx.vendors.supabase.update_user(link.user_id, app_metadata={"organization_id": str(ctx.organization.id)})

    await super_users.ensure(ctx)

    account = await ctx.vendors.supabase.find_user_by_email(person.email)
    assert account is not None
    assert account.id == link.user_id
    assert account.app_metadata["role"] == "super_user"
    key = str(user_id(ctx.organization.id, person.email))
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.SUPER_USER, key)
    assert row is not None
    assert (row.state, row.vendor_id, row.created) == (ArtifactState.PRESENT, str(link.user_id), False)
