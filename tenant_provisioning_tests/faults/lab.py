"""One worker's laboratory: a platform database, a world, a small tenant, and the books of runs; all can be kept and brought back.

What a person, the sensors and the runs do here is the product's own code. Time passes by turning the rows' clocks back.
"""

import asyncio
import copy
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import stamina
from psycopg import sql

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.credentials import entra_tokens
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.model.catalog import Catalog, ReportStrategy, matching_reports
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.vault import generate_key
from tenant_provisioning_tests.faults.runs import Jobs, Runs
from tenant_provisioning_tests.faults.world import WorldProcess

TENANT = "acme"
FORM = {
    "name": "Acme Training", "subdomain": TENANT, "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
    "super_users": [
        {"email": "ada@acme.example", "first_name": "Ada", "last_name": "Admin"},
        {"email": "bob@acme.example", "first_name": "Bob", "last_name": "Boss"},
    ],
}  # fmt: skip
PLANTED = {
    "ENTRA_CLIENT_SECRET": "simulated-client-secret",
    "GODADDY_API_SECRET": "simulated-godaddy-secret",
    "VERCEL_TOKEN": "simulated-vercel-token",
    "SUPABASE_SERVICE_ROLE_KEY": "simulated-service-role-key",
    "SUPABASE_ANON_KEY": "simulated-anon-key",
}
UNCHANGING = {"providers", "module_templates", "module_features", "report_templates", "roles", "schema_migrations"}
TIME_PASSES = """
    update organizations set next_attempt_at = now() where next_attempt_at > now();
    update email_outbox set not_before = least(not_before, now()), claimed_at = claimed_at - interval '1 hour';
    update qa_results set checked_at = checked_at - interval '1 hour'
    where id in (select max(id) from qa_results where outcome = 'not_carried_out' group by organization_id)"""

# triggers that fire always fire in the lab for everybody but `Rows`, which turns back time
TRIGGERS = """
    select format('alter table %s enable trigger %I', tgrelid::regclass, tgname) from pg_trigger where tgenabled = 'A'"""
END_OTHERS = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and application_name = 'tenant-provisioning'"""


class ExplicitSettings(Settings):
    """Settings that come from their arguments alone."""

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[Any, ...]:
        return (sources["init_settings"],)


@dataclass
class Said:
    """Everything that the product told anybody: log lines, errors, events."""

    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        return "\n".join(self.lines)


class _Ear(logging.Handler):
    """Hears every log line."""

    def __init__(self, said: Said) -> None:
        super().__init__(logging.INFO)
        self._said = said
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._said.lines.append(self.format(record))


def small_catalog(folder: Path) -> Catalog:
    """The sample catalog with two templates that Acme gets, one of each strategy, and one that it does not get."""
    whole = write_sample(folder)
    fitting = matching_reports(whole.reports, {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"})
    first = {one.strategy: one for one in reversed(fitting)}
    chosen = [first[strategy] for strategy in (ReportStrategy.CLONE, ReportStrategy.IMPORT)]
    other = next(one for one in whole.reports if one not in fitting)
    return replace(whole, reports=(*chosen, other))


@dataclass(frozen=True)
class Rows:
    """Every row of the platform database, copied within the server, and how far its sequences have come.

    Brought back in one exchange, unlike a database.
    """

    copies: tuple[tuple[str, str], ...]  # a table, and where its rows are kept
    sequences: dict[str, int | None]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any], schema: str) -> "Rows":
        """Those that are there now, kept in a schema of this name."""
        tables = connection.execute(
            """select format('%%I.%%I', schemaname, tablename), format('%%I.%%I', %(schema)s::text, schemaname || '_' || tablename)
               from pg_tables where schemaname in ('public', 'auth') and tablename <> all (%(unchanging)s)""",
            {"schema": schema, "unchanging": list(UNCHANGING)},
        ).fetchall()
        with connection.transaction():
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
            for table, copied in tables:
                connection.execute(f"create unlogged table {copied} as table {table}".encode())
        sequences = connection.execute(
            "select format('%I.%I', schemaname, sequencename), last_value from pg_sequences where schemaname = 'public'"
        )
        return cls(tuple(tables), dict(sequences.fetchall()))

    def bring_back(self, connection: psycopg.Connection[Any]) -> None:
        """These and no others."""
        connection.execute(END_OTHERS)
        with connection.pipeline(), connection.transaction():
            connection.execute("set local session_replication_role = replica")  # neither triggers nor foreign keys
            for table, copied in self.copies:
                connection.execute(f"delete from {table}".encode())  # noqa: S608 - the catalog named it
                connection.execute(
                    f"insert into {table} overriding system value select * from {copied}".encode()  # noqa: S608
                )
            for sequence, value in self.sequences.items():
                connection.execute("select setval(%s, %s, %s)", (sequence, value or 1, value is not None))


@dataclass(frozen=True)
class Moment:
    """A point in the tenant's story that can be gone back to; `run` and `done` are those of the run that was under way."""

    name: str
    rows: "Rows"
    runs: Runs
    run: str | None
    done: frozenset[str]


