"""The customer's row: where it is on its way, which run is at work on it, and the ids of what it got.

How it comes into being is `requests`; the form of the encrypted connection string is `vault`.
"""

from collections.abc import Awaitable, Collection
from typing import Any
from uuid import UUID

import psycopg

from tenant_provisioning.model.catalog import CATEGORIES
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, ProvisioningError
from tenant_provisioning.model.lifecycle import DeploymentStatus, check_move
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.database import Connection, Database, acting

CONNECTION_COLUMN = "data_store_connection"  # to which the vault binds the connection string
FINISHED = {DeploymentStatus.PENDING_QA, DeploymentStatus.ACTIVE}
STAYS_AS_IT_IS = FINISHED | {DeploymentStatus.PROVISIONING}
BEGINS_PROVISIONING = {DeploymentStatus.REQUESTED, DeploymentStatus.FAILED}


async def get_organization(db: Database, organization_id: UUID) -> Organization:
    """The organization with this id; NoSuchTenant when there is none."""
    async with db.statement() as connection:
        rows = await connection.execute("select * from organizations where id = %s", (organization_id,))
        return organization_of(await _only(rows.fetchone(), organization_id))


async def find_by_subdomain(db: Database, subdomain: str) -> Organization | None:
    """The living organization with this subdomain, or else the one that was rolled back last, or None."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select * from organizations where subdomain = %s
               order by deployment_status = 'rolled_back', created_at desc limit 1""",
            (subdomain,),
        )
        row = await rows.fetchone()
    return organization_of(row) if row else None


async def list_organizations(
    db: Database, *, statuses: Collection[DeploymentStatus] | None = None
) -> list[Organization]:
    """The organizations in these statuses, or all, oldest first."""
    wanted = list(DeploymentStatus) if statuses is None else list(statuses)
    async with db.statement() as connection:
        rows = await connection.execute(
            "select * from organizations where deployment_status = any(%s) order by created_at, id", (wanted,)
        )
        return [organization_of(row) async for row in rows]


async def move(
    db: Database, organization_id: UUID, wanted: DeploymentStatus, *, actor: str, reason: str = ""
) -> Organization:
    """The organization after its move, on record as `actor`'s; LifecycleError when it may not make it."""
    async with acting(db, actor, reason) as connection:
        current = await _locked(connection, organization_id)
        check_move(current.status, wanted)
        return await _set_status(connection, organization_id, wanted, reason)


async def claim(
    db: Database,
    organization_id: UUID,
    run_id: str,
    *,
    actor: str,
    abandoned: Collection[str] = (),
    for_rollback: bool = False,
    audited_as: str = "",
) -> Organization:
    """The organization with `run_id` at work on it, and no other run; repeating it changes nothing, also at the same time.

    Where the claimed one waits for QA or is live, that is audited as `audited_as` too.

    One that is requested or failed becomes provisioning; one that is provisioning, pending_qa or active stays so. A rollback's run
    works on one that is rolling_back, and no other run does; on one that is rolled_back it finds nothing to do and claims nothing.
    LifecycleError when another run is at work that is not among the `abandoned`, or when the status allows no such run.
    """
    async with acting(db, actor) as connection:
        current = await _locked(connection, organization_id)
        if for_rollback and current.status is DeploymentStatus.ROLLED_BACK:
            return current  # its last step was done, and only the word of it was lost
        holder = current.claimed_by_run
        if holder not in {None, run_id, *abandoned}:
            raise LifecycleError(f"another run is at work on {current.subdomain}: {holder}. Wait until it has ended.")
        _check_claim(current, for_rollback=for_rollback)
        if holder != run_id:
            current = await _take(connection, current, run_id, actor)
            if audited_as and current.status in FINISHED:
                await connection.execute(
                    "insert into audit_log (organization_id, actor, action, reason) values (%s, %s, %s, %s)",
                    (organization_id, actor, audited_as, f"while {current.status}"),
                )
        if current.status in BEGINS_PROVISIONING:
            current = await _set_status(connection, organization_id, DeploymentStatus.PROVISIONING, "")
        return current


async def release(db: Database, organization_id: UUID, run_id: str) -> None:
    """No run is at work on the organization any more; nothing happens when `run_id` was not."""
    async with db.statement() as connection:
        await connection.execute(
            "update organizations set claimed_by_run = null, claimed_at = null where id = %s and claimed_by_run = %s",
            (organization_id, run_id),
        )


async def claimed(db: Database) -> list[tuple[Organization, str]]:
    """Every organization a run is at work on, with that run's id."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select * from organizations where claimed_by_run is not null order by claimed_at, id"
        )
        return [(organization_of(row), row["claimed_by_run"]) async for row in rows]


async def record_ids(
    db: Database,
    organization_id: UUID,
    *,
    host: str | None = None,
    fabric_workspace_id: str | None = None,
    data_store_id: str | None = None,
    powerbi_workspace_id: str | None = None,
    dataset_id: str | None = None,
) -> None:
    """Write the ids that are given onto the row and leave the others as they are."""
    ids = {
        "id": organization_id, "host": host, "fabric_workspace_id": fabric_workspace_id, "data_store_id": data_store_id,
        "powerbi_workspace_id": powerbi_workspace_id, "dataset_id": dataset_id,
    }  # fmt: skip
    async with db.statement() as connection:
        updated = await connection.execute(
            """update organizations set
                 host = coalesce(%(host)s, host),
                 fabric_workspace_id = coalesce(%(fabric_workspace_id)s, fabric_workspace_id),
                 data_store_id = coalesce(%(data_store_id)s, data_store_id),
                 powerbi_workspace_id = coalesce(%(powerbi_workspace_id)s, powerbi_workspace_id),
                 dataset_id = coalesce(%(dataset_id)s, dataset_id)
               where id = %(id)s returning id""",
            ids,
        )
        await _only(updated.fetchone(), organization_id)


async def record_profile(db: Database, organization_id: UUID, profile_id: str) -> None:
    """Write the id of the profile with which the web app sees the organization's reports onto the row."""
    async with db.statement() as connection:
        updated = await connection.execute(
            "update organizations set powerbi_profile_id = %s where id = %s returning id", (profile_id, organization_id)
        )
        await _only(updated.fetchone(), organization_id)


