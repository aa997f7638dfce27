"""Every ciphertext of the database: where it stands, whether it decrypts there, and all of them encrypted anew.

How one text is encrypted is `vault`. A column of ciphertexts belongs into COLUMNS, and its table gets the trigger
`note_encryption_key`; a test compares COLUMNS with the schema.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import sql

from tenant_provisioning.model.errors import ProvisioningError
from tenant_provisioning.store.database import Connection, Database
from tenant_provisioning.store.vault import Vault, key_id_of

BATCH = 100  # rows in one transaction


@dataclass(frozen=True)
class SealedColumn:
    """A column of ciphertexts; each is bound to the row's organization and to the column's name."""

    table: str
    column: str
    organization: str = "organization_id"


COLUMNS = (
    SealedColumn("organizations", "data_store_connection", organization="id"),
    SealedColumn("access_requests", "link"),
)


@dataclass(frozen=True)
class Ciphertext:
    """One ciphertext and the place it stands at. `row` is the row's own id."""

    at: SealedColumn
    row: UUID
    organization_id: UUID
    text: str

    def __str__(self) -> str:
        return f"{self.at.table}.{self.at.column} of organization {self.organization_id}"


@dataclass(frozen=True)
class Examined:
    """How many ciphertexts decrypt, by key id, and why the others do not."""

    sound: Counter[str]
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class Rotated:
    """How many ciphertexts were encrypted anew, how many had been before, and why the rest could not be."""

    anew: int
    before: int
    unreadable: tuple[str, ...]


async def key_ages(db: Database) -> dict[str, datetime]:
    """Since when each key id is in use, as far as the database has seen it."""
    async with db.statement() as connection:
        rows = await connection.execute("select key_id, first_used_at from encryption_keys")
        return {row["key_id"]: row["first_used_at"] async for row in rows}


async def key_ids_in_use(db: Database) -> Counter[str]:
    """How many ciphertexts name each key id; whether they decrypt is `examine`."""
    counted: Counter[str] = Counter()
    async with db.connection() as connection:
        for at in COLUMNS:
            rows = await connection.execute(
                sql.SQL(
                    "select split_part({column}, '.', 2) as key_id, count(*) as count from {table} "
                    "where {column} is not null group by 1"
                ).format(**_names(at))
            )
            async for row in rows:
                counted[row["key_id"]] += row["count"]
    return counted


async def examine(db: Database, vault: Vault) -> Examined:
    """Whether every ciphertext decrypts where it stands, and by which key. Nothing of the texts is kept."""
    sound: Counter[str] = Counter()
    unreadable: list[str] = []
    async for page in _pages(db):
        for found in page:
            try:
                vault.decrypt(found.text, found.organization_id, found.at.column)
                sound[key_id_of(found.text)] += 1
            except ProvisioningError as error:
                unreadable.append(f"{found.at.table}: {error}")
    return Examined(sound, tuple(unreadable))


async def rotate(db: Database, vault: Vault) -> AsyncIterator[Rotated]:
    """Everything is encrypted with the vault's first key; yields the counts so far after each batch, at least once.

    May be killed and run again: what carries the first key already is passed over. Readers and writers are not held up,
    and a text that somebody changes meanwhile keeps what they wrote.
    """
    anew, before, unreadable = 0, 0, list[str]()
    yield Rotated(0, 0, ())
    async for page in _pages(db):
        old = [found for found in page if key_id_of(found.text) != vault.first]
        before += len(page) - len(old)
        async with db.connection() as connection:
            for found in old:
                try:
                    plain = vault.decrypt(found.text, found.organization_id, found.at.column)
                except ProvisioningError as error:
                    unreadable.append(f"{found.at.table}: {error}")
                    continue
                anew += await _replace(connection, found, vault.encrypt(plain, found.organization_id, found.at.column))
        yield Rotated(anew, before, tuple(unreadable))


async def _replace(connection: Connection, found: Ciphertext, text: str) -> int:
    """1 when the new text stands in place of exactly the old one, 0 when somebody was faster."""
    changed = await connection.execute(
        sql.SQL("update {table} set {column} = %s where id = %s and {column} = %s").format(**_names(found.at)),
        (text, found.row, found.text),
    )
    return changed.rowcount


async def _pages(db: Database) -> AsyncIterator[Sequence[Ciphertext]]:
    """All ciphertexts, a batch at a time, in the order of their rows' ids: what is changed meanwhile moves nothing."""
    for at in COLUMNS:
        last = UUID(int=0)
        query = sql.SQL(
            "select id, {organization} as organization_id, {column} as text from {table} "
            "where {column} is not null and id > %s order by id limit %s"
        ).format(**_names(at), organization=sql.Identifier(at.organization))
        while True:
            async with db.statement() as connection:
                rows = await (await connection.execute(query, (last, BATCH))).fetchall()
            if not rows:
                break
            last = rows[-1]["id"]
            yield [Ciphertext(at, row["id"], row["organization_id"], row["text"]) for row in rows]


def _names(at: SealedColumn) -> dict[str, sql.Identifier]:
    return {"table": sql.Identifier(at.table), "column": sql.Identifier(at.column)}
