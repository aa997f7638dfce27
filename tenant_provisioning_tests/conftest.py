"""What every part's tests can ask for: a real PostgreSQL, the simulated vendors, the sample catalog, settings, and Acme.

Starting a server takes seconds and happens once a session; what a test gets of it, a database and a world, is its own. Folders
that need these things in another form override them in a conftest of their own.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import stamina
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from xdist.scheduler.loadscope import LoadScopeScheduling

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres
from tenant_provisioning.embedded.templates import write_dacpac
from tenant_provisioning.model.catalog import Catalog, ReportStrategy, TemplateReport, matching_reports
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.requests import submit
from tenant_provisioning.store.vault import generate_key
from tenant_provisioning.vendors._http import trust
from tenant_provisioning_tests.emptied import CATALOG, WITH_THE_SCHEMA, Databases

STARTING = 60  # seconds a busy machine may need
SUPER_ADMIN = "sam@yourplatform.com"
SECRETS_KEY = generate_key()


class ExplicitSettings(Settings):
    """Settings that come from their arguments alone: neither the environment nor a file of this machine has a say."""

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[Any, ...]:
        """The arguments."""
        return (sources["init_settings"],)


@dataclass(frozen=True)
class World:
    """The simulated vendors of one test, and what can be done to them from outside."""

    url: str
    ca_file: Path
    dns_port: int
    tds_port: int
    client: httpx.Client

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the control API; an error of the test when it refuses."""
        return self.client.request(method, f"/_control/{path}", json=body).raise_for_status().json()

    def reset(self, template_reports: list[dict[str, str]]) -> None:
        """The world before any tenant: template reports, no faults, every answer at once."""
        self.control("PUT", "latency", {"profile": "instant"})
        self.control("POST", "reset")
        self.control("POST", "seed", {"reports": template_reports})

    def snapshot(self) -> dict[str, Any]:
        """Everything that exists, by vendor."""
        return dict(self.control("GET", "snapshot"))

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """What the vendors were asked since the reset, oldest first; of one operation ("fabric.create_workspace") if given."""
        seen = self.control("GET", "requests")["requests"]
        return [one for one in seen if operation in (None, f"{one['vendor']}.{one['operation']}")]

    def fault(self, operation: str, kind: str, **plan: Any) -> str:
        """Put a fault in the way of an operation ("fabric.create_workspace"); its id."""
        vendor, _, name = operation.partition(".")
        return str(self.control("POST", "faults", {"vendor": vendor, "operation": name, "kind": kind, **plan})["id"])

    def fault_struck(self, fault_id: str) -> int:
        """How often the fault has happened."""
        return next(
            int(known["struck"]) for known in self.control("GET", "faults")["faults"] if known["id"] == fault_id
        )

    def clear_faults(self) -> None:
        """Everything works again."""
        self.control("DELETE", "faults")


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Retries and polls go on at once."""
    with stamina.set_testing(True, attempts=6, cap=True):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One throw-away PostgreSQL for the session."""
    with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def catalog_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample catalog as files; not to be written to."""
    folder = tmp_path_factory.mktemp("catalog") / "sample"
    write_sample(folder)
    return folder


@pytest.fixture(scope="session")
def sample_catalog(catalog_folder: Path) -> Catalog:
    """The sample catalog of 400 template reports."""
    return write_sample(catalog_folder)


@pytest.fixture(scope="session")
def template_database(postgres_server: EmbeddedPostgres, sample_catalog: Catalog) -> str:
    """The name of a migrated database that knows the catalog and nothing else; copies of it are cheap."""
    name = "template_platform"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    async def fill() -> None:
        await migrate(postgres_server.url(name))
        async with open_database(postgres_server.url(name), max_size=1) as db:
            await sync_catalog(db, sample_catalog)

    asyncio.run(fill())
    return name


@pytest.fixture(scope="session")
def new_database(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Callable[[], str]]:
    """Makes databases like the template; gives their addresses. They go with the server."""
    numbers = itertools.count(1)
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:

        def make() -> str:
            name = f"platform_{next(numbers)}"
            copy = sql.SQL("create database {} template {} strategy wal_log")
            connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template_database)))
            return postgres_server.url(name)

        yield make


@pytest.fixture(scope="session")
def platform_databases(new_database: Callable[[], str]) -> Iterator[Databases]:
    """Databases that know the catalog, used again when a test is done with them."""
    with Databases(new_database, kept=(*WITH_THE_SCHEMA, *CATALOG)) as databases:
        yield databases


@pytest.fixture
def platform_url(platform_databases: Databases) -> Iterator[str]:
    """The address of a platform database of the test's own, which knows the catalog."""
    with platform_databases.one() as url:
        yield url


