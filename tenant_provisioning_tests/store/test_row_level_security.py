# ruff: noqa: S608 - the names of tables and columns come from the database itself
"""Who may read and write what: anon, people of two organizations, the service role, each in the real database.

Every table that exists is tried, so that a new one without rules, or without rows here, fails.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.errors import VendorUnavailable
from tenant_provisioning.model.naming import user_id
from tenant_provisioning.model.qa import judged
from tenant_provisioning.model.tenant import SuperUser
from tenant_provisioning.store.access_requests import Wish, request_access
from tenant_provisioning.store.artifacts import intend
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.checklist import tick
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.isolation import foreign_rows
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.modules import initialize_modules, link_reports
from tenant_provisioning.store.organizations import save_connection
from tenant_provisioning.store.outbox import queue_mail
from tenant_provisioning.store.progress import start_step
from tenant_provisioning.store.qa_results import record_verdict
from tenant_provisioning.store.reports import save_deployed_report
from tenant_provisioning.store.requests import submit
from tenant_provisioning.store.users import save_user
from tenant_provisioning.store.vendor_incidents import record_incidents

PLATFORM_WIDE = {"providers", "module_templates", "module_features", "report_templates", "roles"}
NOBODYS = {
    "email_outbox", "applied_migrations", "portal_sessions", "portal_sign_in_attempts", "onboarding_drafts",
    "access_requests", "vendor_incidents", "encryption_keys", "call_buckets", "call_tokens", "waiting_calls",
    "organization_calls",
}  # fmt: skip
HIDDEN_COLUMNS = {
    ("organizations", "data_store_connection"),
    ("organizations", "claimed_by_run"),
    ("organizations", "powerbi_profile_id"),
    ("organizations", "claimed_at"),
    ("organizations", "checks_requested_at"),
    ("organizations", "rollback_requested_at"),
    ("organizations", "rollback_requested_by"),
    ("organizations", "rollback_attempt"),
    ("organizations", "next_attempt_at"),
    ("organizations", "waits"),
    ("organizations", "moved_at"),
    ("provisioned_artifacts", "details"),
    ("audit_log", "details"),
    ("report_templates", "source_report_id"),
    ("report_templates", "pbix_path"),
    ("report_templates", "definition_path"),
}
REFUSED = psycopg.errors.InsufficientPrivilege


@dataclass(frozen=True)
class Person:
    """Somebody who asks: a database role and the claims of a token."""

    role: str
    organization: UUID | None = None
    id: UUID | None = None
    app_role: str = "super_user"

    @property
    def claims(self) -> str:
        if self.role == "anon":
            return json.dumps({"role": "anon"})
        membership = {"organization_id": str(self.organization), "role": self.app_role} if self.organization else {}
        return json.dumps({"sub": str(self.id) if self.id else None, "role": self.role, "app_metadata": membership})


ANON = Person("anon")
SERVICE = Person("service_role")


@dataclass(frozen=True)
class World:
    """Two organizations that have something in every table."""

    url: str
    acme: UUID
    other: UUID
    columns: dict[str, list[str]]

    def super_user(self, organization: UUID) -> Person:
        return Person("authenticated", organization, user_id(organization, "ada@people.example"))

    def member(self, organization: UUID) -> Person:
        return Person("authenticated", organization, user_id(organization, "max@people.example"), "member")

    @contextmanager
    def asked_by(self, person: Person | None) -> Iterator[Connection[TupleRow]]:
        """A transaction in this person's name (None: the owner of the tables) that leaves nothing behind."""
        with psycopg.connect(self.url) as connection:
            if person:
                connection.execute("select set_config('request.jwt.claims', %s, true)", (person.claims,))
                connection.execute(sql.SQL("set local role {}").format(sql.Identifier(person.role)))
            yield connection
            connection.rollback()


