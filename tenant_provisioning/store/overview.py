"""All organizations at a glance: who is where, since when, and how many came to which status on which day."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class Glance:
    """An organization in one line; `reports_done` of `reports_begun` while it is being provisioned."""

    id: UUID
    name: str
    subdomain: str
    status: DeploymentStatus
    reason: str
    since: datetime
    steps_done: int
    reports_done: int
    reports_begun: int


async def count_by_status(db: Database) -> dict[DeploymentStatus, int]:
    """How many organizations are in each status that has any."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select deployment_status, count(*) as number from organizations group by deployment_status"
        )
        return {DeploymentStatus(row["deployment_status"]): row["number"] async for row in rows}


async def list_in(db: Database, *statuses: DeploymentStatus, limit: int) -> list[Glance]:
    """The organizations in these statuses, the longest in theirs first."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select chosen.id, name, subdomain, deployment_status as status, coalesce(status_reason, '') as reason,
                      moved_at as since, steps_done, reports_done, reports_begun
               from (
                 select longest.* from unnest(%s::text[]) wanted
                 cross join lateral (
                   select * from organizations where deployment_status = wanted order by moved_at, id limit %s
                 ) longest order by moved_at, id limit %s
               ) chosen
               cross join lateral (
                 select count(*) filter (where state = 'done' and step not like '%%/%%') as steps_done,
                        count(*) filter (where state = 'done' and step like 'reports/%%') as reports_done,
                        count(*) filter (where step like 'reports/%%') as reports_begun
                 from provisioning_steps where organization_id = chosen.id
               ) progress
               order by since, chosen.id""",
            (list(statuses), limit, limit),
        )
        return [Glance(**(row | {"status": DeploymentStatus(row["status"])})) async for row in rows]


async def moves_by_day(db: Database, *, days: int) -> dict[date, dict[DeploymentStatus, int]]:
    """How many organizations came to each status on each of the last days, today included; days are UTC's, and none is missing."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """with days as (
                 select generate_series((now() at time zone 'UTC')::date - %(days)s::integer + 1,
                                        (now() at time zone 'UTC')::date, interval '1 day')::date as day
               ), moves as (
                 select (at at time zone 'UTC')::date as day, to_status, count(distinct organization_id) as number
                 from audit_log
                 where to_status is not null
                   and at >= ((now() at time zone 'UTC')::date - %(days)s::integer + 1)::timestamp at time zone 'UTC'
                 group by 1, 2
               )
               select days.day, to_status, number from days left join moves on moves.day = days.day order by days.day""",
            {"days": days},
        )
        found: dict[date, dict[DeploymentStatus, int]] = {}
        async for row in rows:
            of_day = found.setdefault(row["day"], {})
            if row["to_status"] is not None:
                of_day[DeploymentStatus(row["to_status"])] = row["number"]
    return found
