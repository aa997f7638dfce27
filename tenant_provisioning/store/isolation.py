"""Proof of isolation: what a signed-in user could read of other organizations. The rules are in the migrations."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import sql

from tenant_provisioning.store.database import Connection, Database


async def foreign_rows(db: Database, organization_id: UUID, claims: Mapping[str, Any]) -> dict[str, int]:
    """For every table that belongs to organizations, how many rows of others the bearer of these claims can read.

    All are 0 when isolation holds. It asks as PostgREST would, as a signed-in user whose token has these claims, and
    leaves nothing behind.
    """
    async with db.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute("set transaction read only")
        columns = await _readable_tenant_columns(connection)
        counted = {table: 0 for table, _, readable in columns if not readable}
        counts = [_count(table, column) for table, column, readable in columns if readable]
        if counts:
            await connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(dict(claims)),))
            await connection.execute("set local role authenticated")
            rows = await connection.execute(sql.SQL(" union all ").join(counts), {"own": organization_id})
            counted |= {row["table_name"]: row["foreign_rows"] async for row in rows}
    return dict(sorted(counted.items()))


async def _readable_tenant_columns(connection: Connection) -> list[tuple[str, str, bool]]:
    """Table, the column that names its organization, and whether signed-in users may read anything of it."""
    rows = await connection.execute(
        """select class.relname as table_name, attribute.attname as column_name,
                  has_any_column_privilege('authenticated', class.oid, 'select') as readable
           from pg_class class join pg_attribute attribute on attribute.attrelid = class.oid
           where class.relnamespace = 'public'::regnamespace and class.relkind in ('r', 'p', 'v', 'm', 'f')
             and not attribute.attisdropped and attribute.atttypid = 'uuid'::regtype
             and attribute.attname = case class.relname when 'organizations' then 'id' else 'organization_id' end"""
    )
    return [(row["table_name"], row["column_name"], row["readable"]) async for row in rows]


def _count(table: str, column: str) -> sql.Composed:
    return sql.SQL(
        "select {name} as table_name, count(*) as foreign_rows from public.{table} "
        "where {column} is distinct from %(own)s"
    ).format(name=sql.Literal(table), table=sql.Identifier(table), column=sql.Identifier(column))
