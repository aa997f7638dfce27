"""Who did what and why, for good. Moves of an organization are not written here: the database does that itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class AuditEntry:
    """A row of the audit log; the statuses are set for moves only."""

    id: int
    at: datetime
    actor: str
    action: str
    from_status: DeploymentStatus | None
    to_status: DeploymentStatus | None
    reason: str
    details: Mapping[str, Any]


async def append(
    db: Database,
    organization_id: UUID,
    *,
    actor: str,
    action: str,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry; `details` holds no secret and no personal data, because nobody can take it out again."""
    async with db.statement() as connection:
        await connection.execute(
            "insert into audit_log (organization_id, actor, action, reason, details) values (%s, %s, %s, %s, %s)",
            (organization_id, actor, action, reason, Jsonb(dict(details or {}))),
        )


async def list_audit(db: Database, organization_id: UUID) -> list[AuditEntry]:
    """The organization's entries in the order in which they were made."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, at, actor, action, from_status, to_status, reason, details from audit_log
               where organization_id = %s order by id""",
            (organization_id,),
        )
        return [
            AuditEntry(**(row | {"from_status": _status(row["from_status"]), "to_status": _status(row["to_status"])}))
            async for row in rows
        ]


def _status(text: str | None) -> DeploymentStatus | None:
    return None if text is None else DeploymentStatus(text)
