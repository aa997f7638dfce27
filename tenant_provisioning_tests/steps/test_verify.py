"""What `verify` says: true after ensure, false when exactly what it watches is broken, true again after the repair."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import ProvisioningError, VendorUnavailable
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import (
    deployed_reports,
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    module_configuration,
    organization_record,
    powerbi_dataset,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.godaddy import Record

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]
MAKERS = (
    hosting_domain, dns_record, fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset, super_users
)  # fmt: skip


@pytest.fixture(scope="module")
def three_reports(acme_reports: tuple[TemplateReport, ...]) -> tuple[TemplateReport, ...]:
    """Two clones and an import: as many as these tests need."""
    clones = [template for template in acme_reports if template.strategy is ReportStrategy.CLONE]
    imports = [template for template in acme_reports if template.strategy is ReportStrategy.IMPORT]
    return (*clones[:2], *imports[:1])


@pytest.fixture(scope="module")
def whole_acme(
    make_acme: Callable[..., str], module_settings: Settings, three_reports: tuple[TemplateReport, ...]
) -> str:
    """The subdomain of an Acme for which everything is done. Tests share it, and repair what they break."""
    subdomain = make_acme(*MAKERS)

    async def finish() -> None:
        async with open_context(module_settings, subdomain, "run-1") as ctx:
            assert all([outcome.error is None async for outcome in ensure_reports(ctx, three_reports)])
            await module_configuration.ensure(ctx)

    asyncio.run(finish())
    return subdomain


@pytest.fixture
async def whole(whole_acme: str, world: Any, open_ctx: OpenCtx) -> AsyncIterator[StepContext]:
    """The context of that Acme's steps."""
    async with open_ctx(whole_acme) as ctx:
        yield ctx


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound and on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.parametrize("sql_gets_through", [True, False])
async def test_a_lakehouse_is_asked_in_sql_and_where_a_firewall_stands_before_that_by_https(
    sql_gets_through: bool, whole_acme: str, world: Any, open_ctx: OpenCtx, closed_port: int
) -> None:
    changes = {} if sql_gets_through else {"sql_gateway": f"127.0.0.1:{closed_port}"}
    async with open_ctx(whole_acme, **changes) as ctx:
        verdicts = await fabric_data_store.verify(ctx)

    assert [verdict.passed for verdict in verdicts] == [True, True]
    assert len(world.requests("fabric.refresh_metadata")) == (0 if sql_gets_through else 1)


