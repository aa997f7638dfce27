"""A small part of DAX, to check what a dataset holds. What is not understood is an error, never an empty answer.

Tables: a name, ROW, VALUES, DISTINCT, ALL, TOPN, FILTER with one comparison, SELECTCOLUMNS, SUMMARIZECOLUMNS of one
column. Scalars: literals, COUNTROWS, COUNT, DISTINCTCOUNT, MIN, MAX, SUM, COALESCE, BLANK, and sums of them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tenant_provisioning.simulator.fabric.records import TableData

TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"]|"")*")|(?P<quoted>'(?:[^']|'')*')|(?P<column>\[[^\]]*\])"""
                   r"""|(?P<number>\d+(?:\.\d+)?)|(?P<word>\w+)|(?P<mark><>|<=|>=|[(),=<>+{}]))""")  # fmt: skip
COMMENT = re.compile(r"(--|//)[^\n]*|/\*.*?\*/", re.DOTALL)
COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    ">": lambda a, b: _number(a) > _number(b),
    "<": lambda a, b: _number(a) < _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
    "<=": lambda a, b: _number(a) <= _number(b),
}
Row = dict[str, object]


class QueryError(Exception):
    """The query is wrong, in the words of the engine."""


@dataclass(frozen=True)
class _Table:
    columns: tuple[str, ...]  # as they are answered: tenant[organization_id], or [n]
    rows: tuple[tuple[object, ...], ...]


def evaluate(query: str, tables: Mapping[str, TableData]) -> list[Row]:
    """The rows that an EVALUATE query answers, with None for blanks."""
    reader = _Reader(COMMENT.sub(" ", query), tables)
    reader.expect("EVALUATE")
    found = reader.table()
    if reader.peek().upper() == "ORDER":
        found = reader.ordered(found)
    if reader.peek():
        raise reader.wrong(f"The syntax for '{reader.peek()}' is incorrect.")
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


