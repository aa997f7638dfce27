"""The rollback's decisions with plain values, its sensor's ticks on a real instance, and its job run in this process."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from tenant_provisioning.defs.decisions import RollbackDecision, RollbackSituation, RunState, decide_rollback
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.rollback import rollback_sensor, rollback_tenant
from tenant_provisioning.model.lifecycle import ROLLBACK_ATTEMPTS
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import ROLLBACK_STEPS
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import dns_record, hosting_domain, super_users
from tenant_provisioning.store import audit, organizations, progress, rollbacks
from tenant_provisioning.store.database import Database

SUPER_ADMIN = "sam@yourplatform.com"
UNFINISHED = (Status.REQUESTED, Status.PROVISIONING, Status.FAILED, Status.PENDING_QA, Status.ACTIVE)


def situation(status: Status = Status.ROLLING_BACK, **known: Any) -> RollbackSituation:
    told = {"others_alive": False, "rollback_alive": False, "attempt": None, "attempts_left": True}
    return RollbackSituation(status, **(told | known))


@pytest.mark.parametrize("status", [*UNFINISHED, Status.ROLLING_BACK])
def test_what_still_makes_things_is_stopped_before_anything_is_taken_away(status: Status) -> None:
    assert decide_rollback(situation(status, others_alive=True)) is RollbackDecision.STOP_RUNS


@pytest.mark.parametrize("status", UNFINISHED)
def test_with_nothing_at_work_the_way_back_begins(status: Status) -> None:
    assert decide_rollback(situation(status)) is RollbackDecision.BEGIN


def test_a_wish_without_a_run_is_launched() -> None:
    assert decide_rollback(situation()) is RollbackDecision.LAUNCH


@pytest.mark.parametrize("known", [{"rollback_alive": True}, {"attempt": RunState.ALIVE}])
def test_while_a_rollback_is_at_work_nothing_is_launched_beside_it(known: Any) -> None:
    assert decide_rollback(situation(**known)) is RollbackDecision.WAIT


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.GONE, RunState.SUCCEEDED])
def test_a_run_that_did_not_get_there_is_counted(state: RunState) -> None:
    assert decide_rollback(situation(attempt=state)) is RollbackDecision.COUNT_FAILURE


def test_a_run_that_a_person_cancelled_is_not_started_again_behind_their_back() -> None:
    assert decide_rollback(situation(attempt=RunState.CANCELED)) is RollbackDecision.GIVE_UP


def test_without_attempts_left_it_waits_for_a_person() -> None:
    assert decide_rollback(situation(attempts_left=False)) is RollbackDecision.WAIT


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster of the test's own, in memory, whose runs nobody carries out."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        yield instance


@pytest.fixture
def platform(settings: Settings) -> Platform:
    return Platform(lambda: settings.model_copy(update={"step_retries": 0}))


@pytest.fixture
def tick(instance: dg.DagsterInstance, platform: Platform) -> Callable[[], Any]:
    """One look of the sensor: the runs it requests."""

    async def look() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        told = await asyncio.to_thread(rollback_sensor, context)
        if isinstance(told, dg.SkipReason):
            return []
        for added in told.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(added.partitions_def_name, added.partition_keys)
        return list(told.run_requests)

    return look


def add_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, request: dg.RunRequest, tenant: str = "acme"
) -> str:
    """A run in Dagster's books, as the daemon makes one of a sensor's request."""
    tags = {"dagster/run_key": str(request.run_key), "dagster/partition": tenant}
    return instance.create_run_for_job(rollback_tenant, status=status, tags=tags).run_id


def start_provisioning(instance: dg.DagsterInstance, tenant: str) -> dg.DagsterRun:
    """A run that makes things for a tenant, at work in Dagster's books."""

    @dg.job(name="provision_tenant")
    def provision_tenant() -> None: ...

    return instance.create_run_for_job(
        provision_tenant, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": tenant}
    )


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    known = instance.get_run_by_id(run.run_id)
    assert known is not None
    return known.status


