"""How the database answers the statements that our functions send: each is explained where it is sent, with its values."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

EXPLAINED = ("select", "with", "insert", "update", "delete")


@dataclass
class Explained:
    """A statement, the tables that were read from end to end for it, and how many of their rows it touched in all."""

    text: str
    scanned: set[str]
    rows: int


@dataclass
class Book:
    """The statements seen, each text once, with the worst that was seen of it."""

    growing: frozenset[str]
    statements: dict[str, Explained] = field(default_factory=dict)

    def add(self, text: str, plan: dict[str, Any]) -> None:
        """One more."""
        known = self.statements.setdefault(text, Explained(text, set(), 0))
        rows = 0
        for node in _nodes(plan):
            if node.get("Relation Name") not in self.growing:
                continue
            if node["Node Type"] == "Seq Scan":
                known.scanned.add(node["Relation Name"])
            loops = node.get("Actual Loops", 1)
            rows += int((node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)) * loops)
        known.rows = max(known.rows, rows)


@contextmanager
def explaining(patch: pytest.MonkeyPatch, growing: frozenset[str]) -> Iterator[Book]:
    """Whatever is sent inside is explained first; what only reads is carried out for it, so that rows are counted."""
    book, execute = Book(growing), psycopg.AsyncCursor.execute

    async def explained(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        connection = cursor.connection
        text = query if isinstance(query, str) else _text(query, connection)
        if text.lower().lstrip().startswith(EXPLAINED) and " set_config(" not in text:
            reads = text.lower().lstrip().startswith(("select", "with")) and " for update" not in text.lower()
            look = psycopg.AsyncClientCursor(connection)
            how = "analyze, timing off, format json" if reads and "update " not in text else "format json"
            await execute(look, f"explain ({how}) {text}".encode(), params)
            row = await look.fetchone()
            found = next(iter(row.values())) if isinstance(row, dict) else row[0]  # type: ignore[index]
            plan = json.loads(found) if isinstance(found, str) else found
            book.add(" ".join(text.split()), plan[0]["Plan"])
        return await execute(cursor, query, params, **options)

    with patch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "execute", explained)
        yield book


def _text(query: Any, connection: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query.as_string(connection))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