def columns_of_every_table(url: str) -> dict[str, list[str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select table_name, column_name from information_schema.columns join information_schema.tables"
            " using (table_schema, table_name) where table_schema = 'public' order by 1, ordinal_position"
        ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column in rows:
        columns.setdefault(table, []).append(column)
    return columns


async def populate(url: str, catalog: Catalog, form: Callable[..., dict[str, Any]]) -> World:
    await migrate(url)
    made: list[UUID] = []
    async with open_database(url) as db:
        await sync_catalog(db, catalog)
        for subdomain in ("acme", "other"):
            organization = await submit(db, form(subdomain), requested_by="sam", default_domain="yourplatform.com")
            made.append(organization.id)
            for first_name, role in (("Ada", "super_user"), ("Max", "member")):
                person = SuperUser(f"{first_name.lower()}@people.example", first_name, "Person")
                await save_user(db, organization.id, user_id(organization.id, person.email), person, role)
            await intend(db, organization.id, ArtifactKind.DATASET, details={"operation": "1"})
            await save_deployed_report(
                db,
                organization.id,
                "pipeline-hubspot",
                powerbi_report_id="r",
                workspace_id="w",
                dataset_id="d",
                content_hash="h",
            )
            await initialize_modules(db, organization.id)
            await link_reports(db, organization.id)
            await start_step(db, organization.id, "dns_record", run_id="run")
            verdict = judged("resolves", expected=1, found=1, reason="")
            await record_verdict(db, organization.id, run_id="run", step="dns_record", verdict=verdict, blocking=True)
            await queue_mail(
                db, organization.id, kind="welcome", recipient="ada@people.example", subject="s", text="t", html="h"
            )
            await tick(db, organization.id, "reports_load", done_by="sam")
            await request_access(db, organization.id, Wish.SUSPEND, requested_by="sam")
            await save_connection(db, organization.id, "v1.k1.AAAA")
            async with db.connection() as connection:
                await connection.execute(
                    "insert into approvals (organization_id, approved_by, evidence_hash, evidence)"
                    " values (%s, 'sam', 'h', '{}')",
                    (organization.id,),
                )
        await record_incidents(db, [VendorUnavailable("Power BI", "clone report", "too many requests", status=429)])
        async with db.connection() as connection:
            for statement in (
                (
                    "insert into portal_sessions (token_hash, user_id, email, expires_at)"
                    " values ('h', gen_random_uuid(), 'sam@platform.example', now() + interval '1 hour')"
                ),
                "insert into portal_sign_in_attempts (subject_hash) values ('h')",
                "insert into onboarding_drafts (owner_id, submitted_as) select gen_random_uuid(), id from organizations",
                "select ask_for_call('vendor', 2, 60, 0, gen_random_uuid(), id, true, true) from organizations",
                "select ask_for_call('vendor', 2, 60, 0, gen_random_uuid(), id, true, true) from organizations",
            ):
                await connection.execute(statement.encode())
    return World(url, *made, columns_of_every_table(url))


@pytest.fixture(scope="module", params=["plain", "supabase"])
def world(
    request: pytest.FixtureRequest,
    server: Any,
    plain_template: str,
    catalog: Catalog,
    form: Callable[..., dict[str, Any]],
) -> Iterator[World]:
    if request.param == "plain":
        name = server.create(plain_template)
        url = server.url(name)
    else:
        name = server.create_supabase_project()
        url = server.url(name, "project_owner", "project")
    yield asyncio.run(populate(url, catalog, form))
    server.drop(name)


def outcome(connection: Connection[TupleRow], statement: str, *values: Any) -> int | str:
    """The single number a query answers or the number of rows it touched; otherwise the name of the error."""
    try:
        with connection.transaction(force_rollback=True):
            cursor = connection.execute(statement.encode(), values or None)
            return int(cursor.fetchall()[0][0]) if cursor.description else cursor.rowcount
    except psycopg.Error as error:
        return type(error).__name__


def tenant_column(table: str) -> str:
    return "id" if table == "organizations" else "organization_id"


def test_every_table_has_row_level_security_and_its_place_in_this_test(world: World) -> None:
    with world.asked_by(None) as connection:
        unprotected = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p', 'v', 'm', 'f') and not (relkind in ('r', 'p') and relrowsecurity)"
        ).fetchall()
    assert unprotected == []
    places = {
        table: (table in PLATFORM_WIDE)
        + (table in NOBODYS)
        + (tenant_column(table) in columns and table not in NOBODYS | PLATFORM_WIDE)
        for table, columns in world.columns.items()
    }
    assert places == dict.fromkeys(places, 1)
    assert places.keys() >= PLATFORM_WIDE | NOBODYS


def test_each_organization_has_rows_in_every_tenant_table(world: World) -> None:
    tables = [table for table, columns in world.columns.items() if tenant_column(table) in columns]
    with world.asked_by(None) as connection:
        for organization in (world.acme, world.other):
            counts = {
                table: outcome(
                    connection, f"select count(*) from {table} where {tenant_column(table)} = %s", organization
                )
                for table in tables
            }
            assert all(isinstance(count, int) and count > 0 for count in counts.values()), counts


def test_anon_can_neither_read_nor_write_any_table(world: World) -> None:
    with world.asked_by(ANON) as connection:
        got = {
            (table, statement): outcome(connection, statement.format(table=table, column=columns[0]))
            for table, columns in world.columns.items()
            for statement in (
                "select count(*) from {table}",
                "insert into {table} default values",
                "update {table} set {column} = default",
                "delete from {table}",
                "truncate {table} cascade",
            )
        }
    assert got == dict.fromkeys(got, "InsufficientPrivilege")


@pytest.mark.parametrize("organization", ["acme", "other"])
@pytest.mark.parametrize("who", ["super_user", "member"])
def test_a_signed_in_person_reads_exactly_the_rows_of_the_own_organization(
    world: World, organization: str, who: str
) -> None:
    own = getattr(world, organization)
    person = getattr(world, who)(own)
    tables = world.columns
    with world.asked_by(None) as connection:
        expected = {
            table: "InsufficientPrivilege"
            if table in NOBODYS
            else outcome(connection, f"select count(*) from {table}")
            if table in PLATFORM_WIDE
            else outcome(connection, f"select count(*) from {table} where {tenant_column(table)} = %s", own)
            for table in tables
        }
    with world.asked_by(person) as connection:
        assert {table: outcome(connection, f"select count(*) from {table}") for table in tables} == expected


@pytest.mark.parametrize(
    "claims",
    [
        "",
        "{}",
        '{"app_metadata": {}}',
        '{"app_metadata": null}',
        '{"user_metadata": {"organization_id": "ACME"}}',
        '{"organization_id": "ACME"}',
    ],
)
def test_a_token_without_an_organization_of_the_platforms_making_reads_no_tenant_row(world: World, claims: str) -> None:
    with world.asked_by(Person("authenticated")) as connection:
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)", (claims.replace("ACME", str(world.acme)),)
        )
        got = {
            table: outcome(connection, f"select count(*) from {table}")
            for table, columns in world.columns.items()
            if tenant_column(table) in columns and table not in NOBODYS
        }
    assert got == dict.fromkeys(got, 0)


