"""The laws that every step that makes something keeps, whatever it makes."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import OwnershipConflict, VendorUnavailable
from tenant_provisioning.model.naming import (
    connection_name,
    database_name,
    dataset_name,
    fabric_workspace_name,
    lakehouse_name,
    powerbi_profile_name,
    powerbi_workspace_name,
    warehouse_name,
)
from tenant_provisioning.steps import (
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    powerbi_dataset,
    powerbi_profile,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.dataset_template import pointed_at
from tenant_provisioning.steps.removal import REMOVERS, remove_created
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.fabric_records import ServicePrincipal
from tenant_provisioning.vendors.godaddy import Record
from tenant_provisioning.vendors.sql import SqlDatabase

STRANGER = "tenant-provisioning:00000000-0000-4000-8000-000000000000"


Vendors = Callable[[], Any]
"""What the vendors hold now."""


STORE_NAMES = {
    DataStoreKind.LAKEHOUSE: lakehouse_name,
    DataStoreKind.WAREHOUSE: warehouse_name,
    DataStoreKind.FABRIC_SQL_DATABASE: database_name,
    DataStoreKind.AZURE_SQL_DATABASE: database_name,
}


@dataclass(frozen=True)
class Case:
    """One tenant at the moment before the thing is made, and the thing."""

    ctx: StepContext
    thing: "Thing"
    template: TemplateReport | None = None

    async def ensure(self) -> None:
        """Do the step; a report's error is raised."""
        if self.template is None:
            await self.thing.step.ensure(self.ctx)
            return
        async for outcome in ensure_reports(self.ctx, [self.template]):
            if outcome.error is not None:
                raise outcome.error

    async def row(self) -> Artifact | None:
        """The thing's row in the ledger."""
        key = self.template.key if self.template else ""
        rows = await artifacts.list_artifacts(self.ctx.db, self.ctx.organization.id)
        return next((row for row in rows if row.kind is self.thing.kind and (not key or row.key == key)), None)

    async def require_row(self) -> Artifact:
        """The same, which has to be there."""
        row = await self.row()
        assert row is not None
        return row

    async def id_of(self, kind: ArtifactKind) -> str:
        """The vendor's id of what came before."""
        row = await artifacts.find_artifact(self.ctx.db, self.ctx.organization.id, kind)
        assert row is not None
        return str(row.vendor_id)

    async def name(self) -> str:
        """What the thing is called at the vendor."""
        organization = self.ctx.organization
        if self.template is not None:
            return self.template.title
        if self.thing.kind is ArtifactKind.CONNECTION:
            return connection_name(await self.id_of(ArtifactKind.POWERBI_WORKSPACE))
        return {
            ArtifactKind.HOSTING_DOMAIN: self.ctx.host,
            ArtifactKind.DNS_RECORD: organization.subdomain,
            ArtifactKind.FABRIC_WORKSPACE: fabric_workspace_name(organization.name, organization.subdomain),
            ArtifactKind.POWERBI_WORKSPACE: powerbi_workspace_name(organization.name, organization.subdomain),
            ArtifactKind.DATA_STORE: STORE_NAMES[organization.data_store](organization.subdomain),
            ArtifactKind.POWERBI_PROFILE: powerbi_profile_name(organization.id, organization.subdomain),
            ArtifactKind.DATASET: dataset_name(organization.name),
            ArtifactKind.SUPER_USER: self.ctx.form.super_users[0].email,
        }[self.thing.kind]


@dataclass(frozen=True)
class Thing:
    """A kind of thing: the step that makes it and those before, the vendor's call that does it, and how somebody else makes one.

    `make` leaves a thing of the same name that bears this owner's mark; `has_mark` tells whether one can carry ours, and
    `can_be_anothers` whether the name leaves room for another owner.
    """

    kind: ArtifactKind
    step: Any
    creates: str
    make: Callable[[Case, str], Awaitable[Any]]
    before: tuple[Any, ...] = ()
    strategy: ReportStrategy | None = None
    has_mark: bool = True
    can_be_anothers: bool = True
    data_store: DataStoreKind = DataStoreKind.LAKEHOUSE

    def __str__(self) -> str:
        name = self.data_store if self.kind is ArtifactKind.DATA_STORE else self.kind
        return name + (f"_by_{self.strategy}" if self.strategy else "")


async def attach_host(case: Case, mark: str) -> None:
    project = case.ctx.settings.vercel_project if mark == case.ctx.mark else "marketing-site"
    await case.ctx.vendors.vercel.add_domain(project, case.ctx.host)


