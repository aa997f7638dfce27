"""Migrations: each once, whatever happens, on a plain PostgreSQL and on a Supabase project."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.store.migrate import MIGRATIONS, migrate, read_migrations

NAMES = [migration.name for migration in read_migrations()]


@pytest.fixture
def empty_url(server: Any) -> Iterator[str]:
    name = server.create()
    yield server.url(name)
    server.drop(name)


def asked(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(statement.encode())]


async def test_a_fresh_database_gets_every_migration_once_and_in_order(empty_url: str) -> None:
    assert await migrate(empty_url) == NAMES
    assert await migrate(empty_url) == []
    assert sorted(asked(empty_url, "select name from applied_migrations")) == NAMES


async def test_migrations_that_run_at_the_same_time_apply_each_file_once(empty_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_url) for _ in range(3)))
    assert sorted(name for names in applied for name in names) == NAMES


async def test_two_new_databases_of_one_server_can_be_migrated_at_the_same_time(
    server: Any, plain_template: str
) -> None:
    roles = ("anon", "authenticated", "service_role")
    for role in roles:  # parked, so that both migrations have to make them
        server.run(f"alter role {role} rename to parked_{role}")
    names = [server.create() for _ in range(2)]
    try:
        applied = await asyncio.gather(*(migrate(server.url(name)) for name in names))
    finally:
        for name in names:
            server.drop(name)
        for role in roles:
            server.run(f"drop role if exists {role}")
            server.run(f"alter role parked_{role} rename to {role}")
    assert applied == [NAMES, NAMES]


async def test_a_changed_file_that_was_applied_is_named_and_nothing_new_is_applied(
    empty_url: str, tmp_path: Path
) -> None:
    (tmp_path / "1_first.sql").write_text("create table first (id int)")
    await migrate(empty_url, folder=tmp_path)
    (tmp_path / "1_first.sql").write_text("create table first (id bigint)")
    (tmp_path / "2_second.sql").write_text("create table second (id int)")
    with pytest.raises(SetupError, match="1_first"):
        await migrate(empty_url, folder=tmp_path)
    assert asked(empty_url, "select to_regclass('second')::text") == [None]


async def test_line_endings_are_no_change(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "1_first.sql").write_bytes(b"create table first\n(id int)")
    await migrate(empty_url, folder=tmp_path)
    (tmp_path / "1_first.sql").write_bytes(b"create table first\r\n(id int)")
    assert await migrate(empty_url, folder=tmp_path) == []


async def test_a_file_that_fails_half_way_leaves_nothing_and_can_be_repaired(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "1_first.sql").write_text("create table first (id int)")
    (tmp_path / "2_second.sql").write_text("create table second (id int);\n\ncreate table third (id nonsense);")
    with pytest.raises(SetupError, match=r"2_second failed.*nonsense.*line 3"):
        await migrate(empty_url, folder=tmp_path)
    assert asked(empty_url, "select to_regclass('first')::text || coalesce(to_regclass('second')::text, '')") == [
        "first"
    ]
    (tmp_path / "2_second.sql").write_text("create table second (id int)")
    assert await migrate(empty_url, folder=tmp_path) == ["2_second"]


async def test_a_login_that_may_not_migrate_is_told_so(server: Any, supabase_project: str, empty_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty_url)["dbname"]
    with pytest.raises(SetupError, match=r"cannot be migrated by project_owner: permission denied"):
        await migrate(server.url(str(name), "project_owner", "project"))


@pytest.mark.parametrize("file", sorted(MIGRATIONS.glob("*.sql")), ids=lambda path: path.stem)
def test_a_migration_has_a_timestamp_and_neither_transactions_nor_extensions(file: Path) -> None:
    assert re.fullmatch(r"\d{14}_[a-z_]+", file.stem)
    words = re.sub(r"--[^\n]*|\$\$.*?\$\$", "", file.read_text(), flags=re.DOTALL).lower()
    assert not re.search(r"^\s*(begin|commit|rollback|create extension)\b|concurrently", words, flags=re.MULTILINE)


async def test_a_supabase_project_keeps_its_own_pieces(supabase_project: str) -> None:
    before = asked(supabase_project, "select pg_get_functiondef('auth.jwt()'::regprocedure)")
    assert await migrate(supabase_project) == NAMES
    assert asked(supabase_project, "select pg_get_functiondef('auth.jwt()'::regprocedure)") == before
    assert asked(supabase_project, "select has_schema_privilege('auth', 'create')") == [False]
