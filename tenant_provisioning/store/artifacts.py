"""The ledger of everything that exists at a vendor for an organization: intended, present, removed.

What is done at the vendor is `steps`. At most one row of a kind and key is not removed. The order of rows
is the order of their intents.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.store.database import Database


async def find_artifact(db: Database, organization_id: UUID, kind: ArtifactKind, key: str = "") -> Artifact | None:
    """The intended or present artifact, or None."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select * from provisioned_artifacts
               where organization_id = %s and kind = %s and key = %s and state <> 'removed'""",
            (organization_id, kind, key),
        )
        row = await rows.fetchone()
    return _artifact(row) if row else None


async def intend(
    db: Database, organization_id: UUID, kind: ArtifactKind, key: str = "", details: Mapping[str, Any] | None = None
) -> Artifact:
    """The ledger row, written before the vendor is called; an existing one is returned as it is."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """insert into provisioned_artifacts (organization_id, kind, key, details) values (%s, %s, %s, %s)
               on conflict (organization_id, kind, key) where state <> 'removed'
               do update set key = excluded.key -- changes nothing, but returns the row
               returning *""",
            (organization_id, kind, key, Jsonb(dict(details or {}))),
        )
        return _artifact(await rows.fetchone())


async def note(db: Database, artifact_id: UUID, **details: Any) -> Artifact:
    """The artifact with these details added to its own, such as the operation that makes it. Never a secret."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "update provisioned_artifacts set details = details || %s where id = %s and state <> 'removed' returning *",
            (Jsonb(details), artifact_id),
        )
        return _artifact(await rows.fetchone(), artifact_id)


async def record_present(
    db: Database, artifact_id: UUID, vendor_id: str, details: Mapping[str, Any] | None = None
) -> Artifact:
    """The artifact as present under the vendor's id, with these details added to its own."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """update provisioned_artifacts set state = 'present', vendor_id = %s, details = details || %s
               where id = %s and state <> 'removed' returning *""",
            (vendor_id, Jsonb(dict(details or {})), artifact_id),
        )
        return _artifact(await rows.fetchone(), artifact_id)


async def adopt(  # noqa: PLR0917 - the ledger's columns, in the order of `intend`
    db: Database,
    organization_id: UUID,
    kind: ArtifactKind,
    key: str,
    vendor_id: str,
    details: Mapping[str, Any] | None = None,
) -> Artifact:
    """The artifact as present and not created by us, so that rollback leaves it.

    One that the ledger already has as present and made by us, under the same vendor id, stays ours.
    """
    async with db.statement() as connection:
        rows = await connection.execute(
            """insert into provisioned_artifacts as ledger
                 (organization_id, kind, key, state, vendor_id, created, details)
               values (%s, %s, %s, 'present', %s, false, %s)
               on conflict (organization_id, kind, key) where state <> 'removed'
               do update set
                 state = 'present',
                 vendor_id = excluded.vendor_id,
                 created = ledger.created and ledger.state = 'present' and ledger.vendor_id = excluded.vendor_id,
                 details = ledger.details || excluded.details
               returning *""",
            (organization_id, kind, key, vendor_id, Jsonb(dict(details or {}))),
        )
        return _artifact(await rows.fetchone())


async def record_removed(db: Database, artifact_id: UUID) -> None:
    """Mark the artifact as gone from the vendor; quiet when it already is."""
    async with db.statement() as connection:
        await connection.execute("update provisioned_artifacts set state = 'removed' where id = %s", (artifact_id,))


async def was_removed(db: Database, kind: ArtifactKind, name: str) -> bool:
    """True when a thing of this kind and name, of whatever organization, was ours and has been removed."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select exists (
                 select from provisioned_artifacts where kind = %s and state = 'removed' and details ->> 'name' = %s
               ) as found""",
            (kind, name),
        )
        row = await rows.fetchone()
    return row is not None and bool(row["found"])


async def is_anothers(db: Database, organization_id: UUID, vendor_id: str, *, created: bool = False) -> bool:
    """True when another organization's ledger holds the thing with this id; with `created`, when it was made for that one."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select exists (
                 select from provisioned_artifacts
                 where vendor_id = %s and organization_id <> %s and state <> 'removed' and (created or not %s)
               ) as found""",
            (vendor_id, organization_id, created),
        )
        row = await rows.fetchone()
    return row is not None and bool(row["found"])


async def list_artifacts(db: Database, organization_id: UUID, *, include_removed: bool = False) -> list[Artifact]:
    """The organization's artifacts that are not removed, or all, newest intent first: rollback's order."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select * from provisioned_artifacts where organization_id = %s and (%s or state <> 'removed')
               order by sequence desc""",
            (organization_id, include_removed),
        )
        return [_artifact(row) async for row in rows]


async def count_artifacts(db: Database, organization_id: UUID) -> dict[ArtifactKind, int]:
    """How many artifacts of each kind are present; kinds with none are absent."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select kind, count(*) as present from provisioned_artifacts
               where organization_id = %s and state = 'present' group by kind order by min(sequence)""",
            (organization_id,),
        )
        return {ArtifactKind(row["kind"]): row["present"] async for row in rows}


async def count_created(db: Database, *kinds: ArtifactKind, living: bool = False) -> int:
    """How many of these kinds were created for all organizations, removed ones included unless only the living count."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select count(*) as made from provisioned_artifacts
               where kind = any(%s) and created and vendor_id is not null and (state <> 'removed' or not %s)""",
            ([kind.value for kind in kinds], living),
        )
        row = await rows.fetchone()
        return int(row["made"]) if row else 0


def _artifact(row: Mapping[str, Any] | None, artifact_id: UUID | None = None) -> Artifact:
    if row is None:
        raise ProvisioningError(f"the ledger has no living artifact {artifact_id}")
    return Artifact(
        id=row["id"],
        organization_id=row["organization_id"],
        kind=ArtifactKind(row["kind"]),
        key=row["key"],
        state=ArtifactState(row["state"]),
        vendor_id=row["vendor_id"],
        created=row["created"],
        details=row["details"],
        sequence=row["sequence"],
        updated_at=row["updated_at"],
    )