class Lab:
    """See the module. `number` tells the laboratories of one server apart."""

    def __init__(self, postgres_url: Callable[[str], str], number: int, folder: Path, *, attempts: int = 1) -> None:
        self._folder, self._attempts = folder, attempts
        self.world = WorldProcess(folder)
        self.catalog = small_catalog(folder / "catalog")
        self.said = Said()
        self._ear = _Ear(self.said)
        logging.getLogger().addHandler(self._ear)
        logging.getLogger().setLevel(logging.INFO)
        stamina.set_testing(True, attempts=10, cap=True)  # nobody waits; how often a call is tried says CALL_ATTEMPTS
        name = f"faults_{os.getpid()}_{number}"
        with psycopg.connect(postgres_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        self.url = postgres_url(name)
        asyncio.run(self._fill())
        self._rows = psycopg.connect(self.url, autocommit=True, row_factory=psycopg.rows.dict_row)
        self._reader = psycopg.connect(self.url, autocommit=True)
        for (statement,) in self._reader.execute(TRIGGERS).fetchall():
            self._reader.execute(statement.encode())
        self.world.ask("seed_reports", [
            (report.source_report_id, report.title) for report in self.catalog.reports if report.source_report_id
        ])  # fmt: skip
        self.runs, self._kept = Runs(), 0
        self._configure()
        self.jobs = Jobs(self.platform)
        self._beginning = self.keep("beginning")

    def close(self) -> None:
        """Its connections are closed, and it hears nothing any more."""
        self._rows.close()
        self._reader.close()
        logging.getLogger().removeHandler(self._ear)
        stamina.set_testing(False)

    def begin(self) -> None:
        """Back to the time before the tenant."""
        self.go_back_to(self._beginning)

    def keep(self, name: str, run: str | None = None, done: frozenset[str] = frozenset()) -> Moment:
        """This moment, to go back to."""
        self.world.ask("keep", name)
        self._kept += 1
        return Moment(name, Rows.of(self._reader, f"kept_{self._kept}"), copy.deepcopy(self.runs), run, done)

    def go_back_to(self, moment: Moment, **settings: Any) -> None:
        """Everything is as it was at that moment; with these settings changed."""
        self.world.ask("bring_back", moment.name)
        moment.rows.bring_back(self._reader)
        self.runs = copy.deepcopy(moment.runs)
        self.said.lines.clear()
        self._configure(**settings)

    def time_passes(self) -> None:
        """What waits for a time waits no longer."""
        self._reader.execute(TIME_PASSES)

    def new_process(self) -> None:
        """What a process keeps in memory is forgotten."""
        entra_tokens.cache_clear()

    def answers(self, *queries: str) -> list[list[dict[str, Any]]]:
        """What the platform database answers to each, all asked in one exchange."""
        with self._rows.pipeline():
            asked = [self._rows.execute(query.encode()) for query in queries]
        return [answer.fetchall() for answer in asked]

    def _configure(self, **settings: Any) -> None:
        simulated = {name.lower(): value for name, value in SIMULATED_WORLD.items()}
        world = self.world
        self.settings = ExplicitSettings(**{
            **simulated,
            "data_store_kinds": "lakehouse",
            "database_url": self.url,
            "secrets_key": KEY,
            "catalog_path": self._folder / "catalog",
            "entra_authority_url": world.url,
            "fabric_api_url": f"{world.url}/v1",
            "powerbi_api_url": f"{world.url}/v1.0/myorg",
            "godaddy_api_url": world.url,
            "vercel_api_url": world.url,
            "supabase_url": world.url,
            "tls_ca_file": world.ca_file,
            "dns_nameservers": f"127.0.0.1:{world.dns_port}",
            "sql_gateway": f"127.0.0.1:{world.tds_port}",
            "smtp_host": "127.0.0.1",
            "smtp_port": world.smtp_port,
            "smtp_starttls": False,
            "call_attempts": self._attempts,
            "call_timeout": 20,
            "operation_deadline": 60,
            "step_retry_wait": 0,
            **dict.fromkeys(("godaddy_calls_per_minute", "fabric_calls_per_minute"), 0),  # its vendors take any number
            **dict.fromkeys(("powerbi_queries_per_minute", "mails_per_minute"), 0),
            "sensor_wait": 0,
            **settings,
        })  # fmt: skip
        self.platform = Platform(lambda: self.settings)
        self.platform.__dict__["catalog"] = self.catalog
        self.new_process()

    async def _fill(self) -> None:
        await migrate(self.url)
        async with open_database(self.url, max_size=1) as db:
            await sync_catalog(db, self.catalog)


KEY = generate_key()


@contextmanager
def new_lab(postgres_url: Callable[[str], str], number: int, *, attempts: int = 1) -> Iterator[Lab]:
    """A laboratory; its files go at the end, its databases with the server."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        lab = Lab(postgres_url, number, Path(folder), attempts=attempts)
        try:
            yield lab
        finally:
            lab.close()
