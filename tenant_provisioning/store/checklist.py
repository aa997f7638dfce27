"""The part of the QA list that a person ticks: which item is done, by whom, when. The items themselves are in `model.qa`."""

from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.qa import ManualItem
from tenant_provisioning.store.database import Connection, Database, acting


async def tick(db: Database, organization_id: UUID, item: str, *, done_by: str, note: str = "") -> None:
    """The item is done; it is audited, and ticking it again renews who and when."""
    async with acting(db, done_by) as connection:
        await connection.execute(
            """insert into qa_manual_items (organization_id, item, done_by, note) values (%s, %s, %s, %s)
               on conflict (organization_id, item)
               do update set done_by = excluded.done_by, note = excluded.note, done_at = now()""",
            (organization_id, item, done_by, note),
        )
        await _audit(connection, organization_id, done_by, "checklist_ticked", item, note)


async def untick(db: Database, organization_id: UUID, item: str, *, undone_by: str, note: str = "") -> None:
    """The item is open; audited when it was not before."""
    async with acting(db, undone_by) as connection:
        gone = await connection.execute(
            "delete from qa_manual_items where organization_id = %s and item = %s", (organization_id, item)
        )
        if gone.rowcount:
            await _audit(connection, organization_id, undone_by, "checklist_unticked", item, note)


async def list_ticked(db: Database, organization_id: UUID) -> dict[str, ManualItem]:
    """The items that are done, by key."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select item as key, done_by, done_at, note from qa_manual_items where organization_id = %s order by item",
            (organization_id,),
        )
        return {row["key"]: ManualItem(**row) async for row in rows}


async def _audit(  # noqa: PLR0917 - the audit log's columns
    connection: Connection, organization_id: UUID, actor: str, action: str, item: str, note: str
) -> None:
    await connection.execute(
        "insert into audit_log (organization_id, actor, action, reason, details) values (%s, %s, %s, %s, %s)",
        (organization_id, actor, action, note, Jsonb({"item": item})),
    )
