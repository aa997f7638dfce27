"""When tenants will have had the vendor calls that they still need: by what others have needed, and who comes before them.

The tightest budget decides alone. Who is let through when is `call_budgets`; how the time follows is `model.call_budget`.
"""

from uuid import UUID

from tenant_provisioning.model.call_budget import done_in
from tenant_provisioning.store.database import Connection, Database

FEWEST, MOST = 3, 20  # organizations that are made already, by which the need of one is judged


async def done_in_seconds(db: Database) -> dict[UUID, float]:
    """For each organization that is being made or waits for that: seconds until it has had its calls, if budgets alone delay it.

    Empty while too few have been made to know what one needs, and where no vendor is counted.
    """
    async with db.connection() as connection:
        tightest = await _tightest(connection)
        if tightest is None:
            return {}
        rows = await connection.execute(
            """select id, claimed_by_run is not null as runs, greatest(%(typical)s - coalesce(calls, 0), 0) as needs
               from organizations left join lateral (
                 select calls from organization_calls where organization_id = id and bucket = %(bucket)s offset 0) as had on true
               where deployment_status in ('requested', 'provisioning')
               order by created_at, id""",
            tightest,
        )
        found = await rows.fetchall()
    done = done_in(
        {row["id"]: float(row["needs"]) for row in found if row["runs"]},
        [(row["id"], float(row["needs"])) for row in found if not row["runs"]],
        rate=tightest["budget"] / tightest["seconds"],
        free=int(tightest["free"]),
    )
    return {organization: seconds + tightest["held"] for organization, seconds in done.items()}


async def _tightest(connection: Connection) -> dict[str, float] | None:
    """The bucket of whose budget an organization typically takes most, and how many calls that is."""
    found = await connection.execute(
        """with finished as (
             (select id from organizations where deployment_status = 'pending_qa' order by created_at desc limit %(most)s)
             union all
             (select id from organizations where deployment_status = 'active' order by created_at desc limit %(most)s)
           ), had as materialized (
             select id, bucket, calls from finished cross join lateral (
               select bucket, calls from organization_calls where organization_id = finished.id offset 0) as one
           ), typical as (
             select bucket, sum(calls)::double precision / (select count(distinct id) from had) as typical
             from had where (select count(distinct id) from had) >= %(fewest)s group by bucket
           )
           select bucket, typical, known.calls as budget, known.seconds,
             (select count(*) from call_tokens where call_tokens.bucket = known.bucket and free_at <= now()) as free,
             greatest(extract(epoch from nullif(held_until, '-infinity') - now()), 0)::double precision as held
           from typical join call_buckets as known using (bucket)
           order by typical * known.seconds / known.calls desc, bucket limit 1""",
        {"most": MOST, "fewest": FEWEST},
    )
    return await found.fetchone()