@pytest.fixture
async def failed_acme(acme: Organization, open_ctx: Any, platform_db: Database, world: Any) -> Organization:
    """Acme with a host, a subdomain and super users; then its run failed."""
    await organizations.claim(platform_db, acme.id, "run-1", actor="run run-1")
    async with open_ctx("acme") as ctx:
        for step in (hosting_domain, dns_record, super_users):
            await step.ensure(ctx)
    await organizations.release(platform_db, acme.id, "run-1")
    return await organizations.move(platform_db, acme.id, Status.FAILED, actor="run run-1", reason="it was to fail")


async def wish(db: Database, organization: Organization) -> Organization:
    return await rollbacks.request_rollback(db, organization.id, actor=SUPER_ADMIN)


async def run_job(instance: dg.DagsterInstance, platform: Platform, tenant: str = "acme") -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("tenant", [tenant])
    return await asyncio.to_thread(
        rollback_tenant.execute_in_process,
        instance=instance, partition_key=tenant, resources={"platform": platform}, raise_on_error=False,
    )  # fmt: skip


def failures(done: dg.ExecuteInProcessResult) -> list[str]:
    events = [event for event in done.all_events if event.is_step_failure]
    return [str(event.step_failure_data.user_failure_data.description) for event in events]


async def test_the_job_takes_everything_away_and_shows_each_stage(
    failed_acme: Organization, instance: dg.DagsterInstance, platform: Platform, platform_db: Database, world: Any
) -> None:
    assert "acme" in str(world.snapshot()["godaddy"])
    await wish(platform_db, failed_acme)

    done = await run_job(instance, platform)

    assert done.success
    now = await organizations.get_organization(platform_db, failed_acme.id)
    assert (now.status, now.claimed_by_run) == (Status.ROLLED_BACK, None)
    stages = [
        step for step in await progress.list_steps(platform_db, failed_acme.id) if step.step.startswith("rollback/")
    ]
    assert [step.step for step in stages] == [step.name for step in ROLLBACK_STEPS]
    assert {step.state for step in stages} == {"done"}
    for vendor in ("godaddy", "vercel", "supabase"):
        assert "acme" not in str(world.snapshot()[vendor])


async def test_a_rollback_that_nobody_asked_for_is_refused_in_words_and_touches_nothing(
    failed_acme: Organization, instance: dg.DagsterInstance, platform: Platform, world: Any
) -> None:
    before = world.snapshot()

    done = await run_job(instance, platform)

    assert failures(done) == [
        "acme is failed, not rolling_back: a rollback begins with `tenant-provisioning rollback acme`"
    ]
    assert world.snapshot() == before


async def test_a_stage_that_fails_stops_the_rest_and_is_tried_again_when_its_time_has_come(
    failed_acme: Organization,
    instance: dg.DagsterInstance,
    platform: Platform,
    platform_db: Database,
    tick: Any,
    world: Any,
) -> None:
    await wish(platform_db, failed_acme)
    world.fault("godaddy.delete_records", "error_before", status=503, times="forever")
    (request,) = await tick()
    done = await run_job(instance, platform)
    assert not done.success
    add_run(instance, dg.DagsterRunStatus.FAILURE, request)

    assert [await tick() for _ in range(2)] == [[], []]
    now = await organizations.get_organization(platform_db, failed_acme.id)
    assert now.next_attempt_at is not None
    async with platform_db.connection() as connection:
        await connection.execute("update organizations set next_attempt_at = now()")  # its time has come
    (again,) = await tick()

    assert now.status is Status.ROLLING_BACK
    assert now.status_reason is not None
    assert now.status_reason.startswith("Not done: Subdomain removed: GoDaddy")
    assert now.claimed_by_run is None
    assert again.run_key != request.run_key
    world.clear_faults()
    assert (await run_job(instance, platform)).success


