"""Onboarding requests that are not finished: what a super admin has entered so far, right or wrong. Submitting is `requests`.

Secrets arrive here encrypted, bound to the draft and their field's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.store.database import Database

KEPT_DAYS = 30  # an untouched draft goes after that: it holds people's names


@dataclass(frozen=True)
class Draft:
    """A form on its way. `fields` has the request's shape; `secrets` maps a field to its ciphertext."""

    id: UUID
    fields: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    submitted_as: UUID | None
    updated_at: datetime

    @property
    def name(self) -> str:
        """What it is called until it has a name."""
        return str(self.fields.get("name") or "") or "Without a name yet"


async def begin_draft(db: Database, owner_id: UUID) -> UUID:
    """An empty draft: the one that this owner has already, or a new one."""
    async with db.connection() as connection:
        await connection.execute(
            "delete from onboarding_drafts where submitted_as is null and updated_at < now() - make_interval(days => %s)",
            (KEPT_DAYS,),
        )
        rows = await connection.execute(
            """with there as (
                 select id from onboarding_drafts
                 where owner_id = %(owner)s and submitted_as is null and fields = '{}' and secrets = '{}' limit 1
               ), made as (
                 insert into onboarding_drafts (owner_id) select %(owner)s where not exists (select from there) returning id
               )
               select id from there union all select id from made""",
            {"owner": owner_id},
        )
        row = await rows.fetchone()
    assert row is not None  # noqa: S101 - one of the two is there
    found: UUID = row["id"]
    return found


async def find_draft(db: Database, draft_id: UUID, owner_id: UUID) -> Draft | None:
    """The draft, if there is one and it is this owner's."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, fields, secrets, submitted_as, updated_at from onboarding_drafts
               where id = %s and owner_id = %s""",
            (draft_id, owner_id),
        )
        row = await rows.fetchone()
    return Draft(**row) if row else None


async def list_drafts(db: Database, owner_id: UUID) -> list[Draft]:
    """The owner's drafts in which something was entered, the newest first."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, fields, secrets, submitted_as, updated_at from onboarding_drafts
               where owner_id = %s and submitted_as is null and fields <> '{}' order by updated_at desc limit 20""",
            (owner_id,),
        )
        return [Draft(**row) async for row in rows]


async def save_draft(
    db: Database, draft_id: UUID, owner_id: UUID, fields: Mapping[str, Any], secrets: Mapping[str, str] | None = None
) -> None:
    """These fields are as given and the others as they were; nothing happens to a draft that was submitted meanwhile."""
    async with db.statement() as connection:
        await connection.execute(
            """update onboarding_drafts set fields = fields || %s, secrets = secrets || %s
               where id = %s and owner_id = %s and submitted_as is null""",
            (Jsonb(dict(fields)), Jsonb(dict(secrets or {})), draft_id, owner_id),
        )


async def discard_draft(db: Database, draft_id: UUID, owner_id: UUID) -> None:
    """What was entered is gone."""
    async with db.statement() as connection:
        await connection.execute(
            "delete from onboarding_drafts where id = %s and owner_id = %s and submitted_as is null",
            (draft_id, owner_id),
        )
