"""A platform on which three organizations have been made, so that it is known what one needs."""

from collections.abc import Callable
from typing import Any

from tenant_provisioning.model.plan import STEP_NAMES
from tenant_provisioning.store.database import Database

BUCKET = "godaddy us"


async def make_three(db: Database, onboard: Callable[..., Any]) -> None:
    """Three organizations that took ten seconds for each step, and ten calls of a budget of sixty a minute."""
    for name in ("one", "two", "three"):
        made = await onboard(name)
        async with db.connection() as connection:
            for status in ("provisioning", "pending_qa"):
                await connection.execute(
                    "update organizations set deployment_status = %s where id = %s", (status, made.id)
                )
            await connection.execute("insert into organization_calls values (%s, %s, 10)", (made.id, BUCKET))
            for number, step in enumerate(STEP_NAMES):
                await connection.execute(
                    """insert into provisioning_steps (organization_id, step, state, run_id, started_at, finished_at)
                       values (%s, %s, 'done', 'run', now() + %s * interval '10 seconds', now() + %s * interval '10 seconds')""",
                    (made.id, step, number, number + 1),
                )
    async with db.connection() as connection:
        await connection.execute("insert into call_buckets (bucket, calls, seconds) values (%s, 60, 60)", (BUCKET,))