async def test_after_so_many_failures_it_waits_for_a_person_who_asks_again(
    failed_acme: Organization, instance: dg.DagsterInstance, platform_db: Database, tick: Any
) -> None:
    await wish(platform_db, failed_acme)
    keys = set()
    for _ in range(ROLLBACK_ATTEMPTS):
        (request,) = await tick()
        keys.add(request.run_key)
        add_run(instance, dg.DagsterRunStatus.FAILURE, request)
        assert await tick() == []

    assert await tick() == []
    stuck = await organizations.get_organization(platform_db, failed_acme.id)
    assert stuck.rollback_has_stopped
    assert "tenant-provisioning rollback acme" in str(stuck.status_reason)
    noted = [
        entry for entry in await audit.list_audit(platform_db, failed_acme.id) if entry.action == "rollback_failed"
    ]
    assert len(noted) == len(keys) == ROLLBACK_ATTEMPTS

    await wish(platform_db, stuck)
    (request,) = await tick()
    assert request.run_key not in keys


async def test_a_cancelled_rollback_is_not_launched_again_until_it_is_asked_for(
    failed_acme: Organization, instance: dg.DagsterInstance, platform_db: Database, tick: Any
) -> None:
    await wish(platform_db, failed_acme)
    (request,) = await tick()
    add_run(instance, dg.DagsterRunStatus.CANCELED, request)

    assert [await tick() for _ in range(3)] == [[], [], []]

    assert (await organizations.get_organization(platform_db, failed_acme.id)).rollback_has_stopped


async def test_a_rollback_that_is_asked_for_twice_gets_one_run(
    failed_acme: Organization, instance: dg.DagsterInstance, platform_db: Database, tick: Any
) -> None:
    await wish(platform_db, failed_acme)
    (request,) = await tick()
    add_run(instance, dg.DagsterRunStatus.STARTED, request)

    await wish(platform_db, failed_acme)

    assert await tick() == []


class TestWhileARunIsAtWork:
    @pytest.fixture
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """A Dagster that can tell a run to stop; the one in memory cannot."""
        with dg.instance_for_test() as instance:
            yield instance

    async def test_a_run_at_work_is_told_to_stop_and_only_then_the_way_back_begins(
        self, acme: Organization, instance: dg.DagsterInstance, platform_db: Database, tick: Any
    ) -> None:
        at_work = start_provisioning(instance, "acme")
        await organizations.claim(platform_db, acme.id, at_work.run_id, actor="run")
        await progress.start_step(platform_db, acme.id, "fabric_workspace", run_id=at_work.run_id)
        await wish(platform_db, acme)
        assert (await organizations.get_organization(platform_db, acme.id)).status is Status.PROVISIONING

        assert [await tick() for _ in range(2)] == [[], []]
        assert status_of(instance, at_work) is dg.DagsterRunStatus.CANCELING
        assert (await organizations.get_organization(platform_db, acme.id)).status is Status.PROVISIONING
        instance.report_run_canceled(at_work)
        requests = await tick()

        assert [request.partition_key for request in requests] == ["acme"]
        now = await organizations.get_organization(platform_db, acme.id)
        assert now.status is Status.ROLLING_BACK
        (step,) = await progress.list_steps(platform_db, acme.id)
        assert (step.state, step.reason) == ("failed", "stopped: the organization is rolled back")
        moves = [
            entry for entry in await audit.list_audit(platform_db, acme.id) if entry.to_status is Status.ROLLING_BACK
        ]
        assert [move.actor for move in moves] == [SUPER_ADMIN]


async def test_a_run_of_another_tenant_is_left_alone(
    acme: Organization, instance: dg.DagsterInstance, platform_db: Database, tick: Any
) -> None:
    other = start_provisioning(instance, "beta")
    await wish(platform_db, acme)

    assert len(await tick()) == 1

    assert status_of(instance, other) is dg.DagsterRunStatus.STARTED
