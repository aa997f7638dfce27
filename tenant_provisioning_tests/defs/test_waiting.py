"""A vendor that is away for long: the attempt ends, says why and when it goes on, and goes on by itself once the vendor is back."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from tenant_provisioning.defs import sensors
from tenant_provisioning.defs.decisions import Decision, RollbackDecision, RunState, Situation, decide, decide_rollback
from tenant_provisioning.defs.execution import LONGEST_STAY, retry_or_failure
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.model.errors import StillAtWork, VendorUnavailable
from tenant_provisioning.model.lifecycle import MOST_WAITS
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import audit, organizations, progress, requests
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.defs.test_rollback import situation


def test_what_has_failed_goes_on_by_itself_when_its_time_has_come() -> None:
    waiting = Situation(Status.FAILED, holder=None, attempt=RunState.FAILED)

    assert decide(waiting) is Decision.LEAVE
    assert decide(Situation(Status.FAILED, holder=None, attempt=RunState.FAILED, is_due_again=True)) is Decision.RETRY


def test_a_run_that_a_person_cancelled_does_not_go_on_by_itself() -> None:
    assert decide(Situation(Status.PROVISIONING, holder=None, attempt=RunState.CANCELED)) is Decision.STOP


def test_a_rollback_waits_for_its_time_too() -> None:
    assert decide_rollback(situation(waits=True)) is RollbackDecision.WAIT
    assert decide_rollback(situation(waits=True, attempt=RunState.FAILED)) is RollbackDecision.COUNT_FAILURE


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (VendorUnavailable("GoDaddy", "put record", "away"), True),
        (VendorUnavailable("GoDaddy", "put record", "too many requests", retry_after=LONGEST_STAY), True),
        (VendorUnavailable("GoDaddy", "put record", "too many requests", retry_after=LONGEST_STAY + 1), False),
        (StillAtWork("Fabric", "create lakehouse", "not finished after 900 seconds"), False),
    ],
)
def test_a_run_keeps_its_place_only_for_what_passes_soon(
    settings: Settings, error: VendorUnavailable, stays: bool
) -> None:
    context: Any = SimpleNamespace(retry_number=0, log=logging.getLogger(__name__))

    told = retry_or_failure(context, Platform(lambda: settings), error)

    assert isinstance(told, dg.RetryRequested if stays else dg.Failure)


@pytest.fixture
def platform(settings: Settings) -> Platform:
    return Platform(lambda: settings.model_copy(update={"sensor_wait": 0}))


@pytest.fixture
async def failed_run(acme: Organization, platform_db: Database) -> Organization:
    """Acme at the moment after a run whose DNS step found GoDaddy away for five minutes."""
    await organizations.claim(platform_db, acme.id, "run-1", actor="run run-1")
    await progress.start_step(platform_db, acme.id, "dns_record", run_id="run-1")
    await progress.fail_step(platform_db, acme.id, "dns_record", "GoDaddy is away", passes_in=300)
    return acme


@pytest.fixture
async def instance(failed_run: Organization, platform_db: Database) -> AsyncIterator[dg.DagsterInstance]:
    """A Dagster whose run of Acme's first attempt has failed."""
    [work] = await requests.list_work(platform_db)
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/run_key": f"{work.request_id}:1", "dagster/partition": "acme"}
        instance.add_run(dg.DagsterRun("provision_tenant", "run-1", status=dg.DagsterRunStatus.FAILURE, tags=tags))
        yield instance


async def test_reason_and_time_of_the_next_attempt_are_told_and_the_vendors_wish_is_honoured(
    failed_run: Organization, instance: dg.DagsterInstance, platform: Platform, platform_db: Database
) -> None:
    await sensors._settle(instance, platform)

    now = await organizations.get_organization(platform_db, failed_run.id)
    assert now.status is Status.FAILED
    assert now.next_attempt_at is not None
    assert now.next_attempt_at > datetime.now(UTC) + timedelta(seconds=200)
    assert str(now.status_reason).startswith("Subdomain: GoDaddy is away. It goes on by itself at ")
    assert "attempt_scheduled" in [entry.action for entry in await audit.list_audit(platform_db, failed_run.id)]


async def test_it_goes_on_by_itself_when_the_time_has_come_and_waits_longer_the_next_time(
    failed_run: Organization, instance: dg.DagsterInstance, platform: Platform, platform_db: Database
) -> None:
    await sensors._settle(instance, platform)
    [before] = await requests.list_work(platform_db)
    assert not before.is_due_again
    async with platform_db.connection() as connection:  # the time comes
        await connection.execute("update organizations set next_attempt_at = now()")

    [launch] = await sensors._launches(instance, platform)

    assert launch.attempt == 2
    now = await organizations.get_organization(platform_db, failed_run.id)
    assert (now.status, now.next_attempt_at, now.waits) == (Status.PROVISIONING, None, 1)


async def test_what_a_person_has_to_mend_waits_for_the_person(
    failed_run: Organization, instance: dg.DagsterInstance, platform: Platform, platform_db: Database
) -> None:
    await progress.start_step(platform_db, failed_run.id, "hosting_domain", run_id="run-1")
    await progress.fail_step(platform_db, failed_run.id, "hosting_domain", "the host belongs to somebody else")

    await sensors._settle(instance, platform)

    assert (await organizations.get_organization(platform_db, failed_run.id)).next_attempt_at is None


async def test_after_a_day_of_waiting_a_person_has_to_look_and_whoever_asks_begins_the_waiting_anew(
    failed_run: Organization, instance: dg.DagsterInstance, platform: Platform, platform_db: Database
) -> None:
    async with platform_db.connection() as connection:
        await connection.execute("update organizations set waits = %s", (MOST_WAITS,))

    await sensors._settle(instance, platform)

    now = await organizations.get_organization(platform_db, failed_run.id)
    assert now.next_attempt_at is None
    assert "tried often enough by itself" in str(now.status_reason)
    await requests.next_attempt(platform_db, failed_run.id, actor="sam@yourplatform.com", reason="retry")
    assert (await organizations.get_organization(platform_db, failed_run.id)).waits == 0