async def point_host(case: Case, mark: str) -> None:
    hosting = await artifacts.find_artifact(case.ctx.db, case.ctx.organization.id, ArtifactKind.HOSTING_DOMAIN)
    assert hosting is not None
    target = hosting.details["cname_target"] if mark == case.ctx.mark else "somebody.example"
    record = Record("CNAME", case.ctx.organization.subdomain, target, 600)
    await case.ctx.vendors.godaddy.put_record(case.ctx.organization.domain, record)


async def make_workspace(case: Case, mark: str) -> None:
    capacity = str(case.ctx.settings.fabric_capacity_id)
    await case.ctx.vendors.fabric.create_workspace(await case.name(), capacity_id=capacity, description=mark)


async def make_profile(case: Case, mark: str) -> None:
    await case.ctx.vendors.powerbi.create_profile(await case.name())


async def make_lakehouse(case: Case, mark: str) -> None:
    workspace_id = await case.id_of(ArtifactKind.FABRIC_WORKSPACE)
    await case.ctx.vendors.fabric.create_lakehouse(workspace_id, await case.name(), description=mark, deadline=20)


async def make_warehouse(case: Case, mark: str) -> None:
    workspace_id = await case.id_of(ArtifactKind.FABRIC_WORKSPACE)
    await case.ctx.vendors.fabric.create_warehouse(workspace_id, await case.name(), description=mark, deadline=20)


async def make_sql_database(case: Case, mark: str) -> None:
    workspace_id, path = await case.id_of(ArtifactKind.FABRIC_WORKSPACE), case.ctx.settings.data_store_dacpac_path
    assert path is not None
    await case.ctx.vendors.fabric.create_sql_database(
        workspace_id, await case.name(), path.read_bytes(), description=mark, deadline=20
    )


async def make_azure_database(case: Case, mark: str) -> None:
    azure, server = case.ctx.vendors.azure_sql, case.ctx.settings.azure_sql_server_id
    source = await azure.find_database(server, case.ctx.settings.azure_sql_template_database)
    assert source is not None
    await azure.copy_database(server, await case.name(), source=source, tags={"owner": mark}, deadline=20)


async def make_dataset(case: Case, mark: str) -> None:
    settings, fabric = case.ctx.settings, case.ctx.vendors.fabric
    template = await fabric.get_definition(
        str(settings.template_workspace_id), str(settings.template_dataset_id), deadline=20
    )
    parts = pointed_at(template, await own_source(case))
    workspace_id = await case.id_of(ArtifactKind.POWERBI_WORKSPACE)
    await fabric.create_semantic_model(workspace_id, await case.name(), parts, description=mark, deadline=20)


async def make_connection(case: Case, mark: str) -> None:
    settings, source = case.ctx.settings, await own_source(case)
    reader = ServicePrincipal(
        settings.entra_tenant_id, settings.entra_client_id, settings.connection_secret.get_secret_value()
    )
    name = await case.name()
    await case.ctx.vendors.fabric.create_connection(
        name, server=source.server, database=source.database, credentials=reader
    )


async def make_report(case: Case, mark: str) -> None:
    dataset_id = await case.id_of(ArtifactKind.DATASET)
    target, template = await case.id_of(ArtifactKind.POWERBI_WORKSPACE), case.template
    powerbi, source_workspace = case.ctx.vendors.powerbi, str(case.ctx.settings.template_workspace_id)
    source = (await powerbi.list_reports(source_workspace))[0]
    assert template is not None
    await powerbi.clone_report(
        source_workspace, source.id, name=template.title, target_group_id=target, target_dataset_id=dataset_id
    )


async def make_user(case: Case, mark: str) -> None:
    owner = mark.partition(":")[2]
    await case.ctx.vendors.supabase.create_user(
        uuid.uuid4(), await case.name(), app_metadata={"organization_id": owner}
    )


async def own_source(case: Case) -> SqlDatabase:
    row = await artifacts.find_artifact(case.ctx.db, case.ctx.organization.id, ArtifactKind.DATA_STORE)
    assert row is not None
    return SqlDatabase(row.details["server"], row.details["database"])