def test_what_a_signed_in_person_must_not_see_is_refused_column_by_column(world: World) -> None:
    with world.asked_by(world.super_user(world.acme)) as connection:
        refused = {
            (table, column)
            for table, columns in world.columns.items()
            if table not in NOBODYS
            for column in columns
            if outcome(connection, f"select count({column}) from {table}") == "InsufficientPrivilege"
        }
    assert refused == HIDDEN_COLUMNS


def written(world: World, person: Person) -> dict[tuple[str, str], int]:
    """How many rows the person can update, by table and column, of all the rows there are."""
    with world.asked_by(person) as connection:
        touched = {
            (table, column): outcome(connection, f"update {table} set {column} = {column}")
            for table, columns in world.columns.items()
            for column in columns
        }
    return {at: count for at, count in touched.items() if isinstance(count, int) and count > 0}


def test_a_super_user_edits_names_and_roles_and_switches_features_of_the_own_organization_only(world: World) -> None:
    assert written(world, world.super_user(world.acme)) == {
        ("users", "first_name"): 2,
        ("users", "last_name"): 2,
        ("users", "role_key"): 2,
        ("organization_modules", "enabled"): 3,
    }


def test_others_edit_only_their_own_row(world: World) -> None:
    # role_key is written with the value it has; that it cannot change is the next test
    assert written(world, world.member(world.acme)) == {
        ("users", "first_name"): 1,
        ("users", "last_name"): 1,
        ("users", "role_key"): 1,
    }


def test_nobody_but_a_super_user_changes_a_role_and_not_in_another_organization(world: World) -> None:
    promote = "update users set role_key = 'super_user' where id = %s"
    member, foreign = world.member(world.acme), world.member(world.other)
    with world.asked_by(member) as connection:
        assert outcome(connection, promote, member.id) == "InsufficientPrivilege"
    with world.asked_by(world.super_user(world.acme)) as connection:
        assert outcome(connection, promote, member.id) == 1
        assert outcome(connection, promote, foreign.id) == 0