@pytest.fixture
async def platform_db(platform_url: str) -> AsyncIterator[Database]:
    """That database, open."""
    async with open_database(platform_url) as db:
        yield db


@pytest.fixture(scope="session")
def world_mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    """Where the mails arrive that the simulated vendors send themselves; emptied by nobody."""
    with MailSink(tmp_path_factory.mktemp("world") / "mail") as sink:
        yield sink


@pytest.fixture(scope="session")
def world_process(tmp_path_factory: pytest.TempPathFactory, world_mail: MailSink) -> Iterator[World]:
    """One simulator process for the session."""
    folder = tmp_path_factory.mktemp("simulator")
    ready, ca_file = folder / "ready.json", folder / "ca.pem"
    options = {"port": 0, "dns-port": 0, "ca-file": ca_file, "ready-file": ready, "latency": "instant"}
    options["smtp-port"] = world_mail.smtp_port
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tenant_provisioning.simulator", *arguments], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + STARTING
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the simulator did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        told = json.loads(ready.read_text())
        with httpx.Client(base_url=told["url"], verify=trust(ca_file), trust_env=False) as client:
            yield World(told["url"], ca_file, told["dns_port"], told["tds_port"], client)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def template_reports(sample_catalog: Catalog) -> list[dict[str, str]]:
    """The reports that clones are made of, as the control API takes them."""
    clones = (template for template in sample_catalog.reports if template.strategy is ReportStrategy.CLONE)
    return [{"id": str(template.source_report_id), "name": template.title} for template in clones]


@pytest.fixture
def world(world_process: World, template_reports: list[dict[str, str]]) -> World:
    """The simulated vendors before any tenant, with the template reports of the sample catalog."""
    world_process.reset(template_reports)
    return world_process


@pytest.fixture(scope="session")
def dacpac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .dacpac with the platform's tables."""
    return write_dacpac(tmp_path_factory.mktemp("templates") / "data_store.dacpac")


@pytest.fixture(scope="session")
def make_settings(catalog_folder: Path, dacpac: Path) -> Callable[[World, str], Settings]:
    """Makes settings that point at a world and a database. A vendor's failure is told at once, not tried six times."""

    def make(world: World, database_url: str) -> Settings:
        simulated: dict[str, Any] = {name.lower(): value for name, value in SIMULATED_WORLD.items()}
        return ExplicitSettings(
            **simulated,
            database_url=database_url,
            secrets_key=SECRETS_KEY,
            catalog_path=catalog_folder,
            entra_authority_url=world.url,
            fabric_api_url=f"{world.url}/v1",
            powerbi_api_url=f"{world.url}/v1.0/myorg",
            arm_api_url=world.url,
            sql_gateway=f"127.0.0.1:{world.tds_port}",
            data_store_dacpac_path=dacpac,
            godaddy_api_url=world.url,
            vercel_api_url=world.url,
            supabase_url=world.url,
            tls_ca_file=world.ca_file,
            dns_nameservers=f"127.0.0.1:{world.dns_port}",
            smtp_host="127.0.0.1",
            smtp_port=1,
            smtp_starttls=False,
            call_attempts=1,
            # this world's vendors take any number of calls
            godaddy_calls_per_minute=0,
            vercel_domains_per_hour=0,
            fabric_calls_per_minute=0,
            powerbi_queries_per_minute=0,
            mails_per_minute=0,
            call_timeout=20,
            operation_deadline=60,
        )

    return make