@pytest.fixture
def superuser(platform_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The database as nobody who works for the platform may touch it."""
    with psycopg.connect(platform_url, autocommit=True) as connection:
        yield connection


def outcomes(verdicts: list[Verdict]) -> dict[str, bool]:
    """Whether each check passed; a failed one tells what it found, and why that matters."""
    for verdict in verdicts:
        assert verdict.outcome is not Outcome.NOT_CARRIED_OUT
        assert bool(verdict.reason) is not verdict.passed
        assert (verdict.expected == verdict.found) is verdict.passed
    return {verdict.check: verdict.passed for verdict in verdicts}


def only(*failed: str) -> Callable[[list[Verdict]], bool]:
    """Whether exactly these checks failed."""
    return lambda verdicts: {check for check, passed in outcomes(verdicts).items() if not passed} == set(failed)


async def vendor_id(ctx: StepContext, kind: ArtifactKind, key: str = "") -> str:
    """The vendor's id of a thing of the tenant."""
    row = await artifacts.find_artifact(ctx.db, ctx.organization.id, kind, key)
    assert row is not None
    return str(row.vendor_id)


async def test_every_check_passes_after_ensure(whole: StepContext, three_reports: tuple[TemplateReport, ...]) -> None:
    verifying = (dns_record, fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
    verdicts = [verdict for step in verifying for verdict in await step.verify(whole)]
    verdicts += await deployed_reports.verify(whole, three_reports)
    for step in (module_configuration, super_users, organization_record):
        verdicts += await step.verify(whole)

    planned = [check for step in STEPS for check in step.checks]
    assert outcomes(verdicts) == dict.fromkeys(planned, True)
    assert [verdict.check for verdict in verdicts] == planned


@pytest.mark.parametrize("target", ["somebody.example", None], ids=["changed", "gone"])
async def test_the_dns_record(whole: StepContext, target: str | None) -> None:
    domain, name = whole.organization.domain, whole.organization.subdomain
    if target:
        await whole.vendors.godaddy.put_record(domain, Record("CNAME", name, target, 600))
    else:
        await whole.vendors.godaddy.delete_record(domain, "CNAME", name)
    verdicts = await dns_record.verify(whole)
    assert only("resolves_to_the_web_app")(verdicts)
    assert verdicts[0].found == (target or "no CNAME record")

    await dns_record.ensure(whole)

    assert only()(await dns_record.verify(whole))


@pytest.mark.parametrize(
    ("step", "kind", "check"),
    [
        (fabric_workspace, ArtifactKind.FABRIC_WORKSPACE, "workspace_is_on_capacity"),
        (powerbi_workspace, ArtifactKind.POWERBI_WORKSPACE, "reports_workspace_is_on_capacity"),
    ],
)
async def test_the_workspaces_capacity(whole: StepContext, step: Any, kind: ArtifactKind, check: str) -> None:
    fabric, path = whole.vendors.fabric._http, f"/workspaces/{await vendor_id(whole, kind)}"
    await fabric.call("unassign", "POST", f"{path}/unassignFromCapacity")
    assert only(check)(await step.verify(whole))

    capacity = {"capacityId": str(whole.settings.fabric_capacity_id)}
    await fabric.call("assign", "POST", f"{path}/assignToCapacity", json=capacity)

    assert only()(await step.verify(whole))


async def test_the_two_workspaces_are_two_of_different_names(whole: StepContext) -> None:
    kinds = (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.POWERBI_WORKSPACE)
    spaces = [await whole.vendors.fabric.get_workspace(await vendor_id(whole, kind)) for kind in kinds]

    assert len({space.id for space in spaces}) == 2
    assert len({space.name for space in spaces}) == 2


async def test_a_table_that_the_data_store_lacks(whole_acme: str, open_ctx: OpenCtx) -> None:
    async with open_ctx(whole_acme, data_store_tables="tenant,learners,payments") as ctx:
        verdicts = await fabric_data_store.verify(ctx)

    assert only("schema_is_ready")(verdicts)
    assert verdicts[0].found == "payments missing"


async def test_a_data_store_that_is_gone(make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx) -> None:
    async with open_ctx(await asyncio.to_thread(make_acme, fabric_workspace, fabric_data_store)) as ctx:
        ids = [await vendor_id(ctx, kind) for kind in (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.DATA_STORE)]
        await ctx.vendors.fabric.delete_item(*ids)
        assert only("schema_is_ready", "endpoint_is_ready")(await fabric_data_store.verify(ctx))

        await fabric_data_store.ensure(ctx)

        assert only()(await fabric_data_store.verify(ctx))


@asynccontextmanager
async def pointed_at_the_template(ctx: StepContext) -> AsyncIterator[None]:
    """The dataset reads the template's data store for a while."""
    own = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATA_STORE)
    assert own is not None
    places = [
        {"server": own.details["server"], "database": own.details["database"]},
        {
            "server": "template-endpoint.datawarehouse.fabric.microsoft.com",
            "database": "77777777-7777-4777-8777-777777777777",
        },
    ]
    group, dataset = [await vendor_id(ctx, kind) for kind in (ArtifactKind.POWERBI_WORKSPACE, ArtifactKind.DATASET)]
    path = f"/groups/{group}/datasets/{dataset}/Default.UpdateDatasources"
    for old, new in (places, places[::-1]):
        selector = {"datasourceType": "Sql", "connectionDetails": old}
        change = {"updateDetails": [{"datasourceSelector": selector, "connectionDetails": new}]}
        await ctx.vendors.powerbi._http.call("point elsewhere", "POST", path, json=change, ok=(200,))
        if new is places[1]:
            yield


async def test_a_dataset_that_reads_another_data_store(whole: StepContext) -> None:
    async with pointed_at_the_template(whole):
        verdicts = await powerbi_dataset.verify(whole)
        assert only("dataset_is_bound_to_own_data")(verdicts)
        assert "template-endpoint" in verdicts[0].found

    await powerbi_dataset.ensure(whole)  # binds the connection, which did not follow

    assert only()(await powerbi_dataset.verify(whole))


async def test_a_dataset_that_answers_with_another_organizations_data(
    make_acme: Callable[..., str], world: Any, open_ctx: OpenCtx
) -> None:
    steps = (fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
    async with open_ctx(await asyncio.to_thread(make_acme, *steps)) as ctx:
        assert only()(await powerbi_dataset.verify(ctx))
        await fill_data_store(ctx, "somebody else")
        await powerbi_dataset.ensure(ctx)

        verdicts = await powerbi_dataset.verify(ctx)

    assert only("dataset_answers_a_query")(verdicts)
    assert "somebody else" in verdicts[1].found


async def fill_data_store(ctx: StepContext, organization: str) -> None:
    """Run the notebook that writes whose data this is."""
    fabric, settings = ctx.vendors.fabric, ctx.settings
    kinds = (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.DATA_STORE)
    workspace_id, lakehouse_id = [await vendor_id(ctx, kind) for kind in kinds]
    lakehouse = await fabric.get_lakehouse(workspace_id, lakehouse_id)
    job = await fabric.run_notebook(
        str(settings.template_workspace_id),
        str(settings.template_notebook_id),
        parameters={"organization_id": organization},
        default_lakehouse=lakehouse,
    )
    await fabric.wait_for_job(job, deadline=20)
    assert lakehouse.sql_endpoint is not None
    await fabric.refresh_sql_endpoint_metadata(workspace_id, lakehouse.sql_endpoint.id, deadline=20)


async def test_a_report_that_was_deleted(whole: StepContext, three_reports: tuple[TemplateReport, ...]) -> None:
    group, lost = await vendor_id(whole, ArtifactKind.POWERBI_WORKSPACE), three_reports[2]
    await whole.vendors.powerbi.delete_report(group, await vendor_id(whole, ArtifactKind.REPORT, lost.key))
    verdicts = await deployed_reports.verify(whole, three_reports)
    assert only("all_reports_are_deployed")(verdicts)
    assert (verdicts[0].expected, verdicts[0].found) == ("3 of 3", "2 of 3")
    assert lost.title in verdicts[0].reason

    assert all([outcome.error is None async for outcome in ensure_reports(whole, [lost])])

    assert only()(await deployed_reports.verify(whole, three_reports))


async def test_a_report_that_was_bound_elsewhere(whole: StepContext, three_reports: tuple[TemplateReport, ...]) -> None:
    group, astray = await vendor_id(whole, ArtifactKind.POWERBI_WORKSPACE), three_reports[0]
    report = await vendor_id(whole, ArtifactKind.REPORT, astray.key)
    await whole.vendors.powerbi.rebind_report(group, report, str(whole.settings.template_dataset_id))
    verdicts = await deployed_reports.verify(whole, three_reports)
    assert only("reports_are_bound_to_own_dataset")(verdicts)
    assert verdicts[1].found == f"bound elsewhere: {astray.title}"

    assert all([outcome.error is None async for outcome in ensure_reports(whole, [astray])])

    assert only()(await deployed_reports.verify(whole, three_reports))


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (
            "delete from organization_modules where organization_id = %(id)s and report_id is null",
            "modules_are_initialized",
        ),
        (
            """update organization_modules set report_id = (
                 select report_id from organization_modules where organization_id = %(id)s and report_id is not null limit 1)
               where organization_id = %(id)s and report_id is null""",
            "features_point_to_deployed_reports",
        ),
        (
            "update organization_modules set report_id = null where organization_id = %(id)s",
            "features_point_to_deployed_reports",
        ),
    ],
    ids=["a feature is missing", "a link dangles", "a link is missing"],
)
async def test_the_modules(whole: StepContext, superuser: psycopg.Connection[Any], damage: str, check: str) -> None:
    assert superuser.execute(damage.encode(), {"id": whole.organization.id}).rowcount >= 1
    assert only(check)(await module_configuration.verify(whole))

    await module_configuration.ensure(whole)

    assert only()(await module_configuration.verify(whole))


