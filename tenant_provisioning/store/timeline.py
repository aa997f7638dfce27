"""The audit log of all organizations, newest first, narrowed and paged, or streamed whole. One organization's is `audit` too."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from tenant_provisioning.store.database import Database

BATCH = 500  # rows fetched at once while streaming
SELECT = sql.SQL("""
    select entry.id, entry.at, entry.organization_id, organization.name, organization.subdomain, entry.actor, entry.action,
           entry.from_status, entry.to_status, entry.reason, entry.details
    from audit_log entry join organizations organization on organization.id = entry.organization_id
    where {conditions} order by entry.id desc""")
CONDITIONS = {
    "organization_id": sql.SQL("entry.organization_id = %(organization_id)s"),
    # a name or a part of it; few enough organizations to look through
    "organization": sql.SQL(
        "entry.organization_id in (select id from organizations"
        " where subdomain = lower(%(organization)s) or position(lower(%(organization)s) in lower(name)) > 0)"
    ),
    "actor": sql.SQL("entry.actor = %(actor)s"),
    "action": sql.SQL("entry.action = %(action)s"),
    "since": sql.SQL("entry.at >= %(since)s"),
    "until": sql.SQL("entry.at < %(until)s"),
    "before": sql.SQL("entry.id < %(before)s"),
}


@dataclass(frozen=True)
class TimelineEntry:
    """An entry of the audit log with the organization it is about."""

    id: int
    at: datetime
    organization_id: UUID
    name: str
    subdomain: str
    actor: str
    action: str
    from_status: str | None
    to_status: str | None
    reason: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Filters:
    """What entries to look at; what is None does not matter. `before` is an entry's id, for the next page."""

    organization_id: UUID | None = None
    organization: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


async def list_timeline(db: Database, filters: Filters, *, limit: int) -> list[TimelineEntry]:
    """The newest entries that pass."""
    query, values = _query(filters)
    async with db.statement() as connection:
        rows = await connection.execute(query + sql.SQL(" limit %(limit)s"), values | {"limit": limit})
        return [TimelineEntry(**row) async for row in rows]


async def stream_timeline(db: Database, filters: Filters) -> AsyncIterator[TimelineEntry]:
    """Every entry that passes, newest first, a batch at a time, whatever their number."""
    query, values = _query(filters)
    async with db.connection() as connection, connection.cursor(name="timeline") as cursor:
        cursor.itersize = BATCH
        await cursor.execute(query, values)
        async for row in cursor:
            yield TimelineEntry(**row)


async def known_actors(db: Database) -> list[str]:
    """The people who have done something, by name; runs and sensors are left out."""
    async with db.statement() as connection:
        # from one actor to the next, instead of through every entry
        rows = await connection.execute(
            """with recursive actors as (
                 (select actor from audit_log where actor not like 'run %%' order by actor limit 1)
                 union all
                 select (select actor from audit_log where actor > actors.actor and actor not like 'run %%'
                         order by actor limit 1)
                 from actors where actors.actor is not null
               )
               select actor from actors where actor is not null limit 200"""
        )
        return [row["actor"] async for row in rows]


async def known_actions(db: Database) -> list[str]:
    """Everything that has been done, by name."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """with recursive actions as (
                 (select action from audit_log order by action limit 1)
                 union all
                 select (select action from audit_log where action > actions.action order by action limit 1)
                 from actions where actions.action is not null
               )
               select action from actions where action is not null"""
        )
        return [row["action"] async for row in rows]


def _query(filters: Filters) -> tuple[sql.Composed, dict[str, Any]]:
    given = {name: getattr(filters, name) for name in CONDITIONS if getattr(filters, name) is not None}
    conditions = sql.SQL(" and ").join([CONDITIONS[name] for name in given]) if given else sql.SQL("true")
    return SELECT.format(conditions=conditions), given