@pytest.fixture
def settings(make_settings: Callable[[World, str], Settings], world: World, platform_url: str) -> Settings:
    """Settings that point at this test's world and database."""
    return make_settings(world, platform_url)


@pytest.fixture(scope="session")
def onboarding_form() -> Callable[..., dict[str, Any]]:
    """Makes the form of an organization with this subdomain, Acme's by default; other fields as given."""

    def make(subdomain: str = "acme", **fields: Any) -> dict[str, Any]:
        return {
            "name": f"{subdomain.title()} Training",
            "subdomain": subdomain,
            "lms": "APTEM",
            "english_maths": "BKSB",
            "crm": "HUBSPOT",
            "super_users": [
                {"email": f"ada@{subdomain}.example", "first_name": "Ada", "last_name": "Admin"},
                {"email": f"bob@{subdomain}.example", "first_name": "Bob", "last_name": "Boss"},
            ],
        } | fields

    return make


@pytest.fixture
def onboard(platform_db: Database, onboarding_form: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Submits the onboarding form of a subdomain: `await onboard("acme")` is the new organization."""

    async def onboard(subdomain: str = "acme", **fields: Any) -> Organization:
        form = onboarding_form(subdomain, **fields)
        return await submit(platform_db, form, requested_by=SUPER_ADMIN, default_domain="yourplatform.com")

    return onboard


@pytest.fixture
async def acme(onboard: Callable[..., Any]) -> Organization:
    """Acme Training, submitted and not begun."""
    organization: Organization = await onboard("acme")
    return organization


@pytest.fixture
def open_ctx(settings: Settings) -> Callable[..., AbstractAsyncContextManager[StepContext]]:
    """`async with open_ctx("acme") as ctx` is the context of a step, with these settings changed if given."""

    @asynccontextmanager
    async def opened(subdomain: str = "acme", run_id: str = "run-1", **changes: Any) -> AsyncIterator[StepContext]:
        async with open_context(settings.model_copy(update=changes), subdomain, run_id) as ctx:
            yield ctx

    return opened


@pytest.fixture(scope="session")
def acme_reports(sample_catalog: Catalog) -> tuple[TemplateReport, ...]:
    """The 42 templates that match Acme's providers."""
    return matching_reports(sample_catalog.reports, {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"})


# a busy machine is no mistake
hypothesis_settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("house")


JOURNEYS = "journeys"
ALONGSIDE = "journeys/test_one_customer.py"  # the longest journey, which the others' runs go beside
# what is small fills the gaps at the end
LONGEST_FIRST = (
    ALONGSIDE, JOURNEYS, "portal/test_in_browser.py", "deploy/test_celery.py", "simulator", "store", "defs/test_quality.py",
    "faults", "bench", "embedded", "defs", "steps", "vendors",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first, so that the workers end together."""
    for item in items:
        if item.get_closest_marker("journey"):
            item.add_marker(pytest.mark.timeout(900))  # each step of theirs has a deadline of its own
    items.sort(key=lambda item: _turn(_place(item.nodeid)))


def _place(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tenant_provisioning_tests/")


def _turn(place: str) -> int:
    return next((turn for turn, first in enumerate(LONGEST_FIRST) if place.startswith(first)), len(LONGEST_FIRST))


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """What shares a server, a stack or a module's fixtures stays in one worker."""

    def _split_scope(self, nodeid: str) -> str:
        place = _place(nodeid)
        folder = place.partition("/")[0]
        # these folders start something of their own, the others use the servers of the session
        return folder if folder in {JOURNEYS, "simulator", "store"} else place


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServer:
    """How the tests are shared out where there is more than one worker."""
    return ByServer(config, log)
