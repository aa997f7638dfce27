"""Thousands of tenants made of a few real ones: each row of theirs again and again, under other ids, names and times.

So every table holds what a real tenant leaves in it, and of the tables only those that belong to tenants have to be known. It
takes the rights of a superuser, since triggers and foreign keys are passed over.
"""

from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg import sql

ALL = 1_000_000
TIMES = ("timestamp with time zone", "timestamp without time zone")
COLUMNS = """
    select attribute.attname, format_type(attribute.atttypid, null)
    from pg_attribute attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped
      and attidentity = '' and attgenerated = '' order by attnum"""
TABLES = """
    select class.relname, attribute.attname from pg_class class
    join pg_attribute attribute on attribute.attrelid = class.oid
    where class.relnamespace = 'public'::regnamespace and class.relkind = 'r' and not attribute.attisdropped
      and attribute.attname = case class.relname when 'organizations' then 'id' else 'organization_id' end
      and attribute.atttypid = 'uuid'::regtype"""
ALWAYS = """
    select class.relname, tgname from pg_trigger join pg_class class on class.oid = tgrelid
    where tgenabled = 'A' and class.relnamespace = 'public'::regnamespace"""
NUMBERED = ("name", "subdomain", "email", "recipient", "run_id", "claimed_by_run", "vendor_id")


def multiply(url: str, organizations: Sequence[UUID], times: int, *, most: int = ALL) -> int:
    """How many rows were added: those of the organizations, so many times over, of each table at most so many a tenant.

    The statistics are fresh afterwards.
    """
    added = 0
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        watchful = [
            (sql.Identifier("public", table), sql.Identifier(trigger))
            for table, trigger in connection.execute(ALWAYS).fetchall()
        ]
        for table, trigger in watchful:
            connection.execute(sql.SQL("alter table {} disable trigger {}").format(table, trigger))
        for name, owner in connection.execute(TABLES).fetchall():
            columns = connection.execute(COLUMNS, (f"public.{name}",)).fetchall()
            statement = sql.SQL(
                "insert into {table} ({columns}) select {values} from ("
                "  select *, row_number() over (partition by {owner}) as nth from {table}"
                "  where {owner} = any(%(organizations)s)"
                ") row cross join generate_series(1, %(times)s) number where nth <= %(most)s"
            ).format(
                table=sql.Identifier("public", name),
                columns=sql.SQL(", ").join(sql.Identifier(column) for column, _ in columns),
                values=sql.SQL(", ").join(_value(name, column, kind) for column, kind in columns),
                owner=sql.Identifier(owner),
            )
            added += connection.execute(
                statement, {"times": times, "organizations": list(organizations), "most": most}
            ).rowcount
        for table, trigger in watchful:
            connection.execute(sql.SQL("alter table {} enable always trigger {}").format(table, trigger))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")  # as autovacuum does within a minute
    return added


def _value(table: str, name: str, kind: str) -> sql.Composed:
    column = sql.SQL("row.{}").format(sql.Identifier(name))
    if kind == "uuid":
        return sql.SQL("md5({}::text || number)::uuid").format(column)
    if kind in TIMES:
        return sql.SQL("{} - number * interval '1 hour'").format(column)
    if name in NUMBERED and kind == "text":
        # in front, so that an address or a host stays one
        return sql.SQL("'n' || number || '-' || {}").format(column)
    if (table, name) == ("onboarding_requests", "form"):
        return sql.SQL("replace({}::text, '@', number || '@')::jsonb").format(column)
    return sql.SQL("{}").format(column)