class _Reader:
    """Reads a query from left to right, answering as it goes."""

    def __init__(self, text: str, tables: Mapping[str, TableData]) -> None:
        self._tables = {name.casefold(): (name, table) for name, table in tables.items()}
        self._tokens: list[str] = []
        self._at = 0
        position, text = 0, text.strip()
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None:
                raise self.wrong(f"The syntax for '{text[position : position + 10]}' is incorrect.")
            self._tokens.append(found.group().strip())
            position = found.end()

    def wrong(self, message: str) -> QueryError:
        """What is wrong at this place, in the engine's words."""
        return QueryError(f"Query (1, {self._at + 1}) {message}")

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        """The next token, taken."""
        token = self.peek()
        if not token:
            raise self.wrong("The syntax is incorrect: the query ended too early.")
        self._at += 1
        return token

    def expect(self, token: str) -> None:
        """Take exactly this token."""
        if self.peek().upper() != token:
            raise self.wrong(f"The syntax for '{self.peek()}' is incorrect.")
        self._at += 1

    def table(self) -> _Table:
        """A table expression."""
        token = self.take()
        if self.peek() != "(":
            return self._named(token)
        makers = {
            "ROW": self._row, "VALUES": self._values, "DISTINCT": self._values, "ALL": self._values, "TOPN": self._top,
            "FILTER": self._filter, "SELECTCOLUMNS": self._select, "SUMMARIZECOLUMNS": self._summarize,
        }  # fmt: skip
        maker = makers.get(token.upper())
        if maker is None:
            raise self.wrong(f"Failed to resolve name '{token}'. It is not a valid table, variable, or function name.")
        self.expect("(")
        made = maker()
        self.expect(")")
        return made

    def scalar(self, row: Row | None = None) -> object:
        """A scalar expression; `row` is what a column without an aggregate means."""
        value = self._term(row)
        while self.peek() == "+":
            self.take()
            value = _number(value) + _number(self._term(row))
        return value

    def ordered(self, found: _Table) -> _Table:
        """The table in the order that ORDER BY asks for."""
        self.expect("ORDER")
        self.expect("BY")
        column, _ = self._column()
        descending = self.peek().upper() == "DESC"
        if self.peek().upper() in {"ASC", "DESC"}:
            self.take()
        at = found.columns.index(column) if column in found.columns else 0
        return _Table(found.columns, tuple(sorted(found.rows, key=lambda row: str(row[at]), reverse=descending)))

    def _named(self, token: str) -> _Table:
        name = token[1:-1].replace("''", "'") if token.startswith("'") else token
        known = self._tables.get(name.casefold())
        if known is None:
            raise self.wrong(f"Cannot find table '{name}'.")
        shown, table = known
        return _Table(tuple(f"{shown}[{column}]" for column in table.columns), table.rows)

    def _column(self) -> tuple[str, tuple[object, ...]]:
        token = self.take()
        table = self._named(token)
        column = self.take()
        wanted = column.casefold()
        for at, known in enumerate(table.columns):
            if known[known.rindex("[") :].casefold() == wanted:
                return known, tuple(row[at] for row in table.rows)
        raise self.wrong(
            f"Column '{column[1:-1]}' in table {token} cannot be found or may not be used in this expression."
        )

    def _row(self) -> _Table:
        pairs = self._pairs(None)
        return _Table(tuple(pairs), (tuple(pairs.values()),))

    def _pairs(self, row: Row | None) -> Row:
        found: Row = {}
        while True:
            name = self.take()
            if not name.startswith('"'):
                raise self.wrong("A column name must be a string.")
            self.expect(",")
            found[f"[{name[1:-1]}]"] = self.scalar(row)
            if self.peek() != ",":
                return found
            self.take()

    def _values(self) -> _Table:
        if self._tokens[self._at + 1 : self._at + 2] and self._tokens[self._at + 1].startswith("["):
            column, values = self._column()
            return _Table((column,), tuple((value,) for value in dict.fromkeys(values)))
        table = self.table()
        return _Table(table.columns, tuple(dict.fromkeys(table.rows)))

    def _top(self) -> _Table:
        count = int(_number(self.scalar()))
        self.expect(",")
        table = self.table()
        while self.peek() == ",":  # the order: rows are in the order in which they were stored
            self.take()
            self._column() if self.peek().upper() not in {"ASC", "DESC"} else self.take()
        return _Table(table.columns, table.rows[:count])

    def _filter(self) -> _Table:
        table = self.table()
        self.expect(",")
        start, kept = self._at, []
        for row in table.rows or (_blanks(table),):
            self._at = start
            if self._compare(dict(zip(table.columns, row, strict=True))):
                kept.append(row)
        return _Table(table.columns, tuple(kept) if table.rows else ())

    def _compare(self, row: Row) -> bool:
        left, mark, right = self.scalar(row), self.take(), self.scalar(row)
        if mark not in COMPARISONS:
            raise self.wrong(f"The syntax for '{mark}' is incorrect.")
        return COMPARISONS[mark](left, right)

    def _select(self) -> _Table:
        table = self.table()
        self.expect(",")
        start, rows = self._at, []
        columns: tuple[str, ...] = ()
        for row in table.rows or (_blanks(table),):
            self._at = start
            pairs = self._pairs(dict(zip(table.columns, row, strict=True)))
            columns = tuple(pairs)
            rows.append(tuple(pairs.values()))
        return _Table(columns, tuple(rows) if table.rows else ())

    def _summarize(self) -> _Table:
        column, values = self._column()
        groups = tuple(dict.fromkeys(values))
        if self.peek() != ",":
            return _Table((column,), tuple((value,) for value in groups))
        raise self.wrong("SUMMARIZECOLUMNS with more than one argument is not answered here.")

    def _term(self, row: Row | None) -> object:
        token = self.peek()
        if token.startswith('"'):
            return self.take()[1:-1].replace('""', '"')
        if token[:1].isdigit():
            number = float(self.take())
            return int(number) if number.is_integer() else number
        if row is not None and token.startswith("["):
            return self._in_row(row, self.take())
        if row is not None and self._tokens[self._at + 1 : self._at + 2] and self._tokens[self._at + 1].startswith("["):
            column, _ = self._column()
            return row.get(column)
        return self._call(self.take().upper(), row)

    def _in_row(self, row: Row, column: str) -> object:
        for known, value in row.items():
            if known.casefold().endswith(column.casefold()):
                return value
        raise self.wrong(f"Column '{column[1:-1]}' cannot be found or may not be used in this expression.")

    def _call(self, name: str, row: Row | None) -> object:
        self.expect("(")
        match name:
            case "COUNTROWS":
                value: object = len(self.table().rows) or None  # no rows are a blank, not a zero
            case "BLANK":
                value = None
            case "COALESCE":
                value = self._coalesced(row)
            case "COUNT" | "DISTINCTCOUNT" | "MIN" | "MAX" | "SUM":
                value = _aggregate(name, self._column()[1])
            case _:
                raise self.wrong(
                    f"Failed to resolve name '{name}'. It is not a valid table, variable, or function name."
                )
        self.expect(")")
        return value

    def _coalesced(self, row: Row | None) -> object:
        values = [self.scalar(row)]
        while self.peek() == ",":
            self.take()
            values.append(self.scalar(row))
        return next((value for value in values if value is not None), None)


def _blanks(table: _Table) -> tuple[object, ...]:
    """A row to read an expression with, so that an empty table's query is checked like any other."""
    return tuple(None for _ in table.columns)


def _aggregate(name: str, values: Iterable[object]) -> object:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if name == "COUNT":
        return len(known)
    if name == "DISTINCTCOUNT":
        return len(set(known))
    if name == "SUM":
        return sum(_number(value) for value in known)
    return (min if name == "MIN" else max)(known, key=str)


def _number(value: object) -> float | int:
    if value is None:
        return 0
    if isinstance(value, int | float):
        return value
    try:
        return float(str(value))
    except ValueError:
        raise QueryError(f"Cannot convert value '{value}' of type Text to type Number.") from None
