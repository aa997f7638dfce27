"""A person asks for another attempt at one report alone: that is what is launched, and what else has failed stays failed."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.sensors import onboarding_sensor, run_failure_sensor
from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import organizations, progress, requests
from tenant_provisioning.store.database import Database

RUN_KEY = "dagster/run_key"


@dg.job
def any_job() -> None: ...


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def tick(instance: dg.DagsterInstance, settings: Settings, sample_catalog: Catalog) -> Callable[[Any], Any]:
    """What a sensor answers now, asked in a thread of its own as the daemon does."""
    platform = Platform(lambda: settings.model_copy(update={"sensor_wait": 0}))
    platform.catalog = sample_catalog

    def look(sensor: dg.SensorDefinition) -> Any:
        return sensor(dg.build_sensor_context(instance=instance, resources={"platform": platform}))

    return look


@pytest.fixture
async def failed(platform_db: Database, acme: Organization) -> Organization:
    """Acme, two of whose reports have failed."""
    await organizations.claim(platform_db, acme.id, "run-1", actor="test")
    for report in ("reports/a", "reports/b"):
        await progress.start_step(platform_db, acme.id, report, run_id="run-1")
        await progress.fail_step(platform_db, acme.id, report, f"{report} is damaged")
    await organizations.move(platform_db, acme.id, Status.FAILED, actor="test", reason="two are damaged")
    await organizations.release(platform_db, acme.id, "run-1")
    return acme


async def test_one_report_alone_is_retried_and_the_other_stays_failed_until_it_is_mended_too(
    failed: Organization, platform_db: Database, instance: dg.DagsterInstance, tick: Callable[[Any], Any]
) -> None:
    for attempt, report in enumerate(("reports/a", "reports/b"), start=2):
        await requests.retry(platform_db, failed.id, actor="sam", selection=[report])
        (launch,) = (await asyncio.to_thread(tick, onboarding_sensor)).run_requests
        assert launch.asset_selection == [dg.AssetKey(report.split("/"))]
        assert launch.run_key.endswith(f":{attempt}")
        run = instance.create_run_for_job(any_job, tags={RUN_KEY: launch.run_key}, status=dg.DagsterRunStatus.SUCCESS)
        await organizations.claim(platform_db, failed.id, run.run_id, actor="test")
        await progress.start_step(platform_db, failed.id, report, run_id=run.run_id)
        await progress.finish_step(platform_db, failed.id, report)

        await asyncio.to_thread(tick, run_failure_sensor)

        now = await organizations.get_organization(platform_db, failed.id)
        assert now.claimed_by_run is None
        if report == "reports/a":
            assert now.status is Status.FAILED
            assert now.status_reason == "1 of 2 reports could not be deployed: “reports/b”: reports/b is damaged."
        else:
            assert now.status is Status.PROVISIONING
    (work,) = await requests.list_work(platform_db)
    assert (work.attempt, work.selection) == (4, ())