K = ArtifactKind
TO_DATASET = (fabric_workspace, fabric_data_store, powerbi_workspace)
THINGS = (
    Thing(K.HOSTING_DOMAIN, hosting_domain, "vercel.add_domain", attach_host),
    Thing(K.DNS_RECORD, dns_record, "godaddy.put_records", point_host, before=(hosting_domain,)),
    Thing(K.FABRIC_WORKSPACE, fabric_workspace, "fabric.create_workspace", make_workspace),
    Thing(K.DATA_STORE, fabric_data_store, "fabric.create_lakehouse", make_lakehouse, before=(fabric_workspace,)),
    *(
        Thing(K.DATA_STORE, fabric_data_store, creates, make, before=(fabric_workspace,), data_store=kind)
        for kind, creates, make in (
            (DataStoreKind.WAREHOUSE, "fabric.create_warehouse", make_warehouse),
            (DataStoreKind.FABRIC_SQL_DATABASE, "fabric.create_sql_database", make_sql_database),
            (DataStoreKind.AZURE_SQL_DATABASE, "azure_sql.put_database", make_azure_database),
        )
    ),
    Thing(K.POWERBI_WORKSPACE, powerbi_workspace, "fabric.create_workspace", make_workspace),
    Thing(
        K.POWERBI_PROFILE,
        powerbi_profile,
        "powerbi.create_profile",
        make_profile,
        before=(powerbi_workspace,),
        can_be_anothers=False,
    ),
    Thing(K.DATASET, powerbi_dataset, "fabric.create_semantic_model", make_dataset, before=TO_DATASET),
    Thing(
        K.CONNECTION,
        powerbi_dataset,
        "fabric.create_connection",
        make_connection,
        before=TO_DATASET,
        can_be_anothers=False,
    ),
    Thing(K.REPORT, None, "powerbi.clone_report", make_report, strategy=ReportStrategy.CLONE, has_mark=False),
    Thing(K.REPORT, None, "powerbi.import", make_report, strategy=ReportStrategy.IMPORT, has_mark=False),
    Thing(K.REPORT, None, "fabric.create_report", make_report, strategy=ReportStrategy.DEFINITION, has_mark=False),
    Thing(K.SUPER_USER, super_users, "supabase.create_user", make_user),
)
EVERY_THING = pytest.mark.parametrize("thing", THINGS, ids=str)
MARKED_THINGS = pytest.mark.parametrize("thing", [thing for thing in THINGS if thing.has_mark], ids=str)
CONTESTED_THINGS = pytest.mark.parametrize("thing", [thing for thing in THINGS if thing.can_be_anothers], ids=str)


@pytest.fixture
def tenant(thing: Thing, request: pytest.FixtureRequest, make_acme: Callable[..., str]) -> str:
    """The subdomain of a tenant that has nothing yet; of the one that is ready for reports where the thing is a report."""
    if thing.strategy is None:
        return make_acme(data_store=thing.data_store)
    return str(request.getfixturevalue("reports_acme"))


@pytest.fixture
async def case(
    thing: Thing,
    tenant: str,
    world: Any,
    open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]],
    next_template: Callable[[ReportStrategy], TemplateReport],
) -> AsyncIterator[Case]:
    """A tenant that has everything the thing needs, and not the thing."""
    async with open_ctx(tenant) as ctx:
        for step in thing.before:
            await step.ensure(ctx)
        yield Case(ctx, thing, next_template(thing.strategy) if thing.strategy else None)


def count(found: Any, name: str) -> int:
    """How often the name is found anywhere in the vendors' state."""
    if isinstance(found, dict | list):
        return sum(count(one, name) for one in (found.values() if isinstance(found, dict) else found))
    return int(found == name)


async def lose_row(case: Case) -> None:
    """The ledger as a crash right after the vendor's call leaves it."""
    row = await case.require_row()
    async with case.ctx.db.connection() as connection:
        await connection.execute(
            "update provisioned_artifacts set state = 'intended', vendor_id = null, details = '{}' where id = %s",
            (row.id,),
        )


@EVERY_THING
async def test_ensure_twice_makes_one(case: Case, world: Any, vendors: Vendors) -> None:
    await case.ensure()
    first, known = vendors(), await case.require_row()

    await case.ensure()

    assert vendors() == first
    assert count(first, await case.name()) == 1
    again = await case.require_row()
    assert (again.id, again.vendor_id, again.state, again.created) == (
        known.id,
        known.vendor_id,
        ArtifactState.PRESENT,
        True,
    )


@EVERY_THING
async def test_the_ledger_knows_the_intent_before_the_vendor_is_called(
    case: Case, world: Any, vendors: Vendors
) -> None:
    before = vendors()
    fault = world.fault(case.thing.creates, "error_before", status=503, times="forever")

    with pytest.raises(VendorUnavailable):
        await case.ensure()

    assert world.fault_struck(fault) >= 1
    row = await case.require_row()
    assert (row.state, row.vendor_id) == (ArtifactState.INTENDED, None)
    assert count(vendors(), await case.name()) == count(before, await case.name()) == 0


@EVERY_THING
async def test_ensure_makes_what_was_intended_and_never_made(case: Case, world: Any, vendors: Vendors) -> None:
    world.fault(case.thing.creates, "error_before", status=503, times="forever")
    with pytest.raises(VendorUnavailable):
        await case.ensure()
    intended = await case.require_row()
    world.clear_faults()

    await case.ensure()

    assert count(vendors(), await case.name()) == 1
    row = await case.require_row()
    assert (row.id, row.state, row.created) == (intended.id, ArtifactState.PRESENT, True)


