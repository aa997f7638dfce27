"""Every secret of a tenant can be looked at where it stands, and all of them encrypted with a new key while others read."""

import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tenant_provisioning.store import organizations, sealed
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.vault import Vault, generate_key

COLUMN = "data_store_connection"
OLD, NEW = generate_key("k1"), generate_key("k2")
SECRET = "Server=x;Password=hunter2"
MANY = sealed.BATCH + 20


@pytest.fixture
def db(platform_db: Database) -> Database:
    return platform_db


async def insert(db: Database, count: int) -> list[UUID]:
    """So many organizations, each with its own secret under the old key; their ids."""
    async with db.connection() as connection:
        rows = await connection.execute(
            "insert into organizations (name, subdomain, domain, lms, english_maths, crm, data_store_kind)"
            " select 'O' || n, 'o' || n, 'yourplatform.com', 'A', 'B', 'C', 'lakehouse' from generate_series(1, %s) n"
            " returning id",
            (count,),
        )
        ids = [row["id"] for row in await rows.fetchall()]
    vault = Vault(OLD)
    for each in ids:
        await organizations.save_connection(db, each, vault.encrypt(f"{SECRET}{each}", each, COLUMN))
    return ids


async def readable(db: Database, vault: Vault, ids: list[UUID]) -> int:
    """How many of the secrets a reader with these keys gets right."""
    texts = {each: await organizations.get_connection(db, each) for each in ids}
    return sum(vault.decrypt(str(text), each, COLUMN) == f"{SECRET}{each}" for each, text in texts.items())


async def finish(db: Database, vault: Vault) -> sealed.Rotated:
    async for done in sealed.rotate(db, vault):
        last = done
    return last


async def test_rotation_encrypts_everything_anew_and_then_the_old_key_is_not_needed(db: Database) -> None:
    ids = await insert(db, 3)
    done = await finish(db, Vault(f"{NEW},{OLD}"))
    assert (done.anew, done.before, done.unreadable) == (3, 0, ())
    assert await sealed.key_ids_in_use(db) == {"k2": 3}
    assert await readable(db, Vault(NEW), ids) == 3


async def test_a_rotation_that_was_killed_goes_on_where_it_was_and_readers_with_both_keys_notice_nothing(
    db: Database,
) -> None:
    ids, both = await insert(db, MANY), Vault(f"{NEW},{OLD}")
    async with aclosing(sealed.rotate(db, both)) as rotation:
        async for done in rotation:
            if done.anew:
                break
    assert await sealed.key_ids_in_use(db) == {"k2": sealed.BATCH, "k1": MANY - sealed.BATCH}
    assert await readable(db, both, ids) == MANY

    done = await finish(db, both)
    assert (done.anew, done.before) == (MANY - sealed.BATCH, sealed.BATCH)
    assert await readable(db, Vault(NEW), ids) == MANY


async def test_what_somebody_writes_meanwhile_stays(db: Database) -> None:
    [acme] = await insert(db, 1)
    both = Vault(f"{NEW},{OLD}")
    async for page in sealed._pages(db):
        await organizations.save_connection(db, acme, both.encrypt("newer", acme, COLUMN))
        async with db.connection() as connection:
            assert await sealed._replace(connection, page[0], both.encrypt("older", acme, COLUMN)) == 0
    assert both.decrypt(str(await organizations.get_connection(db, acme)), acme, COLUMN) == "newer"


async def test_what_does_not_decrypt_is_named_by_both_and_left_as_it_is(db: Database) -> None:
    moved, other = await insert(db, 2)
    text = str(await organizations.get_connection(db, other))
    await organizations.save_connection(db, moved, text)
    found, done = await sealed.examine(db, Vault(f"{NEW},{OLD}")), await finish(db, Vault(f"{NEW},{OLD}"))
    assert found.sound == {"k1": 1}
    assert found.unreadable == done.unreadable
    assert re.match(f"organizations: {COLUMN} of organization {moved} does not decrypt", found.unreadable[0])
    assert await organizations.get_connection(db, moved) == text
    lost = await sealed.examine(db, Vault(NEW))
    assert any("needs the key k1" in said for said in lost.unreadable)
    assert not any("hunter2" in said for said in (*found.unreadable, *lost.unreadable))


async def test_the_database_knows_since_when_each_key_is_at_work(db: Database) -> None:
    await insert(db, 2)
    await finish(db, Vault(f"{NEW},{OLD}"))
    ages = await sealed.key_ages(db)
    assert ages.keys() == {"k1", "k2"}
    assert all(abs(datetime.now(UTC) - since) < timedelta(minutes=5) for since in ages.values())


async def test_rotation_knows_every_column_of_ciphertexts_and_the_schema_notes_the_keys_of_each(db: Database) -> None:
    async with db.connection() as connection:
        rows = await connection.execute(
            "select conrelid::regclass::text as table, attname as column from pg_constraint"
            " join pg_attribute on attrelid = conrelid and attnum = any (conkey)"
            " where contype = 'c' and conname like '%%_is_encrypted'"
        )
        constrained: set[Any] = {(row["table"], row["column"]) for row in await rows.fetchall()}
        rows = await connection.execute(
            "select tgrelid::regclass::text as table, replace(encode(tgargs, 'escape'), '\\000', '') as column"
            " from pg_trigger where tgfoid = 'note_encryption_key'::regproc"
        )
        noted = {(row["table"], row["column"]) for row in await rows.fetchall()}
    assert constrained == noted == {(at.table, at.column) for at in sealed.COLUMNS}