async def test_a_super_user_whose_claims_were_changed(whole: StepContext) -> None:
    user = uuid.UUID(await vendor_id(whole, ArtifactKind.SUPER_USER, await super_user_key(whole)))
    await whole.vendors.supabase.update_user(user, app_metadata={"organization_id": str(uuid.uuid4())})
    assert only("super_users_can_sign_in")(await super_users.verify(whole))

    await super_users.ensure(whole)

    assert only()(await super_users.verify(whole))


async def super_user_key(ctx: StepContext) -> str:
    rows = await artifacts.list_artifacts(ctx.db, ctx.organization.id)
    return next(row.key for row in rows if row.kind is ArtifactKind.SUPER_USER)


async def test_a_table_that_shows_everybodys_rows(
    whole: StepContext, make_acme: Callable[..., str], superuser: psycopg.Connection[Any]
) -> None:
    await asyncio.to_thread(make_acme)  # somebody else's rows to see
    superuser.execute("create policy mistake on public.organizations for select to authenticated using (true)")
    try:
        assert only("super_users_see_only_their_own")(await super_users.verify(whole))
    finally:
        superuser.execute("drop policy mistake on public.organizations")

    assert only()(await super_users.verify(whole))


async def test_a_table_whose_policies_are_switched_off(
    whole: StepContext, make_acme: Callable[..., str], superuser: psycopg.Connection[Any]
) -> None:
    await asyncio.to_thread(make_acme)
    superuser.execute("alter table public.subscriptions disable row level security")
    try:
        assert only("super_users_see_only_their_own")(await super_users.verify(whole))
    finally:
        superuser.execute("alter table public.subscriptions enable row level security")

    assert only()(await super_users.verify(whole))