async def save_connection(db: Database, organization_id: UUID, ciphertext: str) -> None:
    """Keep the data store's connection string, which the vault has encrypted; the database refuses one in the clear."""
    async with db.statement() as connection:
        try:
            updated = await connection.execute(
                "update organizations set data_store_connection = %s where id = %s returning id",
                (ciphertext, organization_id),
            )
        except psycopg.errors.CheckViolation:
            # the driver's text would repeat the row, and with it the secret
            raise ProvisioningError(
                f"the connection string of organization {organization_id} is not encrypted"
            ) from None
        await _only(updated.fetchone(), organization_id)


async def get_connection(db: Database, organization_id: UUID) -> str | None:
    """The data store's encrypted connection string, None while there is none; NoSuchTenant without the organization."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select data_store_connection from organizations where id = %s", (organization_id,)
        )
        row = await _only(rows.fetchone(), organization_id)
    ciphertext: str | None = row["data_store_connection"]
    return ciphertext


async def others_among(db: Database, organization_id: UUID, texts: list[str]) -> list[str]:
    """Which of these texts are the ids of other organizations."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select id::text from organizations where id = any(%s) and id <> %s order by 1",
            ([found for text in texts if (found := _uuid(text))], organization_id),
        )
        return [row["id"] async for row in rows]


def organization_of(row: dict[str, Any]) -> Organization:
    """The record of a row of `organizations`."""
    return Organization(
        id=row["id"],
        name=row["name"],
        subdomain=row["subdomain"],
        domain=row["domain"],
        status=DeploymentStatus(row["deployment_status"]),
        providers={category: row[category] for category in CATEGORIES if row[category] is not None},
        data_store=DataStoreKind(row["data_store_kind"]),
        status_reason=row["status_reason"],
        claimed_by_run=row["claimed_by_run"],
        created_at=row["created_at"],
        activated_at=row["activated_at"],
        rollback_requested_at=row["rollback_requested_at"],
        rollback_attempt=row["rollback_attempt"],
        next_attempt_at=row["next_attempt_at"],
        waits=row["waits"],
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _only(row: Awaitable[dict[str, Any] | None], organization_id: UUID) -> dict[str, Any]:
    found = await row
    if found is None:
        raise NoSuchTenant(f"there is no organization {organization_id}")
    return found


async def _locked(connection: Connection, organization_id: UUID) -> Organization:
    rows = await connection.execute("select * from organizations where id = %s for update", (organization_id,))
    return organization_of(await _only(rows.fetchone(), organization_id))


async def _set_status(
    connection: Connection, organization_id: UUID, wanted: DeploymentStatus, reason: str
) -> Organization:
    try:
        rows = await connection.execute(
            "update organizations set deployment_status = %s, status_reason = nullif(%s, '') where id = %s returning *",
            (wanted, reason, organization_id),
        )
    except psycopg.errors.RaiseException as refusal:
        raise LifecycleError(refusal.diag.message_primary or str(refusal)) from None
    return organization_of(await _only(rows.fetchone(), organization_id))


def _check_claim(current: Organization, *, for_rollback: bool) -> None:
    """Raise LifecycleError, saying what to do instead, when no run of this sort may work on the organization now."""
    tenant, status = current.subdomain, current.status
    if for_rollback and status is not DeploymentStatus.ROLLING_BACK:
        raise LifecycleError(
            f"{tenant} is {status}, not rolling_back: a rollback begins with `tenant-provisioning rollback {tenant}`"
        )
    if not for_rollback and status is DeploymentStatus.ROLLED_BACK:
        raise LifecycleError(f"{tenant} is rolled_back: submit a new onboarding request to begin again")
    if not for_rollback and current.is_on_its_way_back:
        raise LifecycleError(
            f"{tenant} is to be rolled back: nothing is made for it any more. Wait for the rollback's end."
        )
    if not for_rollback and status not in STAYS_AS_IT_IS | BEGINS_PROVISIONING:
        raise LifecycleError(f"{tenant} is {status}: no run can work on it now")


async def _take(connection: Connection, current: Organization, run_id: str, actor: str) -> Organization:
    # work on a tenant that waits or is live changes no status, so the audit log would not know of it otherwise
    await connection.execute(
        """insert into audit_log (organization_id, actor, action, details)
           values (%s, %s, 'claimed', jsonb_build_object('run_id', %s::text, 'abandoned_run_id', %s::text))""",
        (current.id, actor, run_id, current.claimed_by_run),
    )
    rows = await connection.execute(
        "update organizations set claimed_by_run = %s, claimed_at = now() where id = %s returning *",
        (run_id, current.id),
    )
    return organization_of(await _only(rows.fetchone(), current.id))
