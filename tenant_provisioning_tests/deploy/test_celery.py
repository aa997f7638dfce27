"""Runs as Celery tasks on workers: a tenant through it, a worker that is lost, a run that is ended."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import dagster as dg
import pytest
import redis
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning_tests.conftest import SECRETS_KEY
from tenant_provisioning_tests.deploy.conftest import SILENCE, Several
from tenant_provisioning_tests.faults.lab import PLANTED
from tenant_provisioning_tests.faults.state import Whole, difference, whole

T = TypeVar("T")
# dagster-celery's, see the launcher
pytestmark = [pytest.mark.journey, pytest.mark.filterwarnings("ignore:Task name '(execute|resume)_job'")]
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
SLOW = {"profile": "realistic", "scale": 0.05}
AT_ONCE = {"profile": "instant"}


def eventually(question: Callable[[], T | None], what: str, seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    pytest.fail(f"after {seconds:.0f} seconds still not: {what}")


def onboard(several: Several, form: dict[str, Any]) -> Organization:
    async def in_database() -> Organization:
        async with open_database(several.database_url) as db:
            return await submit(db, form, requested_by="test", default_domain="yourplatform.com")

    return asyncio.run(in_database())


def ends(several: Several, run: dg.DagsterRun) -> str:
    return eventually(lambda: status if (status := several.status(run)) in ENDED else None, "the run ended")


def under_way(several: Several) -> bool:
    [row] = several.rows("select count(*) as steps from provisioning_steps where state = 'done'")
    return bool(row["steps"] >= 2)


def monitored(several: Several, run: dg.DagsterRun) -> str:
    """The run's status after the daemon's monitoring has looked at it."""
    record = several.instance.get_run_record_by_id(run.run_id)
    assert record is not None
    if record.dagster_run.status is dg.DagsterRunStatus.STARTED:
        workspace: Any = None  # asked only where runs are resumed, which the profile does not do
        monitor_started_run(several.instance, workspace, record, logging.getLogger("test"))
    return several.status(run)


@pytest.fixture(scope="module")
def clean() -> dict[str, Whole]:
    """What an undisturbed run leaves."""
    return {}


def test_a_tenant_is_provisioned_by_a_worker(
    fresh: Several, onboarding_form: Callable[..., dict[str, Any]], clean: dict[str, Whole]
) -> None:
    onboard(fresh, onboarding_form())

    run = fresh.launch("acme")

    assert ends(fresh, run) == "SUCCESS"
    assert fresh.rows("select deployment_status as status from organizations") == [{"status": "pending_qa"}]
    clean["acme"] = whole(fresh)  # type: ignore[arg-type]


def test_a_run_whose_worker_is_lost_is_noticed_and_its_successor_finishes_elsewhere_with_nothing_twice(
    fresh: Several, onboarding_form: Callable[..., dict[str, Any]], clean: dict[str, Whole]
) -> None:
    fresh.simulated.control("PUT", "latency", SLOW)
    onboard(fresh, onboarding_form())
    run = fresh.launch("acme")
    eventually(lambda: under_way(fresh), "the run was under way")
    assert monitored(fresh, run) == "STARTED"
    worker = fresh.worker_of(run)
    assert worker is not None

    worker.kill()
    fresh.simulated.control("PUT", "latency", AT_ONCE)
    lost = time.monotonic()
    eventually(lambda: monitored(fresh, run) == "FAILURE", "the lost run was noticed")

    assert time.monotonic() - lost >= SILENCE
    assert ends(fresh, fresh.launch("acme")) == "SUCCESS"
    assert not difference(whole(fresh), clean["acme"])  # type: ignore[arg-type]


def test_a_run_that_a_person_ends_is_cancelled_and_its_worker_takes_the_next(
    fresh: Several, onboarding_form: Callable[..., dict[str, Any]]
) -> None:
    fresh.simulated.control("PUT", "latency", SLOW)
    onboard(fresh, onboarding_form())
    run = fresh.launch("acme")
    eventually(lambda: under_way(fresh), "the run was under way")

    assert fresh.instance.run_launcher.terminate(run.run_id)

    assert ends(fresh, run) == "CANCELED"
    fresh.simulated.control("PUT", "latency", AT_ONCE)
    assert ends(fresh, fresh.launch("acme", dg.AssetKey("hosting_domain"))) == "SUCCESS"


def test_what_lies_in_redis_holds_no_secret(several: Several) -> None:
    """The instance's configuration travels with each run: with the names of environment variables, not with what they hold."""
    for worker in several.workers:
        worker.kill()
    run = several.launch("beta")

    with redis.Redis.from_url(several.broker) as client:
        [told] = client.lrange("dagster", 0, -1)

    assert run.run_id in told.decode()
    assert [name for name, secret in {**PLANTED, "SECRETS_KEY": SECRETS_KEY}.items() if secret in told.decode()] == []
    assert "postgresql" not in told.decode()