@pytest.mark.parametrize("who", ["super_user", "member"])
def test_a_signed_in_person_can_neither_insert_nor_delete_anything(world: World, who: str) -> None:
    tables = list(world.columns)
    with world.asked_by(None) as connection:
        rows = {
            table: connection.execute(
                sql.SQL("select to_jsonb(t) from {} t limit 1").format(sql.Identifier(table))
            ).fetchone()
            for table in tables
        }
    with world.asked_by(getattr(world, who)(world.acme)) as connection:
        got = {}
        for table in tables:
            row = rows[table]
            assert row is not None
            insert = (
                f"insert into {table} overriding system value select * from jsonb_populate_record(null::{table}, %s)"
            )
            got[table, "insert"] = outcome(connection, insert, json.dumps(row[0]))
            got[table, "delete"] = outcome(connection, f"delete from {table}")
            got[table, "truncate"] = outcome(connection, f"truncate {table} cascade")
    assert got == dict.fromkeys(got, "InsufficientPrivilege")


def test_the_service_role_reads_every_row(world: World) -> None:
    tables = [table for table in world.columns if table != "applied_migrations"]
    with world.asked_by(None) as connection:
        expected = {table: outcome(connection, f"select count(*) from {table}") for table in tables}
    with world.asked_by(SERVICE) as connection:
        assert {table: outcome(connection, f"select count(*) from {table}") for table in tables} == expected


def test_the_service_role_writes_every_table_but_only_adds_to_the_audit_log(world: World) -> None:
    columns = world.columns
    tables = [table for table in columns if table != "applied_migrations"]
    with world.asked_by(SERVICE) as connection:
        every = {table: outcome(connection, f"select count(*) from {table}") for table in tables}
        updated = {
            table: outcome(connection, f"update {table} set {columns[table][-1]} = {columns[table][-1]}")
            for table in tables
        }
        assert updated == every | {"audit_log": "InsufficientPrivilege"}
        # whether foreign keys let go of a row is another matter
        deleted = {table: outcome(connection, f"delete from {table}") for table in tables}
        refused = {table for table, got in deleted.items() if got == "InsufficientPrivilege"}
        assert refused == {"audit_log"}
        added = "insert into audit_log (organization_id, actor, action) values (%s, 'service', 'tested')"
        assert outcome(connection, added, world.acme) == 1
        assert outcome(connection, "insert into providers (category, key, name) values ('lms', 'NEW', 'New')") == 1


def test_only_the_service_role_calls_the_functions_and_uses_the_sequences(world: World) -> None:
    with world.asked_by(None) as connection:
        open_to_others = connection.execute(
            """select proname from pg_proc cross join unnest(array['anon', 'authenticated']) person
               where pronamespace = 'public'::regnamespace and has_function_privilege(person, pg_proc.oid, 'execute')
               union all
               select relname from pg_class cross join unnest(array['anon', 'authenticated']) person
               where relnamespace = 'public'::regnamespace and relkind = 'S'
                 and has_sequence_privilege(person, pg_class.oid, 'usage, select, update')"""
        ).fetchall()
    assert open_to_others == []
    for person, expected in (
        (ANON, "InsufficientPrivilege"),
        (world.super_user(world.acme), "InsufficientPrivilege"),
        (SERVICE, 0),
    ):
        with world.asked_by(person) as connection:
            for function in ("initialize_organization_modules", "link_deployed_reports_to_features"):
                assert outcome(connection, f"select {function}(%s)", world.acme) == expected, (person, function)


async def test_foreign_rows_counts_none_for_people_of_either_organization(world: World) -> None:
    async with open_database(world.url) as db:
        for organization in (world.acme, world.other):
            counted = await foreign_rows(db, organization, json.loads(world.super_user(organization).claims))
            assert counted.keys() == {t for t, columns in world.columns.items() if tenant_column(t) in columns}
            assert counted == dict.fromkeys(counted, 0)


async def test_foreign_rows_tells_of_a_table_that_leaks_and_leaves_nothing_behind(world: World) -> None:
    leaks = {"qa_results": "using (true)", "organizations": "using (subdomain = 'other')"}
    async with open_database(world.url, max_size=1) as db:
        for table, rule in leaks.items():
            with psycopg.connect(world.url, autocommit=True) as owner:
                owner.execute(f"create policy leak on {table} for select to authenticated {rule}".encode())
                try:
                    counted = await foreign_rows(db, world.acme, json.loads(world.super_user(world.acme).claims))
                finally:
                    owner.execute(f"drop policy leak on {table}".encode())
            assert {name: count for name, count in counted.items() if count} == {table: 1}
        async with db.connection() as connection:
            row = await (await connection.execute("select current_user <> 'authenticated' as restored")).fetchone()
            assert row == {"restored": True}
