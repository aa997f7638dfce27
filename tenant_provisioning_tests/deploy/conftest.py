"""The profile for several machines on one: Redis, two workers with a process each, and the instance as the daemon sees it.

There is no daemon: a test hands runs to the launcher itself, and does what the daemon's monitoring and retries would do by calling
them. `make bench` has the daemon, and hosts of their own.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from psycopg.rows import dict_row

from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.settings import Settings
from tenant_provisioning_tests.conftest import World
from tenant_provisioning_tests.deploy.celery import (
    REDIS,
    Worker,
    environment_of,
    prepare_home,
    redis_server,
    start_worker,
)
from tenant_provisioning_tests.faults.lab import TRIGGERS, Rows

NUMBERS = itertools.count(1)

SILENCE = 2  # seconds; the profile's minute is for machines that are not this one


@dataclass
class Several:
    """The machines, as far as a test needs them; for the state's comparison it passes as a laboratory."""

    instance: dg.DagsterInstance
    repository: ReconstructableRepository
    workers: list[Worker]
    broker: str
    database_url: str
    simulated: World
    wanted: list[dg.AssetKey] = field(default_factory=list)

    @property
    def world(self) -> "Several":
        """Who is asked what there is at the vendors."""
        return self

    def ask(self, what: str) -> Any:
        """The vendors' things. Mails are not sent before go live."""
        return self.simulated.snapshot() if what == "snapshot" else []

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What the platform database answers."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), arguments).fetchall()

    def answers(self, *queries: str) -> list[list[dict[str, Any]]]:
        """What the platform database answers to each."""
        return [self.rows(query) for query in queries]

    def launch(self, tenant: str, *only: dg.AssetKey) -> dg.DagsterRun:
        """A run that makes everything for the tenant, or these assets only, handed to the launcher."""
        self.instance.add_dynamic_partitions("tenant", [tenant])
        job = self.repository.get_reconstructable_job("provision_tenant")
        run = self.instance.create_run_for_job(
            job.get_definition(),
            asset_selection=frozenset(only or self.wanted),
            tags={"dagster/partition": tenant},
            job_code_origin=job.get_python_origin(),
        )
        workspace: Any = None  # the launcher hands over the run's origin and asks for no more
        return self.instance.launch_run(run.run_id, workspace)

    def status(self, run: dg.DagsterRun) -> str:
        """The run's status now."""
        now = self.instance.get_run_by_id(run.run_id)
        assert now is not None
        return now.status.value

    def worker_of(self, run: dg.DagsterRun) -> Worker | None:
        """The worker that is at this run."""
        launcher: Any = self.instance.run_launcher
        answers = launcher.celery.control.inspect(timeout=1).active() or {}
        for host, tasks in answers.items():
            if any(run.run_id in str(task["kwargs"]) for task in tasks):
                return next(worker for worker in self.workers if worker.name == host)
        return None


@pytest.fixture(scope="module")
def several(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: EmbeddedPostgres,
    new_database: Callable[[], str],
    world_process: World,
    make_settings: Callable[[World, str], Settings],
    acme_reports: Any,
) -> Iterator[Several]:
    """Redis and two workers; skipped where there is no Redis."""
    if REDIS is None:
        pytest.skip("redis-server is not installed: the profile for several machines is not tried out")
    folder: Path = tmp_path_factory.mktemp("several")
    settings = make_settings(world_process, new_database())
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database dagster_of_several")
    with ExitStack() as cleanup:
        broker = cleanup.enter_context(redis_server(folder))
        patch = cleanup.enter_context(pytest.MonkeyPatch.context())
        environment = environment_of(settings) | {
            "DAGSTER_HOME": str(folder / "home"),
            "DAGSTER_PG_URL": postgres_server.url("dagster_of_several", driver="psycopg2"),
            "CELERY_BROKER": f"{broker}/0",
            "CELERY_BACKEND": f"{broker}/1",
            "MAX_CONCURRENT_RUNS": "2",
        }
        prepare_home(folder / "home", lambda text: text.replace(
            "  config:\n    broker", f"  config:\n    silence_seconds: {SILENCE}\n    broker"
        ))  # fmt: skip
        workers = [start_worker(name, folder, environment, concurrency=1) for name in ("first@here", "second@here")]
        for worker in workers:
            cleanup.callback(worker.kill)
        for name in set(environment) - set(os.environ):
            patch.setenv(name, environment[name])
        patch.setenv("CATALOG_PATH", environment["CATALOG_PATH"])
        repository = ReconstructableRepository.for_module("tenant_provisioning.definitions", "defs")
        keys = repository.get_definition().asset_graph.get_all_asset_keys()
        matching = {template.key for template in acme_reports}
        wanted = [
            key for key in keys if key.path[-1] in matching or (len(key.path) == 1 and key.path[0] != "live_tenant")
        ]
        instance = cleanup.enter_context(dg.DagsterInstance.get())
        for worker in workers:
            worker.wait_until_ready()
        yield Several(
            instance, repository, workers, broker, settings.database_url.get_secret_value(), world_process, wanted
        )


@pytest.fixture
def fresh(several: Several, world: World, onboarding_form: Callable[..., dict[str, Any]]) -> Iterator[Several]:
    """The machines with vendors and rows as before any tenant, and again so afterwards."""
    with psycopg.connect(several.database_url, autocommit=True) as connection:
        for (command,) in connection.execute(TRIGGERS).fetchall():
            connection.execute(command)
        before = Rows.of(connection, f"kept_{next(NUMBERS)}")
        yield several
        before.bring_back(connection)
