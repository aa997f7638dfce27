"""A small part of T-SQL: tables are made and filled, their names and users told, users dropped. What is not understood is refused.

Not simulated: types beyond their names, constraints beyond their words, transactions, permissions within a database.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tenant_provisioning.simulator.fabric.records import TableData

NAME = r"(?:\[?\w+\]?\.)?\[?(\w+)\]?"
TEXT = r"N?'((?:[^']|'')*)'"
GUARD = re.compile(rf"if\s+object_id\s*\(\s*{TEXT}\s*(?:,\s*N?'U'\s*)?\)\s+is\s+null\s+", re.IGNORECASE)
CREATE = re.compile(rf"create\s+table\s+{NAME}\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)
INSERT = re.compile(
    rf"insert\s+into\s+{NAME}\s*\(([^)]*)\)\s*(?:values\s*\(\s*{TEXT}\s*\)|select\s+{TEXT}(.*))",
    re.IGNORECASE | re.DOTALL,
)
UNLESS = re.compile(
    rf"\s*where\s+not\s+exists\s*\(\s*select\s+1\s+from\s+{NAME}\s+where\s+\[?(\w+)\]?\s*=\s*{TEXT}\s*\)\s*",
    re.IGNORECASE,
)
DELETE = re.compile(rf"delete\s+from\s+{NAME}\s+where\s+\[?(\w+)\]?\s*<>\s*{TEXT}", re.IGNORECASE)
TABLES = re.compile(
    r"select\s+table_name\s+from\s+information_schema\.tables(?:\s+where\s+table_type\s*=\s*'BASE TABLE')?",
    re.IGNORECASE,
)
USERS = re.compile(r"select\s+name\s+from\s+sys\.database_principals\s+where\s+(.+)", re.IGNORECASE | re.DOTALL)
SCHEMAS = re.compile(
    r"select\s+name\s+from\s+sys\.schemas\s+where\s+principal_id\s*>\s*4\s+and\s+principal_id\s*<\s*16384",
    re.IGNORECASE,
)
AUTHORIZE = re.compile(r"alter\s+authorization\s+on\s+schema::\[((?:[^\]]|\]\])+)\]\s+to\s+\[?dbo\]?", re.IGNORECASE)
DROP_USER = re.compile(r"drop\s+user\s+\[((?:[^\]]|\]\])+)\]", re.IGNORECASE)
COLUMN = re.compile(rf"select\s+\[?(\w+)\]?\s+from\s+{NAME}", re.IGNORECASE)
CONSTRAINTS = frozenset({"constraint", "primary", "foreign", "unique", "check"})
NOT_IN_WAREHOUSES = re.compile(
    r"\b(nvarchar|nchar|datetime|money|smallmoney|xml|tinyint|text|ntext|image)\b", re.IGNORECASE
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
SYSTEM_USERS = ("public", "dbo", "guest", "INFORMATION_SCHEMA", "sys")


class SqlError(Exception):
    """A statement that SQL Server refuses, with its number and words."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number, self.message = number, message


@dataclass(frozen=True)
class Content:
    """What a database holds, as far as it is understood."""

    tables: Mapping[str, TableData]
    users: tuple[str, ...] = ()
    schemas: Mapping[str, str] = field(default_factory=dict)  # those that users own, with their owners
    is_warehouse: bool = False


@dataclass(frozen=True)
class Result:
    """The content after a batch, and the rows of its last query, one column."""

    content: Content
    column: str = ""
    rows: tuple[object, ...] = field(default=())


def carry_out(batch: str, content: Content) -> Result:
    """What the batch's statements, each ended by a semicolon or the batch's end, do and answer."""
    result = Result(content)
    for statement in split(COMMENT.sub(" ", batch)):
        result = _one(statement, result.content)
    return result


def split(batch: str) -> list[str]:
    """The statements; a semicolon within a string ends none."""
    parts = re.findall(r"(?:'(?:[^']|'')*'|[^;'])+", batch)
    return [part.strip() for part in parts if part.strip()]


def _one(statement: str, content: Content) -> Result:
    guard = GUARD.match(statement)
    if guard:
        name = guard.group(1).split(".")[-1].strip("[]")
        return Result(content) if _find(content, name) else _one(statement[guard.end() :], content)
    for pattern, act in ACTS.items():
        found = pattern.fullmatch(statement)
        if found:
            return act(found, content)
    raise SqlError(102, f"Incorrect syntax near '{' '.join(statement.split())[:40]}'.")


