"""Live progress: which step of an organization runs, is done or has failed. Which steps there are is `model.plan`.

Every change notifies the channel `provisioning` with the organization's id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.store.database import Database

CHANNEL = "provisioning"


class StepState(StrEnum):
    """`provisioning_steps.state`; a step that has not begun has no row."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class StepProgress:
    """How far a step is. `attempt` counts its starts; `reason` says why it failed, or what it waits for while it runs.

    Whether a rerun can help is known of some failures only; `again_at` is set for one that may succeed from then on, without a
    person. `url` opens what the step has made; empty where nothing opens.
    """

    step: str
    state: StepState
    run_id: str
    attempt: int
    started_at: datetime
    finished_at: datetime | None
    reason: str
    a_rerun_can_help: bool | None = None
    url: str = ""
    again_at: datetime | None = None


async def start_step(db: Database, organization_id: UUID, step: str, *, run_id: str) -> None:
    """The step is running, once more if it was before."""
    async with db.statement() as connection:
        await connection.execute(
            """insert into provisioning_steps as progress (organization_id, step, state, run_id)
               values (%s, %s, 'running', %s)
               on conflict (organization_id, step) do update set
                 state = 'running', run_id = excluded.run_id, attempt = progress.attempt + 1,
                 started_at = now(), finished_at = null, reason = '', a_rerun_can_help = null, again_at = null""",
            (organization_id, step, run_id),
        )


async def note_step(db: Database, organization_id: UUID, step: str, text: str) -> None:
    """What a running step waits for, for people to see; empty again when it goes on. Quiet when the step does not run."""
    async with db.statement() as connection:
        await connection.execute(
            """update provisioning_steps set reason = %s
               where organization_id = %s and step = %s and state = 'running' and reason is distinct from %s""",
            (text, organization_id, step, text),
        )


async def finish_step(db: Database, organization_id: UUID, step: str, *, url: str = "") -> None:
    """The step is done, and what it has made opens at `url`; ProvisioningError when it was never started."""
    await _end(db, organization_id, step, StepState.DONE, url=url)


async def fail_step(
    db: Database,
    organization_id: UUID,
    step: str,
    reason: str,
    *,
    passes_in: float | None = None,
    a_rerun_can_help: bool | None = None,
) -> None:
    """The step has failed for `reason`, a sentence for a super admin; ProvisioningError when it was never started.

    In `passes_in` seconds another attempt may succeed; None when a person has to act first.
    """
    await _end(
        db,
        organization_id,
        step,
        StepState.FAILED,
        reason=reason,
        passes_in=passes_in,
        a_rerun_can_help=a_rerun_can_help,
    )


async def fail_running_steps(db: Database, organization_id: UUID, *, reason: str) -> None:
    """Every step that is still running has failed for `reason`: the run that worked on them is gone."""
    async with db.statement() as connection:
        await connection.execute(
            """update provisioning_steps
               set state = 'failed', reason = %s, a_rerun_can_help = true, finished_at = now(), again_at = now()
               where organization_id = %s and state = 'running'""",
            (reason, organization_id),
        )


async def list_steps(db: Database, organization_id: UUID) -> list[StepProgress]:
    """The steps that were started, in the order of their last start."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select step, state, run_id, attempt, started_at, finished_at, reason, a_rerun_can_help, url, again_at
               from provisioning_steps where organization_id = %s order by started_at, step""",
            (organization_id,),
        )
        return [StepProgress(**(row | {"state": StepState(row["state"])})) async for row in rows]


async def unfinished_steps(db: Database, organization_id: UUID, planned: Sequence[str]) -> list[str]:
    """Those of the planned steps that are not done, in the order of the plan."""
    done = {progress.step for progress in await list_steps(db, organization_id) if progress.state is StepState.DONE}
    return [step for step in planned if step not in done]


async def _end(
    db: Database,
    organization_id: UUID,
    step: str,
    state: StepState,
    *,
    reason: str = "",
    a_rerun_can_help: bool | None = None,
    passes_in: float | None = None,
    url: str = "",
) -> None:
    async with db.statement() as connection:
        updated = await connection.execute(
            """update provisioning_steps
               set state = %s, reason = %s, a_rerun_can_help = %s, url = coalesce(nullif(%s, ''), url), finished_at = now(),
                   again_at = now() + make_interval(secs => %s)
               where organization_id = %s and step = %s""",
            (state, reason, a_rerun_can_help, url, passes_in, organization_id, step),
        )
        if updated.rowcount == 0:
            raise ProvisioningError(f"the step {step} of organization {organization_id} was never started")
