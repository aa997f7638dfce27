"""The parts around the workers of the profile for several machines: database, vendors, Redis, Dagster's daemon and code server.

They run on this machine and listen on loopback, Redis also where it is told; the workers are started by whoever measures.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.embedded.ports import free_port, is_free
from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning.embedded.templates import write_dacpac
from tenant_provisioning.model.catalog import Catalog, ReportStrategy
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.requests import submit
from tenant_provisioning.store.vault import generate_key
from tenant_provisioning_tests.bench.stack import limits_of
from tenant_provisioning_tests.deploy.celery import PROFILE, redis_server

STARTING, LOOK_AGAIN = 600, 0.2
SINGLE, WORKSPACE = PROFILE.parents[2] / "dagster.yaml", PROFILE.with_name("workspace.yaml")
LOOPBACK = "127.0.0.1"


@dataclass
class Parts:
    """What runs, and what is asked of it. As far as a state's comparison goes it is a laboratory."""

    folder: Path
    environment: Mapping[str, str]  # of what runs on this machine
    vendors: httpx.Client
    database_url: str
    storage_url: str
    mail: MailSink
    tcp: Sequence[int]  # the ports that workers need
    udp: Sequence[int]
    cleanup: contextlib.ExitStack

    def environment_at(self, gateway: str) -> dict[str, str]:
        """The environment of a worker that reaches this machine at an address of its own."""
        ours = {*Settings.model_fields, "dagster_pg_url", "celery_broker", "celery_backend"}
        return {
            name: value.replace(LOOPBACK, gateway) if name.lower() in ours else value
            for name, value in self.environment.items()
        }

    @property
    def world(self) -> "Parts":
        """Who is asked for vendors' things and mails."""
        return self

    def ask(self, what: str) -> Any:
        """The vendors' things, or the mails that arrived."""
        if what == "mails":
            return [(mail.recipients, mail.subject, "") for mail in self.mail.mails.listed()]
        return self.control("GET", what)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the simulator's control API."""
        return self.vendors.request(method, f"/_control/{path}", json=body).raise_for_status().json()

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What the platform database answers."""
        return self._rows(self._platform, query, arguments)

    def answers(self, *queries: str) -> list[list[dict[str, Any]]]:
        """What the platform database answers to each."""
        return [self.rows(query) for query in queries]

    def dagster_rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What Dagster's storage answers."""
        return self._rows(self._storage, query, arguments)

    @cached_property
    def _platform(self) -> "psycopg.Connection[dict[str, Any]]":
        return self._connected(self.database_url)

    @cached_property
    def _storage(self) -> "psycopg.Connection[dict[str, Any]]":
        return self._connected(self.storage_url)

    def _connected(self, url: str) -> "psycopg.Connection[dict[str, Any]]":
        # kept: to be asked over a new one each time would be the dearest thing that the server does
        return self.cleanup.enter_context(psycopg.connect(url, autocommit=True, row_factory=dict_row))

    @staticmethod
    def _rows(
        connection: "psycopg.Connection[dict[str, Any]]", query: str, arguments: Sequence[Any]
    ) -> list[dict[str, Any]]:
        return connection.execute(query.encode(), arguments).fetchall()

    def submit(self, *subdomains: str) -> float:
        """The forms of these customers, each with 42 reports, are in the database; when the first was."""
        began = time.time()
        asyncio.run(self._submit(subdomains))
        return began

    async def _submit(self, subdomains: Sequence[str]) -> None:
        async with open_database(self.database_url) as db:
            for name in subdomains:
                person = {"email": f"jo@{name}.example", "first_name": "Jo", "last_name": "Bloggs"}
                providers = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
                form = {"name": f"{name} Ltd", "subdomain": name, **providers, "super_users": [person]}
                await submit(db, form, requested_by="bench", default_domain="yourplatform.com")

    def finished(self, *subdomains: str, within: float) -> float:
        """When the last of their runs ended, once all wait for QA and no run holds them. Raises when they do not come so far."""
        query = """select count(*) filter (where deployment_status = 'pending_qa' and claimed_by_run is null) as done
                   from organizations where subdomain = any(%s)"""
        self.wait(lambda: self.rows(query, list(subdomains))[0]["done"] == len(subdomains), within, "all are done")
        ended = "select max(end_time) as at from runs where partition = any(%s) and status = 'SUCCESS'"
        return float(self.dagster_rows(ended, list(subdomains))[0]["at"])

    def wait_until_ready(self) -> None:
        """The sensors look for rows."""
        ticks = "select count(*) as ticks from job_ticks"
        self.wait(lambda: self.dagster_rows(ticks)[0]["ticks"], STARTING, "the sensors look for rows")

    def wait(self, question: Callable[[], Any], within: float, what: str) -> None:
        """Asks until it is so."""
        deadline = time.monotonic() + within
        while not question():
            if time.monotonic() > deadline:
                states = self.rows(
                    "select subdomain, deployment_status, status_reason, claimed_by_run from organizations"
                )
                raise RuntimeError(f"after {within:.0f} seconds still not: {what}\n{states}")
            time.sleep(LOOK_AGAIN)


