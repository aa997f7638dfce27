"""What past provisioning tells: how long each step of the last completed runs took. What follows from it is `model.estimate`."""

from tenant_provisioning.model.estimate import REPORTS, PastRun, past_run
from tenant_provisioning.store.database import Database

RUNS = 20  # the newest: vendors and catalog change


async def past_runs(db: Database, *, limit: int = RUNS) -> list[PastRun]:
    """The last runs that made everything of an organization by themselves, the newest first."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """with completed as materialized (
                 select organization_id, run_id, finished_at from provisioning_steps
                 where step = 'organization_record' and state = 'done' order by finished_at desc limit %s
               )
               select completed.organization_id, case when step like 'reports/%%' then %s else step end as step,
                      min(started_at) as started_at, max(step.finished_at) as finished_at,
                      bool_and(step.run_id = completed.run_id and state = 'done' and attempt = 1) as at_once
               from completed join provisioning_steps step using (organization_id)
               where step not like 'rollback/%%' and step <> 'live_tenant'
               group by completed.organization_id, completed.finished_at, 2
               order by completed.finished_at desc""",
            (limit, REPORTS),
        )
        runs: dict[object, list[dict[str, object]]] = {}
        async for row in rows:
            runs.setdefault(row["organization_id"], []).append(row)
    return [_past_run(steps) for steps in runs.values() if all(step["at_once"] for step in steps)]


def _past_run(steps: list[dict[str, object]]) -> PastRun:
    began = min(step["started_at"] for step in steps)  # type: ignore[type-var]
    return past_run({str(step["step"]): (step["finished_at"] - began).total_seconds() for step in steps})  # type: ignore[operator]