@EVERY_THING
async def test_ensure_after_a_crash_adopts_its_own(case: Case, world: Any, vendors: Vendors) -> None:
    await case.ensure()
    made, known = vendors(), await case.require_row()
    await lose_row(case)

    await case.ensure()

    assert vendors() == made
    row = await case.require_row()
    assert (row.id, row.state, row.vendor_id, row.created) == (known.id, ArtifactState.PRESENT, known.vendor_id, True)
    lost = {"import_id", "operation_id"}  # of what has ended since
    assert {**row.details, **{key: known.details[key] for key in lost & known.details.keys()}} == known.details


@EVERY_THING
async def test_a_lost_answer_leaves_one_and_no_second(case: Case, world: Any, vendors: Vendors) -> None:
    fault = world.fault(case.thing.creates, "lost_response")

    with contextlib.suppress(VendorUnavailable):  # a report looks again by itself
        await case.ensure()
    await case.ensure()

    assert world.fault_struck(fault) == 1
    assert count(vendors(), await case.name()) == 1
    row = await case.require_row()
    assert (row.state, row.created) == (ArtifactState.PRESENT, True)


@CONTESTED_THINGS
async def test_ensure_refuses_another_owners(case: Case, world: Any, vendors: Vendors) -> None:
    await case.thing.make(case, STRANGER)
    before = vendors()

    for _ in range(2):  # the second attempt must not take the first one's intent for a right
        with pytest.raises(OwnershipConflict):
            await case.ensure()
        assert await case.row() is None

    after = vendors()
    del (
        before["fabric"]["connections"],
        after["fabric"]["connections"],
    )  # the dataset's, made beside it, is nobody else's
    assert after == before
    assert count(after, await case.name()) == 1


@MARKED_THINGS
async def test_what_bears_our_mark_and_is_unknown_to_the_ledger_is_adopted(
    case: Case, world: Any, vendors: Vendors
) -> None:
    await case.thing.make(case, case.ctx.mark)

    await case.ensure()

    assert count(vendors(), await case.name()) == 1
    row = await case.require_row()
    assert (row.state, row.created) == (ArtifactState.PRESENT, False)


@EVERY_THING
async def test_remove_twice_is_quiet(case: Case, world: Any, vendors: Vendors) -> None:
    await case.ensure()
    row = await case.require_row()

    for _ in range(2):
        await REMOVERS[row.kind](case.ctx, row)

    assert count(vendors(), await case.name()) == 0


@MARKED_THINGS
async def test_remove_leaves_the_adopted(case: Case, world: Any, vendors: Vendors) -> None:
    await case.thing.make(case, case.ctx.mark)
    await case.ensure()
    async with case.ctx.db.connection() as connection:  # what the thing stands in is not ours to remove either
        await connection.execute(
            "update provisioned_artifacts set created = false where organization_id = %s and kind <> %s",
            (case.ctx.organization.id, case.thing.kind),
        )
    before = vendors()

    removed = [artifact async for artifact in remove_created(case.ctx)]

    assert removed == []
    assert vendors() == before
    assert await artifacts.list_artifacts(case.ctx.db, case.ctx.organization.id) == []


@EVERY_THING
async def test_remove_after_ensure_leaves_the_vendor_as_it_was(case: Case, world: Any, vendors: Vendors) -> None:
    before = vendors()
    known = {row.id for row in await artifacts.list_artifacts(case.ctx.db, case.ctx.organization.id)}
    await case.ensure()
    assert vendors() != before

    for row in await artifacts.list_artifacts(case.ctx.db, case.ctx.organization.id):
        if row.id not in known:
            await REMOVERS[row.kind](case.ctx, row)

    assert vendors() == before


@pytest.mark.parametrize(
    "thing", [thing for thing in THINGS if thing.strategy is None], ids=str
)  # reports go with their workspace
async def test_remove_finds_what_was_made_and_never_recorded(case: Case, world: Any, vendors: Vendors) -> None:
    before = vendors()
    known = {row.id for row in await artifacts.list_artifacts(case.ctx.db, case.ctx.organization.id)}
    world.fault(case.thing.creates, "lost_response")
    with pytest.raises(VendorUnavailable):
        await case.ensure()
    assert vendors() != before

    for row in await artifacts.list_artifacts(case.ctx.db, case.ctx.organization.id):
        if row.id not in known:
            await REMOVERS[row.kind](case.ctx, row)

    assert vendors() == before