async def test_a_connection_string_in_plain_text(whole: StepContext, superuser: psycopg.Connection[Any]) -> None:
    rule = "organizations_data_store_connection_is_encrypted"
    [(definition,)] = superuser.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", (rule,)
    ).fetchall()
    superuser.execute(f"alter table organizations drop constraint {rule}".encode())
    superuser.execute(
        "update organizations set data_store_connection = 'Server=x' where id = %s", (whole.organization.id,)
    )
    verdicts = await organization_record.verify(whole)
    assert only("secret_is_encrypted")(verdicts)
    assert "Server=x" not in str(verdicts)

    await fabric_data_store.ensure(whole)

    superuser.execute(f"alter table organizations add constraint {rule} {definition}".encode())
    assert only()(await organization_record.verify(whole))


async def test_another_organizations_connection_string(whole: StepContext) -> None:
    own = await organizations.get_connection(whole.db, whole.organization.id)
    foreign = whole.vault.encrypt("Server=x", uuid.uuid4(), "data_store_connection")
    await organizations.save_connection(whole.db, whole.organization.id, foreign)

    with pytest.raises(ProvisioningError, match="belongs to another row or column"):
        await organization_record.verify(whole)

    await organizations.save_connection(whole.db, whole.organization.id, str(own))
    assert only()(await organization_record.verify(whole))


@pytest.mark.parametrize(
    ("step", "call"),
    [
        (fabric_workspace, "fabric.get_workspace"),
        (powerbi_workspace, "fabric.get_workspace"),
        (fabric_data_store, "fabric.get_lakehouse"),
        (powerbi_dataset, "powerbi.list_datasources"),
        (powerbi_dataset, "powerbi.execute_queries"),
        (super_users, "supabase.generate_link"),
        (super_users, "supabase.verify"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_outage_is_no_verdict(whole: StepContext, world: Any, step: Any, call: str) -> None:
    fault = world.fault(call, "error_before", status=503, times="forever")

    with pytest.raises(VendorUnavailable):
        await step.verify(whole)

    assert world.fault_struck(fault) >= 1


async def test_an_outage_says_nothing_about_the_reports(
    whole: StepContext, world: Any, three_reports: tuple[TemplateReport, ...]
) -> None:
    world.fault("powerbi.list_reports", "error_before", status=503, times="forever")

    with pytest.raises(VendorUnavailable):
        await deployed_reports.verify(whole, three_reports)
