"""Brings a database to the newest schema: every file of `migrations/` once, by name, each in one transaction.

The files are plain SQL without transaction control, so that Supabase's own tools can apply them too.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.store.database import Connection, connect

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_146_352_908  # any number, the same for everyone who migrates
BOOKKEEPING = """
    create table if not exists public.applied_migrations (
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now(),
      constraint applied_migrations_pkey primary key (name)
    );
    alter table public.applied_migrations enable row level security;
    do $$
    declare
      outsider text;
    begin
      -- Supabase opens new tables to these roles; on a plain PostgreSQL they may not exist yet
      for outsider in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on table public.applied_migrations from %I', outsider);
      end loop;
    end
    $$;
"""


@dataclass(frozen=True)
class Migration:
    """One file: its name without `.sql`, its text, and a checksum that does not depend on line endings."""

    name: str
    sql: str
    checksum: str


def read_migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """The migrations of a folder in the order in which they apply."""
    texts = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.sql"))}
    return tuple(Migration(name, sql, hashlib.sha256(sql.encode()).hexdigest()) for name, sql in texts.items())


async def migrate(database_url: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing and return its names; SetupError when an applied file has changed or a file fails.

    Safe to run at the same time from several places: each file is applied by whoever gets to it first. A file that
    fails leaves nothing of itself behind; the ones before it stay.
    """
    migrations = read_migrations(folder)
    connection = await connect(database_url, autocommit=True)
    async with connection:
        await _prepare(connection, migrations)
        return [migration.name for migration in migrations if await _apply(connection, migration)]


async def outstanding(database_url: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """The migrations that `migrate` would apply; it changes nothing. SetupError when an applied file has changed."""
    migrations = read_migrations(folder)
    async with await connect(database_url, autocommit=True) as connection:
        try:
            applied = await _applied(connection) if await _has_bookkeeping(connection) else {}
        except psycopg.Error as failure:
            raise SetupError(
                f"{connection.info.user} may not read which migrations are applied: {failure.diag.message_primary}. "
                "DATABASE_URL must name the owner of the platform's tables."
            ) from None
    _check_unchanged(migrations, applied)
    return [migration.name for migration in migrations if migration.name not in applied]


async def _prepare(connection: Connection, migrations: Sequence[Migration]) -> None:
    """The bookkeeping is there, and every file that was applied is as it was then."""
    try:
        async with connection.transaction():
            await _lock(connection)
            if not await _has_bookkeeping(connection):
                await connection.execute(BOOKKEEPING)
            applied = await _applied(connection)
    except psycopg.Error as failure:
        raise SetupError(
            f"this database cannot be migrated by {connection.info.user}: {failure.diag.message_primary}"
        ) from failure
    _check_unchanged(migrations, applied)


async def _lock(connection: Connection) -> None:
    # a transaction's lock rather than a session's: it also works through a pooler, and a crash releases it
    await connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))


async def _has_bookkeeping(connection: Connection) -> bool:
    row = await (
        await connection.execute("select to_regclass('public.applied_migrations') is not null as there")
    ).fetchone()
    return row is not None and bool(row["there"])


async def _applied(connection: Connection) -> dict[str, str]:
    rows = await (await connection.execute("select name, checksum from public.applied_migrations")).fetchall()
    return {row["name"]: row["checksum"] for row in rows}


def _check_unchanged(migrations: Sequence[Migration], applied: dict[str, str]) -> None:
    changed = [m.name for m in migrations if applied.get(m.name, m.checksum) != m.checksum]
    if changed:
        raise SetupError(
            f"migrations were changed after they were applied to this database: {', '.join(changed)}. "
            "Restore the files and put the change into a new migration."
        )


async def _apply(connection: Connection, migration: Migration) -> bool:
    """True when it was applied here, False when it had been applied before or meanwhile."""
    try:
        async with connection.transaction():
            await _lock(connection)
            applied = await _applied(connection)
            _check_unchanged([migration], applied)
            if migration.name in applied:
                return False
            await connection.execute(migration.sql.encode())
            await connection.execute(
                "insert into public.applied_migrations (name, checksum) values (%s, %s)",
                (migration.name, migration.checksum),
            )
            return True
    except psycopg.Error as failure:
        raise SetupError(
            f"migration {migration.name} failed and left nothing behind: {_told(migration, failure)}"
        ) from failure


def _told(migration: Migration, failure: psycopg.Error) -> str:
    position = failure.diag.statement_position
    line = f" (line {migration.sql.count(chr(10), 0, int(position)) + 1})" if position else ""
    return f"{failure.diag.message_primary or 'the connection was lost'}{line}"