def _create(found: re.Match[str], content: Content) -> Result:
    name, inside = found.group(1), found.group(2)
    if _find(content, name):
        raise SqlError(2714, f"There is already an object named '{name}' in the database.")
    refused = NOT_IN_WAREHOUSES.search(inside) if content.is_warehouse else None
    if refused:
        raise SqlError(24574, f"The data type '{refused.group(1)}' is not supported in this edition of SQL Server.")
    lines = [line.split() for line in re.split(r",(?![^(]*\))", inside) if line.strip()]
    columns = tuple(words[0].strip("[]") for words in lines if words[0].casefold() not in CONSTRAINTS)
    return Result(replace(content, tables={**content.tables, name: TableData(columns)}))


def _insert(found: re.Match[str], content: Content) -> Result:
    name, columns, value, selected, condition = found.groups()
    known, table = _table(content, name)
    _column_at(table, columns.strip().strip("[]"))
    if len(columns.split(",")) != 1:
        raise SqlError(
            110, "There are fewer columns in the INSERT statement than values specified in the VALUES clause."
        )
    if condition and condition.strip():
        unless = UNLESS.fullmatch(condition)
        if unless is None:
            raise SqlError(102, f"Incorrect syntax near '{condition.strip()[:40]}'.")
        _, other = _table(content, unless.group(1))
        at = _column_at(other, unless.group(2))
        if any(row[at] == unless.group(3) for row in other.rows):
            return Result(content)
    text = (value if value is not None else selected).replace("''", "'")
    row = tuple(text if column == columns.strip().strip("[]") else None for column in table.columns)
    return _with(content, known, replace(table, rows=(*table.rows, row)))


def _delete(found: re.Match[str], content: Content) -> Result:
    known, table = _table(content, found.group(1))
    at = _column_at(table, found.group(2))
    return _with(content, known, replace(table, rows=tuple(row for row in table.rows if row[at] == found.group(3))))


def _drop_user(found: re.Match[str], content: Content) -> Result:
    name = found.group(1).replace("]]", "]")
    if name not in content.users:
        raise SqlError(
            15151, f"Cannot drop the user '{name}', because it does not exist or you do not have permission."
        )
    if name in content.schemas.values():
        raise SqlError(15138, "The database principal owns a schema in the database, and cannot be dropped.")
    return Result(replace(content, users=tuple(user for user in content.users if user != name)))


def _authorize(found: re.Match[str], content: Content) -> Result:
    name = found.group(1).replace("]]", "]")
    if name not in content.schemas:
        raise SqlError(
            15151, f"Cannot find the schema '{name}', because it does not exist or you do not have permission."
        )
    return Result(replace(content, schemas={known: owner for known, owner in content.schemas.items() if known != name}))


def _users(found: re.Match[str], content: Content) -> Result:
    """The users of the database; the system's own too where the condition lets them through."""
    bounded = re.search(r"principal_id\s*>\s*4", found.group(1), re.IGNORECASE)
    return Result(content, "name", content.users if bounded else (*SYSTEM_USERS, *content.users))


def _column(found: re.Match[str], content: Content) -> Result:
    _, table = _table(content, found.group(2))
    at = _column_at(table, found.group(1))
    return Result(content, found.group(1), tuple(row[at] for row in table.rows))


def _find(content: Content, name: str) -> str | None:
    return next((known for known in content.tables if known.casefold() == name.casefold()), None)


def _table(content: Content, name: str) -> tuple[str, TableData]:
    known = _find(content, name)
    if known is None:
        raise SqlError(208, f"Invalid object name '{name}'.")
    return known, content.tables[known]


def _column_at(table: TableData, name: str) -> int:
    for at, column in enumerate(table.columns):
        if column.casefold() == name.casefold():
            return at
    raise SqlError(207, f"Invalid column name '{name}'.")


def _with(content: Content, name: str, table: TableData) -> Result:
    return Result(replace(content, tables={**content.tables, name: table}))


ACTS: Mapping[re.Pattern[str], Callable[[re.Match[str], Content], Result]] = {
    CREATE: _create,
    INSERT: _insert,
    DELETE: _delete,
    TABLES: lambda _, content: Result(content, "TABLE_NAME", tuple(content.tables)),
    USERS: _users,
    DROP_USER: _drop_user,
    SCHEMAS: lambda _, content: Result(content, "name", tuple(content.schemas)),
    AUTHORIZE: _authorize,
    COLUMN: _column,
}
