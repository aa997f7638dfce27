"""The wish to roll an organization back, from the moment a person has it to the rows that are left.

What is done at the vendors is `steps.rollback`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant
from tenant_provisioning.model.lifecycle import MOVES, ROLLBACK_ATTEMPTS, DeploymentStatus, check_move
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.database import Connection, Database, acting
from tenant_provisioning.store.organizations import organization_of

S = DeploymentStatus
# how an organization that never got so far comes to where a rollback may begin
WAY_THERE = {S.REQUESTED: S.PROVISIONING, S.PROVISIONING: S.FAILED}
FORGET = (
    "delete from organization_modules where organization_id = %s",
    "delete from organization_powerbi_reports where organization_id = %s",
    "delete from users where organization_id = %s",
    "update subscriptions set status = 'cancelled' where organization_id = %s",
    """update approvals set lapsed_at = now(), lapse_reason = 'the organization was rolled back'
       where organization_id = %s and lapsed_at is null""",
    """update email_outbox set state = 'failed', last_error = 'the organization was rolled back before this mail was sent'
       where organization_id = %s and state = 'queued'""",
    # the step that does all this is done by it: whoever is stopped right after has nothing left to say
    """update provisioning_steps set state = 'done', reason = '', finished_at = now()
       where organization_id = %s and step = 'rollback/organization_record'""",
    """update organizations set data_store_connection = null, host = null, fabric_workspace_id = null, data_store_id = null,
         powerbi_workspace_id = null, dataset_id = null, claimed_by_run = null, claimed_at = null, next_attempt_at = null
       where id = %s""",
    "update organizations set powerbi_profile_id = null where id = %s",
)


@dataclass(frozen=True)
class RollbackWork:
    """An organization that is to be rolled back. `attempt` counts the runs of this wish from 1."""

    organization: Organization
    requested_at: datetime
    requested_by: str
    attempt: int


async def request_rollback(
    db: Database, organization_id: UUID, *, actor: str, confirmed: str | None = None
) -> Organization:
    """The organization with the wish written on it, and rolling_back already where its status allows that at once.

    Where provisioning is under way the wish waits until its run has been stopped. Asked again, a rollback that has failed gets new
    attempts. LifecycleError when it cannot be rolled back now, or when it is active and `confirmed` is not its name.
    """
    async with acting(db, actor, "a rollback was asked for") as connection:
        current = await _locked(connection, organization_id)
        _check_wish(current, confirmed)
        if current.is_on_its_way_back and not current.rollback_has_stopped:
            return current
        await connection.execute(
            """insert into audit_log (organization_id, actor, action, from_status, reason, details)
               values (%s, %s, 'rollback_requested', %s, '', '{}')""",
            (organization_id, actor, current.status),
        )
        await connection.execute(
            """update organizations set rollback_requested_at = now(), rollback_requested_by = %s, rollback_attempt = 1,
                 status_reason = null, next_attempt_at = null, waits = 0 where id = %s""",
            (actor, organization_id),
        )
        if S.ROLLING_BACK in MOVES[current.status]:
            await _set_status(connection, current, S.ROLLING_BACK)
        return await _locked(connection, organization_id)


async def begin_rollback(db: Database, organization_id: UUID) -> Organization:
    """The organization as rolling_back, once no run is at work on it; on record as its wisher's. Quiet when it already is.

    One that has not come far enough is taken through the statuses between, since the lifecycle knows no short cut.
    """
    async with db.statement() as reading:
        rows = await reading.execute(
            "select rollback_requested_by from organizations where id = %s", (organization_id,)
        )
        row = await rows.fetchone()
    if row is None or row["rollback_requested_by"] is None:
        raise LifecycleError(f"nobody has asked to roll back organization {organization_id}")
    async with acting(db, row["rollback_requested_by"], "a rollback was asked for") as connection:
        current = await _locked(connection, organization_id)
        await connection.execute(
            """update provisioning_steps set state = 'failed', finished_at = now(),
                 reason = 'stopped: the organization is rolled back'
               where organization_id = %s and state = 'running' and step not like 'rollback/%%'""",
            (organization_id,),
        )
        while current.status is not S.ROLLING_BACK:
            await _set_status(connection, current, WAY_THERE.get(current.status, S.ROLLING_BACK))
            current = await _locked(connection, organization_id)
        return current


async def list_rollbacks(db: Database) -> list[RollbackWork]:
    """Every organization that is to be rolled back and is not yet, the oldest wish first."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select * from organizations where rollback_requested_at is not null and deployment_status <> 'rolled_back'
               order by rollback_requested_at"""
        )
        return [
            RollbackWork(
                organization_of(row),
                row["rollback_requested_at"],
                row["rollback_requested_by"],
                row["rollback_attempt"],
            )
            async for row in rows
        ]


async def note_failed_attempt(
    db: Database, work: RollbackWork, reason: str, *, last: bool = False, next_at: datetime | None = None
) -> None:
    """The attempt has failed for `reason`, a sentence for a super admin; the next one is due, or at its time, unless this was the
    last.

    Quiet when somebody has asked again meanwhile, or the attempt has been noted before.
    """
    following = max(ROLLBACK_ATTEMPTS, work.attempt) + 1 if last else work.attempt + 1
    async with acting(db, "rollback_sensor", reason) as connection:
        noted = await connection.execute(
            """update organizations set rollback_attempt = %s, status_reason = %s, next_attempt_at = %s,
                 waits = waits + (%s::timestamptz is not null)::int
               where id = %s and rollback_requested_at = %s and rollback_attempt = %s and deployment_status = 'rolling_back'""",
            (following, reason, next_at, next_at, work.organization.id, work.requested_at, work.attempt),
        )
        if noted.rowcount:
            await connection.execute(
                """insert into audit_log (organization_id, actor, action, reason, details)
                   values (%s, 'rollback_sensor', 'rollback_failed', %s, %s)""",
                (
                    work.organization.id,
                    reason,
                    Jsonb(
                        {"attempt": work.attempt, "tried_again": next_at is not None or following <= ROLLBACK_ATTEMPTS}
                    ),
                ),
            )


async def forget(db: Database, organization_id: UUID, *, actor: str) -> None:
    """The organization is rolled_back: its people, reports, modules and secrets are gone, its name is free, its history stays.

    Mail that has not gone out will not. Quiet when it is rolled back already. LifecycleError while the ledger still knows something
    that is not removed.
    """
    async with acting(db, actor, "everything made for it is removed") as connection:
        current = await _locked(connection, organization_id)
        if current.status is S.ROLLED_BACK:
            return
        check_move(current.status, S.ROLLED_BACK)
        rows = await connection.execute(
            "select distinct kind from provisioned_artifacts where organization_id = %s and state <> 'removed'",
            (organization_id,),
        )
        if left := [row["kind"] async for row in rows]:
            raise LifecycleError(f"{current.name} cannot be forgotten: still there is {', '.join(sorted(left))}")
        for statement in FORGET:
            await connection.execute(statement.encode(), (organization_id,))
        await _set_status(connection, current, S.ROLLED_BACK)


def _check_wish(current: Organization, confirmed: str | None) -> None:
    name, tenant = current.name, current.subdomain
    if current.status is S.ROLLED_BACK:
        raise LifecycleError(f"{name} has been rolled back already")
    if current.status is S.SUSPENDED:
        raise LifecycleError(
            f"{name} is suspended: resume it first (`tenant-provisioning resume {tenant}`), then roll it back"
        )
    if confirmed is not None and confirmed != name:
        raise LifecycleError(f"“{confirmed}” is not the name of {tenant}: nothing was done")
    if current.status is S.ACTIVE and confirmed is None:
        raise LifecycleError(
            f"{name} is active: a rollback takes it away from its users, so confirm with its name, “{name}”"
        )


async def _locked(connection: Connection, organization_id: UUID) -> Organization:
    rows = await connection.execute("select * from organizations where id = %s for update", (organization_id,))
    row = await rows.fetchone()
    if row is None:
        raise NoSuchTenant(f"there is no organization {organization_id}")
    return organization_of(row)


async def _set_status(connection: Connection, current: Organization, wanted: DeploymentStatus) -> None:
    check_move(current.status, wanted)
    await connection.execute(
        "update organizations set deployment_status = %s, status_reason = null where id = %s", (wanted, current.id)
    )
