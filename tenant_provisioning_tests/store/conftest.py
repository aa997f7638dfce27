"""A throw-away PostgreSQL for the session, a migrated template in it, and a database of its own for whoever asks."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres
from tenant_provisioning.model.catalog import Catalog, Module, ModuleFeature, Provider, ReportStrategy, TemplateReport
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.requests import submit
from tenant_provisioning_tests.emptied import Databases

SUPABASE = """
    revoke all on schema public from public;
    grant usage on schema public to anon, authenticated, service_role;
    grant all on schema public to project_owner;
    alter default privileges for role project_owner in schema public
      grant all on tables to anon, authenticated, service_role;
    alter default privileges for role project_owner in schema public
      grant all on functions to anon, authenticated, service_role;
    alter default privileges for role project_owner in schema public
      grant all on sequences to anon, authenticated, service_role;
    create schema auth;
    create function auth.jwt() returns jsonb language sql stable as
      $$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), 'null')::jsonb $$;
    grant usage on schema auth to anon, authenticated, service_role, project_owner;
"""


@dataclass
class Server:
    """A running PostgreSQL and the databases in it."""

    running: EmbeddedPostgres

    @property
    def port(self) -> int:
        return self.running.port

    def url(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """How to reach the database as the superuser, or as somebody else."""
        if password is None:
            return self.running.url(database)
        return f"postgresql://{user or 'postgres'}:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres", *arguments: str) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode(), arguments or None)

    def create(self, template: str | None = None, owner: str = "postgres") -> str:
        """The name of a new database."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} owner {} strategy wal_log").format(
                    sql.Identifier(name), sql.Identifier(template or "template1"), sql.Identifier(owner)
                )
            )
        return name

    def create_supabase_project(self) -> str:
        """The name of a database as a new Supabase project has it.

        Its owner `project_owner` is no superuser, the schema `auth` is not its own, new tables are open to everybody.
        """
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if not connection.execute("select from pg_roles where rolname = 'project_owner'").fetchall():
                connection.execute("create role project_owner login password 'project' createrole createdb bypassrls")
                connection.execute("grant anon, authenticated, service_role to project_owner")
        name = self.create(owner="project_owner")
        self.run(SUPABASE, name)
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with throwaway_postgres() as running:
        yield Server(running)


@pytest.fixture(scope="session")
def plain_template(server: Server) -> str:
    """A database that was plain PostgreSQL before it was migrated."""
    name = server.create()
    asyncio.run(migrate(server.url(name)))
    return name


@pytest.fixture
def supabase_project(server: Server, plain_template: str) -> Iterator[str]:
    """A new Supabase project. (The template comes first: it makes the roles that every such project already has.)"""
    name = server.create_supabase_project()
    yield server.url(name, "project_owner", "project")
    server.drop(name)


@pytest.fixture
def own_database_url(server: Server, plain_template: str) -> Iterator[str]:
    """A migrated database for one test, for those that change more than rows."""
    name = server.create(plain_template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="session")
def shared_databases(server: Server, plain_template: str) -> Iterator[Databases]:
    with Databases(lambda: server.url(server.create(plain_template))) as databases:
        yield databases


@pytest.fixture
def database_url(shared_databases: Databases) -> Iterator[str]:
    """A migrated database without rows."""
    with shared_databases.one() as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        yield database


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    def report(key: str, feature: str, **needs: str) -> TemplateReport:
        return TemplateReport(
            key, key.title(), ReportStrategy.CLONE, feature, f"hash of {key}", needs, source_report_id=f"id of {key}"
        )

    return Catalog(
        providers=(
            Provider("APTEM", "lms", "Aptem"),
            Provider("BUD", "lms", "Bud"),
            Provider("BKSB", "english_maths", "bksb"),
            Provider("HUBSPOT", "crm", "HubSpot"),
            Provider("BREATHE", "hr", "Breathe"),
        ),
        modules=(
            Module(
                "learners",
                "Learners",
                (ModuleFeature("attendance", "Attendance"), ModuleFeature("progress", "Progress")),
            ),
            Module("sales", "Sales", (ModuleFeature("pipeline", "Pipeline"),)),
        ),
        reports=(
            report("attendance-aptem", "attendance", lms="APTEM"),
            report("attendance-again", "attendance"),
            report("pipeline-hubspot", "pipeline", crm="HUBSPOT"),
            TemplateReport(
                "progress-bksb",
                "Progress",
                ReportStrategy.IMPORT,
                "progress",
                "hash",
                {"english_maths": "BKSB"},
                pbix_path="/p.pbix",
            ),
        ),
    )


@pytest.fixture(scope="session")
def form() -> Callable[..., dict[str, Any]]:
    """Makes an onboarding form of this subdomain; its super user's email follows from it."""

    def make(subdomain: str = "acme", **fields: Any) -> dict[str, Any]:
        return {
            "name": f"{subdomain.title()} Training",
            "subdomain": subdomain,
            "lms": "APTEM",
            "english_maths": "BKSB",
            "crm": "HUBSPOT",
            "super_users": [{"email": f"ada@{subdomain}.example", "first_name": "Ada", "last_name": "Admin"}],
        } | fields

    return make


@pytest.fixture
async def filled_db(db: Database, catalog: Catalog) -> Database:
    """A database that knows the catalog."""
    await sync_catalog(db, catalog)
    return db


@pytest.fixture
async def acme(filled_db: Database, form: Callable[..., dict[str, Any]]) -> Organization:
    return await submit(filled_db, form(), requested_by="sam@platform.example", default_domain="yourplatform.com")


@pytest.fixture
async def other(filled_db: Database, form: Callable[..., dict[str, Any]]) -> Organization:
    return await submit(
        filled_db, form("other"), requested_by="sam@platform.example", default_domain="yourplatform.com"
    )
