"""Pointing a model's definition at another data source. TMDL is the text form of a semantic model, one file a part.

TMDL is read by its indentation, as far as to know which lines are M: the value of an `expression`, those of `source` in partitions
that are M, and those of refresh policies. Only there, and only outside M's comments and strings, is anything changed:
descriptions, annotations, names and DAX stay as they are, whatever they quote.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

EXPRESSION = re.compile(r"^(?P<indent>[ \t]*)expression\s+(?P<name>'(?:[^']|'')*'|[^\s=']+)\s*=(?P<rest>.*)$")
PARTITION = re.compile(r"^[ \t]*partition\s+(?:'(?:[^']|'')*'|[^\s=']+)\s*=\s*(?P<language>\w+)")
PROPERTY = re.compile(r"^(?P<indent>[ \t]+)(?P<word>source|sourceExpression|pollingExpression)\s*=(?P<rest>.*)$")
FENCE = "```"
# M: quotes inside a text or a quoted name are doubled; comments are // to the end of the line and /* … */
TEXT = r'"(?:[^"]|"")*"'
NAME = rf"#{TEXT}|[A-Za-z_][\w.]*"
GAP = r"(?:\s|//[^\n]*\n|/\*.*?\*/)*"
TOKEN = re.compile(
    rf"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
    rf"|(?P<call>(?<![\w.])Sql\.Database{GAP}\({GAP}(?P<server>{TEXT}|{NAME}){GAP},{GAP}(?P<database>{TEXT}|{NAME}){GAP}(?=[,)]))"
    rf"|(?P<other>(?<![\w.])Sql\.Databases?(?![\w]))"
    rf"|(?P<text>#?{TEXT})",
    re.DOTALL,
)
LITERAL = re.compile(rf"^(?P<before>\s*)(?P<text>{TEXT})(?=\s*(?:meta\b|$))", re.DOTALL)


class NotUnderstood(Exception):
    """The definition names a data source in a way that cannot be rewritten; the text says which."""


@dataclass(frozen=True)
class _Piece:
    """A run of a file's text; `expression` is whose value it is, "" for a property's, None where the text is no M."""

    text: str
    expression: str | None = None


@dataclass
class _Rewriting:
    server: str
    database: str
    changed: int = 0
    parameters: dict[str, str] = field(default_factory=dict)  # parameters that calls name, with their new values


def repoint(files: Mapping[str, str], server: str, database: str) -> tuple[dict[str, str], int]:
    """The files of one definition, path to text, reading this server and database; and how many calls of Sql.Database do so now.

    Where a call names parameters, their values are changed instead. NotUnderstood for a call that says neither.
    """
    rewriting = _Rewriting(server, database)
    pieces = {path: list(_pieces(text)) for path, text in files.items()}
    for parts in pieces.values():
        parts[:] = [_with_calls(piece, rewriting) for piece in parts]
    left = dict(rewriting.parameters)
    for parts in pieces.values():
        parts[:] = [_with_parameter(piece, left) for piece in parts]
    if left:
        raise NotUnderstood(
            f"Sql.Database is given {', '.join(sorted(left))}, which is no parameter with a text as its value"
        )
    return {path: "".join(piece.text for piece in parts) for path, parts in pieces.items()}, rewriting.changed


def _pieces(text: str) -> Iterator[_Piece]:
    """The file's text in order, parted into M and all else."""
    lines = text.splitlines(keepends=True)
    at, language = 0, ""
    while at < len(lines):
        line = lines[at]
        at += 1
        if partition := PARTITION.match(line):
            language = partition["language"]
        found = EXPRESSION.match(line.rstrip("\r\n")) or PROPERTY.match(line.rstrip("\r\n"))
        if found is None or (found.re is PROPERTY and found["word"] == "source" and language != "m"):
            yield _Piece(line)
            continue
        of_expression = found.re is EXPRESSION
        start = found.start("rest")
        end = _end_of_value(lines, at, found["rest"], _width(found["indent"]) + int(of_expression))
        yield _Piece(line[:start])
        name = _plain(found["name"]) if of_expression else ""
        yield _Piece(line[start:] + "".join(lines[at:end]), name)
        at = end


def _end_of_value(lines: list[str], at: int, rest: str, width: int) -> int:
    """Where the value ends that began before line `at`: at the closing fence, or at a line indented no deeper than `width`."""
    if rest.strip().startswith(FENCE):
        closing = next((n for n in range(at, len(lines)) if lines[n].strip() == FENCE), len(lines) - 1)
        return closing + 1
    end = at
    for number in range(at, len(lines)):
        line = lines[number]
        if line.strip():
            if _width(line[: len(line) - len(line.lstrip())]) <= width:
                break
            end = number + 1
    return end


def _with_calls(piece: _Piece, rewriting: _Rewriting) -> _Piece:
    if piece.expression is None:
        return piece

    def rewrite(match: re.Match[str]) -> str:
        if match["other"]:
            raise NotUnderstood(f"{match['other']} is used in a way that cannot be rewritten")
        if match["call"] is None:
            return match[0]
        rewriting.changed += 1
        start, text = match.start(), match[0]
        for group, value in (
            ("database", rewriting.database),
            ("server", rewriting.server),
        ):  # from the end: offsets stay
            if match[group].startswith('"'):
                text = text[: match.start(group) - start] + quoted(value) + text[match.end(group) - start :]
            else:
                rewriting.parameters[match[group].removeprefix("#").strip('"').replace('""', '"')] = value
        return text

    return _Piece(TOKEN.sub(rewrite, piece.text), piece.expression)


def _with_parameter(piece: _Piece, left: dict[str, str]) -> _Piece:
    found = LITERAL.match(piece.text) if piece.expression in left else None
    if found is None or piece.expression is None:
        return piece
    value = left.pop(piece.expression)
    return _Piece(found["before"] + quoted(value) + piece.text[found.end() :], piece.expression)


def quoted(value: str) -> str:
    """The value as a text of M, where # ( begins an escape."""
    return '"' + value.replace("#(", "#(#)(").replace('"', '""') + '"'


def _plain(name: str) -> str:
    return name[1:-1].replace("''", "'") if name.startswith("'") else name


def _width(indent: str) -> int:
    """How deep, in levels: a tab is one, and so are four spaces."""
    return indent.count("\t") + indent.count(" ") // 4
