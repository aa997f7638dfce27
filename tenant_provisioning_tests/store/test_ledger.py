"""The ledger of artifacts, live progress, deployed reports and modules."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from tenant_provisioning.model.artifact import ArtifactKind, ArtifactState
from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.artifacts import (
    adopt,
    count_artifacts,
    find_artifact,
    intend,
    list_artifacts,
    note,
    record_present,
    record_removed,
)
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.modules import ModuleState, initialize_modules, link_reports, module_state
from tenant_provisioning.store.progress import (
    CHANNEL,
    fail_running_steps,
    fail_step,
    finish_step,
    list_steps,
    start_step,
    unfinished_steps,
)
from tenant_provisioning.store.reports import delete_deployed_report, list_deployed_reports, save_deployed_report

K = ArtifactKind


async def test_an_intent_is_written_once_and_found_again(db: Database, acme: Organization) -> None:
    first = await intend(db, acme.id, K.REPORT, "sales", {"name": "Sales"})
    assert (first.state, first.vendor_id, first.created, first.details) == (
        ArtifactState.INTENDED,
        None,
        True,
        {"name": "Sales"},
    )
    again = await intend(db, acme.id, K.REPORT, "sales", {"name": "another"})
    assert again == first
    assert await find_artifact(db, acme.id, K.REPORT, "sales") == first
    assert await find_artifact(db, acme.id, K.REPORT) is None


async def test_intents_at_the_same_time_make_one_row(db: Database, acme: Organization) -> None:
    got = await asyncio.gather(*(intend(db, acme.id, K.DATASET) for _ in range(6)))
    assert len({artifact.id for artifact in got}) == 1


async def test_details_are_added_and_never_taken_away(db: Database, acme: Organization) -> None:
    artifact = await intend(db, acme.id, K.DATASET, details={"a": 1})
    assert (await note(db, artifact.id, operation="op", a=2)).details == {"a": 2, "operation": "op"}
    present = await record_present(db, artifact.id, "ds-1", {"url": "u"})
    assert (present.state, present.vendor_id, present.created) == (ArtifactState.PRESENT, "ds-1", True)
    assert present.details == {"a": 2, "operation": "op", "url": "u"}


async def test_what_is_adopted_counts_as_not_created(db: Database, acme: Organization) -> None:
    adopted = await adopt(db, acme.id, K.FABRIC_WORKSPACE, "", "ws-1", {"by": "mark"})
    assert (adopted.state, adopted.vendor_id, adopted.created, adopted.details) == (
        ArtifactState.PRESENT,
        "ws-1",
        False,
        {"by": "mark"},
    )
    await intend(db, acme.id, K.DATASET)
    assert (await adopt(db, acme.id, K.DATASET, "", "ds-1")).created is False


async def test_what_we_are_known_to_have_made_stays_ours_when_it_is_adopted(db: Database, acme: Organization) -> None:
    artifact = await intend(db, acme.id, K.DATASET)
    await record_present(db, artifact.id, "ds-1")
    assert (await adopt(db, acme.id, K.DATASET, "", "ds-1")).created is True
    assert (await adopt(db, acme.id, K.DATASET, "", "ds-2")).created is False


async def test_what_is_removed_stays_on_record_and_makes_room(db: Database, acme: Organization) -> None:
    artifact = await intend(db, acme.id, K.DATASET)
    await record_present(db, artifact.id, "ds-1")
    for _ in range(2):
        await record_removed(db, artifact.id)
    assert await find_artifact(db, acme.id, K.DATASET) is None
    with pytest.raises(ProvisioningError, match="no living artifact"):
        await record_present(db, artifact.id, "ds-1")
    again = await intend(db, acme.id, K.DATASET)
    assert again.id != artifact.id
    assert [row.id for row in await list_artifacts(db, acme.id)] == [again.id]
    assert [row.id for row in await list_artifacts(db, acme.id, include_removed=True)] == [again.id, artifact.id]


async def test_the_ledger_reads_newest_first_and_counts_what_is_present(
    db: Database, acme: Organization, other: Organization
) -> None:
    for kind, key in ((K.FABRIC_WORKSPACE, ""), (K.REPORT, "b"), (K.REPORT, "a")):
        await record_present(db, (await intend(db, acme.id, kind, key)).id, f"{kind} {key}")
    await intend(db, acme.id, K.SUPER_USER, "not yet")
    await adopt(db, other.id, K.DATASET, "", "ds")
    assert [artifact.key for artifact in await list_artifacts(db, acme.id)] == ["not yet", "a", "b", ""]
    assert await count_artifacts(db, acme.id) == {K.FABRIC_WORKSPACE: 1, K.REPORT: 2}


async def test_a_step_runs_fails_runs_again_and_is_done(db: Database, acme: Organization) -> None:
    await start_step(db, acme.id, "dns_record", run_id="run 1")
    await fail_step(db, acme.id, "dns_record", "GoDaddy said no")
    (failed,) = await list_steps(db, acme.id)
    assert (failed.state, failed.attempt, failed.run_id, failed.reason) == ("failed", 1, "run 1", "GoDaddy said no")
    assert failed.finished_at is not None
    await start_step(db, acme.id, "dns_record", run_id="run 2")
    (running,) = await list_steps(db, acme.id)
    assert (running.state, running.attempt, running.run_id, running.reason, running.finished_at) == (
        "running",
        2,
        "run 2",
        "",
        None,
    )
    await finish_step(db, acme.id, "dns_record")
    assert [step.state for step in await list_steps(db, acme.id)] == ["done"]


async def test_a_step_that_never_began_cannot_end(db: Database, acme: Organization) -> None:
    with pytest.raises(ProvisioningError, match=r"dns_record.*never started"):
        await finish_step(db, acme.id, "dns_record")


async def test_steps_that_a_lost_run_left_running_have_failed(
    db: Database, acme: Organization, other: Organization
) -> None:
    for organization in (acme, other):
        for step in ("a", "b"):
            await start_step(db, organization.id, step, run_id="run")
    await finish_step(db, acme.id, "a")
    await fail_running_steps(db, acme.id, reason="the run ended")
    assert [(step.state, step.reason) for step in await list_steps(db, acme.id)] == [
        ("done", ""),
        ("failed", "the run ended"),
    ]
    assert [step.state for step in await list_steps(db, other.id)] == ["running", "running"]


async def test_unfinished_steps_keep_the_order_of_the_plan(
    db: Database, acme: Organization, other: Organization
) -> None:
    for step in ("b", "c"):
        await start_step(db, acme.id, step, run_id="run")
    await finish_step(db, acme.id, "b")
    await fail_step(db, acme.id, "c", "no")
    assert await unfinished_steps(db, acme.id, ["d", "c", "b", "a"]) == ["d", "c", "a"]
    assert await unfinished_steps(db, other.id, ["b"]) == ["b"]


async def test_whoever_listens_hears_of_steps_and_moves(db: Database, acme: Organization, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute(f"listen {CHANNEL}".encode())
        await start_step(db, acme.id, "dns_record", run_id="run")
        await finish_step(db, acme.id, "dns_record")
        heard = [message.payload async for message in listener.notifies(timeout=5, stop_after=2)]
    assert heard == [str(acme.id)] * 2


async def deploy(db: Database, organization: Organization, template: str, report: str = "r1") -> None:
    await save_deployed_report(
        db, organization.id, template, powerbi_report_id=report, workspace_id="w", dataset_id="d", content_hash="h"
    )


async def test_a_report_that_is_deployed_again_keeps_its_row(
    db: Database, acme: Organization, other: Organization
) -> None:
    await deploy(db, acme, "pipeline-hubspot")
    await deploy(db, other, "pipeline-hubspot")
    (before,) = await list_deployed_reports(db, acme.id)
    await deploy(db, acme, "pipeline-hubspot", "r2")
    (after,) = await list_deployed_reports(db, acme.id)
    assert (after.id, after.powerbi_report_id) == (before.id, "r2")


async def test_modules_are_initialized_once(db: Database, acme: Organization) -> None:
    assert await module_state(db, acme.id) == ModuleState(expected=3, features=0, linked=0, dangling=0, unlinked=0)
    assert await initialize_modules(db, acme.id) == 3
    async with db.connection() as connection:
        await connection.execute("update organization_modules set enabled = false where feature_key = 'pipeline'")
    assert await initialize_modules(db, acme.id) == 0
    async with db.connection() as connection:
        rows = await connection.execute("select feature_key from organization_modules where not enabled")
        assert await rows.fetchall() == [{"feature_key": "pipeline"}]
    assert await module_state(db, acme.id) == ModuleState(expected=3, features=3, linked=0, dangling=0, unlinked=0)


async def test_a_retired_feature_is_not_given_to_new_organizations(db: Database, acme: Organization) -> None:
    async with db.connection() as connection:
        await connection.execute("update module_templates set retired_at = now() where key = 'sales'")
        await connection.execute("update module_features set retired_at = now() where key = 'progress'")
    assert await initialize_modules(db, acme.id) == 1


async def test_features_are_linked_to_the_deployed_reports_that_serve_them(
    db: Database, acme: Organization, other: Organization
) -> None:
    await initialize_modules(db, acme.id)
    await deploy(db, other, "progress-bksb")
    for template in ("attendance-aptem", "attendance-again", "pipeline-hubspot"):
        await deploy(db, acme, template)
    assert (await module_state(db, acme.id)).unlinked == 2
    assert await link_reports(db, acme.id) == 2
    assert await link_reports(db, acme.id) == 0
    assert await module_state(db, acme.id) == ModuleState(expected=3, features=3, linked=2, dangling=0, unlinked=0)
    async with db.connection() as connection:
        rows = await connection.execute(
            """select feature_key, template_key from organization_modules module
               left join organization_powerbi_reports report on report.id = module.report_id
               where module.organization_id = %s order by feature_key""",
            (acme.id,),
        )
        assert [tuple(row.values()) async for row in rows] == [
            ("attendance", "attendance-again"), ("pipeline", "pipeline-hubspot"), ("progress", None),
        ]  # fmt: skip


async def test_a_link_to_a_report_that_is_no_longer_deployed_dangles_until_it_is_linked_anew(
    db: Database, acme: Organization
) -> None:
    await initialize_modules(db, acme.id)
    await deploy(db, acme, "pipeline-hubspot")
    await link_reports(db, acme.id)
    async with db.connection() as connection:
        await connection.execute("update organization_powerbi_reports set deployment_status = 'failed'")
    assert (await module_state(db, acme.id)).dangling == 1
    assert await link_reports(db, acme.id) == 1
    assert await module_state(db, acme.id) == ModuleState(expected=3, features=3, linked=0, dangling=0, unlinked=0)


async def test_forgetting_a_report_unlinks_its_feature(db: Database, acme: Organization) -> None:
    await initialize_modules(db, acme.id)
    await deploy(db, acme, "pipeline-hubspot")
    await link_reports(db, acme.id)
    for _ in range(2):
        await delete_deployed_report(db, acme.id, "pipeline-hubspot")
    assert (await module_state(db, acme.id)).linked == 0
    assert await list_deployed_reports(db, acme.id) == []


async def test_a_feature_cannot_show_a_report_of_another_organization(
    db: Database, acme: Organization, other: Organization
) -> None:
    await initialize_modules(db, acme.id)
    await deploy(db, other, "pipeline-hubspot")
    async with db.connection() as connection:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            async with connection.transaction():
                await connection.execute(
                    "update organization_modules set report_id = (select id from organization_powerbi_reports)"
                )


@pytest.mark.parametrize("function", ["initialize_organization_modules", "link_deployed_reports_to_features"])
async def test_a_function_for_an_organization_that_does_not_exist_does_nothing_quietly_wrong(
    db: Database, acme: Organization, function: str
) -> None:
    async with db.connection() as connection:
        try:
            async with connection.transaction():
                await connection.execute(f"select {function}(%s)".encode(), (uuid4(),))
        except psycopg.errors.ForeignKeyViolation:
            pass
        rows = await connection.execute("select count(*) as n from organization_modules")
        assert await rows.fetchone() == {"n": 0}
