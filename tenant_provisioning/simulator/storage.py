"""Tables of frozen records in memory, written through to one sqlite file when the world has one.

What does not belong here: what a record means, and any index beside the id. A vendor's state keeps such indexes as
plain dicts and rebuilds them from its tables when it is made.
"""

import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

R = TypeVar("R")


class StateFile:
    """The sqlite file behind the tables; `commit` is called once a request, before its answer is sent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        # a killed process loses nothing that was written; only a crash of the whole machine could
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS records (position INTEGER PRIMARY KEY AUTOINCREMENT, "
            "table_name TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL, UNIQUE (table_name, id))"
        )
        self._open = False

    def read(self, table: str) -> Iterator[tuple[str, object]]:
        """Every record of the table with its id, oldest first."""
        rows = self._db.execute("SELECT id, record FROM records WHERE table_name = ? ORDER BY position", (table,))
        for identifier, blob in rows.fetchall():
            yield identifier, pickle.loads(blob)  # noqa: S301 - this process alone writes the file

    def put(self, table: str, identifier: str, record: object) -> None:
        """Keep the record under the id; its place among the others stays when it was there before."""
        self._begin()
        self._db.execute(
            "INSERT INTO records (table_name, id, record) VALUES (?, ?, ?) "
            "ON CONFLICT (table_name, id) DO UPDATE SET record = excluded.record",
            (table, identifier, pickle.dumps(record, pickle.HIGHEST_PROTOCOL)),
        )

    def delete(self, table: str, identifier: str) -> None:
        """Forget the record with that id."""
        self._begin()
        self._db.execute("DELETE FROM records WHERE table_name = ? AND id = ?", (table, identifier))

    def clear(self, table: str) -> None:
        """Forget every record of the table."""
        self._begin()
        self._db.execute("DELETE FROM records WHERE table_name = ?", (table,))

    def commit(self) -> None:
        """Make everything put or deleted since the last commit outlive this process."""
        if self._open:
            self._db.execute("COMMIT")
            self._open = False

    def close(self) -> None:
        """Commit and let go of the file."""
        self.commit()
        self._db.close()

    def _begin(self) -> None:
        if not self._open:
            self._db.execute("BEGIN")
            self._open = True


class Table(Generic[R]):
    """Records by id, in the order in which their ids first appeared."""

    def __init__(self, name: str, file: StateFile | None = None) -> None:
        self.name = name
        self._file = file
        self._records: dict[str, R] = {}
        if file is not None:
            self._records.update(file.read(name))  # type: ignore[arg-type]  # pickled by put, which takes R only

    def get(self, identifier: str) -> R | None:
        """The record with that id, or None."""
        return self._records.get(identifier)

    def put(self, identifier: str, record: R) -> R:
        """Keep the (frozen) record under the id and return it."""
        self._records[identifier] = record
        if self._file is not None:
            self._file.put(self.name, identifier, record)
        return record

    def delete(self, identifier: str) -> R | None:
        """Remove and return the record with that id; None when there is none."""
        gone = self._records.pop(identifier, None)
        if gone is not None and self._file is not None:
            self._file.delete(self.name, identifier)
        return gone

    def clear(self) -> None:
        """Remove every record."""
        self._records.clear()
        if self._file is not None:
            self._file.clear(self.name)

    def values(self) -> list[R]:
        """All records as a list of its own, oldest first; linear, so not for hot calls over all tenants."""
        return list(self._records.values())

    def ids(self) -> list[str]:
        """All ids, oldest first."""
        return list(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._records
