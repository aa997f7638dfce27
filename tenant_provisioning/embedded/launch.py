"""How the parts come up: what waits for what, and how each is asked whether it is ready."""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tenant_provisioning.catalog.manifest import CATALOG_FILE, load_catalog
from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.embedded.environment import ca_file, environment_for_children, settings_of_stack
from tenant_provisioning.embedded.orchestration import (
    CodeServerWatch,
    DagsterReadiness,
    dagster_program,
    migration_program,
    note_storage_version,
    prepare_home,
    storage_needs_migration,
)
from tenant_provisioning.embedded.portal import Operator, PortalReadiness, create_account, operator_of, portal_program
from tenant_provisioning.embedded.ports import Ports
from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.embedded.processes import Program
from tenant_provisioning.embedded.supervisor import Supervisor
from tenant_provisioning.model.catalog import Catalog, ReportStrategy
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.migrate import migrate

TASKS = 8  # each has a thread of its own, because they wait for one another
DAGSTER_SECONDS = 600  # that a machine busy with other things may need

STILL_THERE, LAST_BREATH = "pre-existing shared memory block", 30.0  # PostgreSQL's words, and seconds


class Launch:
    """Brings the parts of one stack up under its supervisor. `settings` is what they and every command then share."""

    def __init__(self, supervisor: Supervisor, ports: Ports, catalog: Path, *, latency: str, scale: float) -> None:
        self._supervisor = supervisor
        self._ports = ports
        self._catalog = catalog
        self._latency, self._scale = latency, scale
        self._data_dir = supervisor.data_dir
        self.postgres = EmbeddedPostgres(
            self._data_dir, port=ports.postgres, note=lambda text: supervisor.tell("postgres", "note", text)
        )
        self.settings = settings_of_stack(self._data_dir, ports, self.postgres, catalog)
        self._environment = environment_for_children(self.settings)
        self.operator: Operator = operator_of(self._data_dir)

    def everything(self, *, dagster: bool) -> None:
        """Every part is ready. The first failure is raised, and ends the others' waiting."""
        with _crew(self._supervisor) as crew:
            database = crew.submit(self._start_postgres)
            simulator = crew.submit(self._start_simulator)
            catalog = crew.submit(self._load_catalog)
            schema = crew.submit(lambda: self._bring_up_schema(database, catalog))
            tasks: list[Future[Any]] = [
                database,
                simulator,
                catalog,
                schema,
                crew.submit(lambda: self._seed(simulator, catalog)),
            ]
            if dagster:
                # its sensors read the platform's tables, and its definitions the catalog
                tasks.append(crew.submit(lambda: self._start_dagster(schema)))
                tasks.append(crew.submit(lambda: self._create_operator(simulator)))
                tasks.append(crew.submit(lambda: self._start_portal(schema)))
            for task in as_completed(tasks):
                task.result()

    def _start_postgres(self) -> None:
        self.postgres.prepare()
        deadline = time.monotonic() + LAST_BREATH
        while True:
            try:
                self._supervisor.start(self.postgres.program(), self.postgres.accepts_connections)
                break
            except SetupError as error:
                # a server that was killed leaves children, who notice within seconds and go
                if STILL_THERE not in str(error) or time.monotonic() > deadline:
                    raise
                self._supervisor.pause(0.5)
        self.postgres.create_databases()

    def _start_simulator(self) -> None:
        folder = self._data_dir / "simulator"
        folder.mkdir(mode=0o700, exist_ok=True)
        ready_file = folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        options = {
            "--port": self._ports.simulator,
            "--dns-port": self._ports.dns,
            "--tds-port": self._ports.tds,
            "--ca-file": ca_file(self._data_dir),
            "--ready-file": ready_file,
            "--smtp-port": self._ports.mail_smtp,
            "--state": folder / "state.sqlite",
            "--latency": self._latency,
            "--scale": self._scale,
        }
        words = [str(word) for option in options.items() for word in option]
        program = Program(
            name="simulator",
            command=[sys.executable, "-m", "tenant_provisioning.simulator", *words],
            environment=self._environment,
            directory=folder,
        )
        self._supervisor.start(program, ready_file.exists)

    def _load_catalog(self) -> Catalog:
        if (self._catalog / CATALOG_FILE).exists():
            return load_catalog(self._catalog)
        return write_sample(self._catalog)

    def _bring_up_schema(self, database: Future[None], catalog: Future[Catalog]) -> None:
        database.result()
        asyncio.run(_migrate_and_sync(self.settings["DATABASE_URL"], catalog.result()))

    def _seed(self, simulator: Future[None], catalog: Future[Catalog]) -> None:
        """The template workspace of the simulated Power BI holds the reports that the catalog clones."""
        simulator.result()
        clones = [report for report in catalog.result().reports if report.strategy is ReportStrategy.CLONE]
        reports = [{"id": report.source_report_id, "name": report.title} for report in clones]
        trust = ssl.create_default_context(cafile=ca_file(self._data_dir))
        url = f"https://localhost:{self._ports.simulator}/_control/seed"
        answer = httpx.post(url, json={"reports": reports}, verify=trust, timeout=30, trust_env=False)
        if answer.status_code >= 300:
            raise SetupError(f"the simulator did not take the catalog's reports: {json.dumps(answer.text[:500])}")

    def _create_operator(self, simulator: Future[None]) -> None:
        simulator.result()
        create_account(self.operator, self.settings)

    def _start_portal(self, schema: Future[None]) -> None:
        schema.result()
        program = portal_program(self._environment, self._data_dir)
        self._supervisor.start(program, PortalReadiness(self._ports.portal))

    def _start_dagster(self, schema: Future[None]) -> None:
        schema.result()
        prepare_home(self._environment)
        storage = self.postgres.url("dagster")
        if storage_needs_migration(storage):
            self._supervisor.run(migration_program(self._environment))
        program = dagster_program(self._environment, port=self._ports.dagster)
        self._supervisor.start(
            program, DagsterReadiness(self._ports.dagster), within=DAGSTER_SECONDS, is_whole=CodeServerWatch()
        )
        note_storage_version(storage)


async def _migrate_and_sync(database_url: str, catalog: Catalog) -> None:
    await migrate(database_url)
    async with open_database(database_url) as database:
        await sync_catalog(database, catalog)


@contextmanager
def _crew(supervisor: Supervisor) -> Iterator[ThreadPoolExecutor]:
    crew = ThreadPoolExecutor(TASKS, thread_name_prefix="launch")
    try:
        yield crew
    except BaseException:
        supervisor.interrupt()
        raise
    finally:
        crew.shutdown()