@contextlib.contextmanager
def parts(
    *,
    profile: Path,
    redis_at: str,
    runs: int,
    latency: str,
    scale: float = 1.0,
    changes: Mapping[str, str] | None = None,
) -> Iterator[Parts]:
    """Everything but the workers, soon ready; `runs` may run at a time, and `changes` are made in the text of the profile."""
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bench-several-")))
        folder.chmod(0o711)
        postgres = cleanup.enter_context(throwaway_postgres())
        catalog = write_sample(folder / "catalog")
        asyncio.run(_fill(postgres.url("platform"), catalog))
        mail = cleanup.enter_context(MailSink(folder / "mail"))
        world = cleanup.enter_context(_simulator(folder, mail.smtp_port, latency, scale))
        redis = cleanup.enter_context(redis_server(folder, redis_at))
        url = world["url"]
        ours = {
            **SIMULATED_WORLD, **limits_of(latency),
            "DATA_DIR": str(folder), "DATABASE_URL": postgres.url("platform"), "SECRETS_KEY": generate_key(),
            "CATALOG_PATH": str(folder / "catalog"), "ENTRA_AUTHORITY_URL": url, "FABRIC_API_URL": f"{url}/v1",
            "POWERBI_API_URL": f"{url}/v1.0/myorg", "ARM_API_URL": url, "SQL_GATEWAY": f"{LOOPBACK}:{world['tds_port']}",
            "DATA_STORE_DACPAC_PATH": str(write_dacpac(folder / "data_store.dacpac")), "GODADDY_API_URL": url,
            "VERCEL_API_URL": url, "SUPABASE_URL": url, "TLS_CA_FILE": world["ca_file"],
            "DNS_NAMESERVERS": f"{LOOPBACK}:{world['dns_port']}", "SMTP_HOST": LOOPBACK, "SMTP_PORT": str(mail.smtp_port),
            "SMTP_STARTTLS": "false", "DAGSTER_HOME": str(folder / "home"),
            "DAGSTER_PG_URL": postgres.url("dagster", driver="psycopg2"),
            "CELERY_BROKER": f"{redis}/0", "CELERY_BACKEND": f"{redis}/1", "MAX_CONCURRENT_RUNS": str(runs),
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        environment = {**kept, **ours, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}
        text = profile.read_text()
        for found, instead in (changes or {}).items():
            text = text.replace(found, instead)
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_text(text)
        trust = ssl.create_default_context(cafile=world["ca_file"])
        vendors = cleanup.enter_context(httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=60))
        clones = [report for report in catalog.reports if report.strategy is ReportStrategy.CLONE]
        seed = {"reports": [{"id": report.source_report_id, "name": report.title} for report in clones]}
        vendors.post("/_control/seed", json=seed).raise_for_status()
        ports = [int(re.findall(r":(\d+)", address)[-1]) for address in (url, postgres.url("platform"))]
        told = Parts(
            folder, environment, vendors, postgres.url("platform"), postgres.url("dagster"), mail,
            [*ports, world["tds_port"], mail.smtp_port], [world["dns_port"]], cleanup,
        )  # fmt: skip
        cleanup.enter_context(_daemon(told))
        yield told
        if keep := os.environ.get("BENCH_KEEP"):
            shutil.copytree(folder, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))


async def _fill(url: str, catalog: Catalog) -> None:
    await migrate(url)
    async with open_database(url) as db:
        await sync_catalog(db, catalog)


@contextlib.contextmanager
def _simulator(folder: Path, smtp_port: int, latency: str, scale: float) -> Iterator[dict[str, Any]]:
    ready = folder / "simulator.json"
    options = {
        "ca-file": folder / "ca.pem", "ready-file": ready, "smtp-port": smtp_port, "latency": latency, "scale": scale,
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with _program([sys.executable, "-m", "tenant_provisioning.simulator", *words], folder / "simulator.log") as process:
        _until(ready.exists, process, folder / "simulator.log")
        yield json.loads(ready.read_text())


@contextlib.contextmanager
def _daemon(told: Parts) -> Iterator[None]:
    """Daemon and code server. No webserver: nobody looks."""
    port, log = str(free_port()), told.folder / "daemon.log"
    workspace = WORKSPACE.read_text().replace("4000", port).replace("{env: CODE_SERVER_HOST}", LOOPBACK)
    (told.folder / "workspace.yaml").write_text(workspace)
    # a service of its own, as on several machines: one that the daemon starts ends when the daemon is too busy to greet it
    code_server = [
        sys.executable, "-m", "dagster", "api", "grpc", "-m", "tenant_provisioning.definitions", "-h", LOOPBACK, "-p", port,
    ]  # fmt: skip
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(told.folder / "workspace.yaml")]
    # on an empty storage two processes would race to make its tables
    migration = [sys.executable, "-m", "dagster", "instance", "migrate"]
    subprocess.run(migration, env=dict(told.environment), cwd=told.folder, check=True, capture_output=True)
    its_log = told.folder / "code_server.log"
    with _program(code_server, its_log, told.environment, told.folder) as process:
        _until(lambda: not is_free(int(port)), process, its_log)
        with _program(daemon, log, told.environment, told.folder):
            yield


@contextlib.contextmanager
def _program(
    words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=output, env=environment and dict(environment), cwd=folder
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(question: Callable[[], Any], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTING
    while not question():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-3000:]}")
        time.sleep(LOOK_AGAIN)
