"""Who let an organization go live, when, and on which evidence. What counts as evidence, and when it has changed, is `steps`.

At most one approval of an organization stands; one that has lapsed says why and stays on record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.database import Connection, Database, acting
from tenant_provisioning.store.organizations import organization_of


@dataclass(frozen=True)
class Approval:
    """A row of `approvals`; it stands as long as `lapsed_at` is None and its evidence is still what is found."""

    id: UUID
    organization_id: UUID
    approved_by: str
    approved_at: datetime
    note: str
    evidence_hash: str
    evidence: Mapping[str, Any]
    lapsed_at: datetime | None
    lapse_reason: str | None
    fulfilled_at: datetime | None = None  # since when the organization it let go live has been live


async def record_approval(
    db: Database,
    organization_id: UUID,
    *,
    approved_by: str,
    note: str,
    evidence_hash: str,
    evidence: Mapping[str, Any],
    unless_approved: bool = False,
) -> Approval:
    """The approval, on record and audited; an earlier one that still stood lapses.

    LifecycleError when the organization is no longer in QA or a run has begun to work on it; `unless_approved`, also when an
    approval of the same evidence stands: of two who approve at once, one does.
    """
    async with acting(db, approved_by, note) as connection:
        rows = await connection.execute("select * from organizations where id = %s for update", (organization_id,))
        found = await rows.fetchone()
        if found is None or found["deployment_status"] != "pending_qa" or found["claimed_by_run"] is not None:
            raise LifecycleError("the organization has begun to change this very moment: look again, then approve")
        if unless_approved and (before := await _standing(connection, organization_id, evidence_hash)):
            raise LifecycleError(f"{before} has approved {found['name']} already")
        await connection.execute(
            """update approvals set lapsed_at = now(), lapse_reason = 'approved anew'
               where organization_id = %s and lapsed_at is null""",
            (organization_id,),
        )
        rows = await connection.execute(
            """insert into approvals (organization_id, approved_by, note, evidence_hash, evidence)
               values (%s, %s, %s, %s, %s) returning *""",
            (organization_id, approved_by, note, evidence_hash, Jsonb(dict(evidence))),
        )
        row = await rows.fetchone()
        assert row is not None  # noqa: S101 - returning always returns
        await connection.execute(
            """insert into audit_log (organization_id, actor, action, reason, details)
               values (%s, %s, 'approved', %s, %s)""",
            (
                organization_id,
                approved_by,
                note,
                Jsonb({"approval": str(row["id"]), "evidence_hash": evidence_hash}),
            ),
        )
        return Approval(**row)


async def find_approval(db: Database, organization_id: UUID) -> Approval | None:
    """The approval that stands, or else the newest, or None."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select * from approvals where organization_id = %s
               order by lapsed_at is null desc, approved_at desc limit 1""",
            (organization_id,),
        )
        row = await rows.fetchone()
    return Approval(**row) if row else None


async def lapse(db: Database, approval: Approval, reason: str, *, noticed_by: str) -> None:
    """The approval stands no longer; audited, and quiet when it had lapsed before."""
    async with acting(db, noticed_by, reason) as connection:
        lapsed = await connection.execute(
            "update approvals set lapsed_at = now(), lapse_reason = %s where id = %s and lapsed_at is null",
            (reason, approval.id),
        )
        if lapsed.rowcount:
            await connection.execute(
                """insert into audit_log (organization_id, actor, action, reason, details)
                   values (%s, %s, 'approval_lapsed', %s, %s)""",
                (approval.organization_id, noticed_by, reason, Jsonb({"approval": str(approval.id)})),
            )


async def list_approved(db: Database) -> list[Organization]:
    """Organizations in QA whose approval has not lapsed on record, in the order of their approvals."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select organization.* from approvals approval
               join organizations organization on organization.id = approval.organization_id
               where lapsed_at is null and fulfilled_at is null and deployment_status = 'pending_qa' order by approved_at"""
        )
        return [organization_of(row) async for row in rows]


async def requested_by(db: Database, organization_id: UUID) -> str:
    """Who submitted the onboarding request."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select requested_by from onboarding_requests where organization_id = %s", (organization_id,)
        )
        row = await rows.fetchone()
    return str(row["requested_by"]) if row else ""


async def _standing(connection: Connection, organization_id: UUID, evidence_hash: str) -> str | None:
    """Who has approved this evidence, if that approval stands."""
    rows = await connection.execute(
        "select approved_by from approvals where organization_id = %s and evidence_hash = %s and lapsed_at is null",
        (organization_id, evidence_hash),
    )
    row = await rows.fetchone()
    return str(row["approved_by"]) if row else None
