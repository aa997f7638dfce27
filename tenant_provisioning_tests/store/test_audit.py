"""The audit log can only be added to, whoever asks and by whatever statement."""

import psycopg
import pytest

from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.audit import append, list_audit
from tenant_provisioning.store.database import Database

CHANGES = (
    "update audit_log set actor = 'nobody'",
    "update audit_log set actor = 'nobody' where false",
    "delete from audit_log",
    "truncate audit_log",
    "truncate organizations cascade",
    "insert into audit_log overriding system value select * from audit_log on conflict (id) do update set actor = 'x'",
    """merge into audit_log using (select 1) as one on true when matched then delete""",
)


@pytest.mark.parametrize(
    "way", ["reset role", "set local role service_role", "set local session_replication_role = replica"]
)
async def test_nobody_changes_or_deletes_an_entry(db: Database, acme: Organization, way: str) -> None:
    before = await list_audit(db, acme.id)
    async with db.connection() as connection:
        await connection.execute(way.encode())
        for statement in CHANGES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with connection.transaction():
                    await connection.execute(statement.encode())
    assert before
    assert await list_audit(db, acme.id) == before


async def test_the_refusal_says_what_it_is_about(db: Database, acme: Organization) -> None:
    async with db.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the audit log can only be added to: DELETE"):
            async with connection.transaction():
                await connection.execute("delete from audit_log")


async def test_an_organization_with_a_history_cannot_be_deleted(db: Database, acme: Organization) -> None:
    async with db.connection() as connection:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            async with connection.transaction():
                await connection.execute("delete from organizations")


async def test_entries_are_listed_in_their_order_and_by_organization(
    db: Database, acme: Organization, other: Organization
) -> None:
    await append(db, acme.id, actor="sam", action="viewed", reason="curious", details={"page": "qa"})
    entries = await list_audit(db, acme.id)
    assert [(entry.action, entry.reason, entry.details) for entry in entries] == [
        ("requested", "", {}),
        ("viewed", "curious", {"page": "qa"}),
    ]
    assert entries[1].from_status is entries[1].to_status is None
    assert [entry.action for entry in await list_audit(db, other.id)] == ["requested"]
