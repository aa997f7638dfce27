"""Pointing a model's definition at another data source. TMDL is the text form of a semantic model, one file a part."""

import re

# A string of M: quotes inside are doubled. Comments are // to the end of the line and /* … */.
TOKEN = re.compile(
    r'(?P<call>Sql\.Databases?\(\s*"(?P<server>(?:[^"]|"")*)"\s*,\s*"(?P<database>(?:[^"]|"")*)")'
    r'|(?P<text>"(?:[^"]|"")*")|(?P<comment>//[^\n]*|/\*.*?\*/)',
    re.DOTALL,
)


def point_to(expressions: str, server: str, database: str) -> tuple[str, int]:
    """The expressions with every Sql.Database(…) naming this server and database, and how many were changed.

    Calls inside comments and strings are left as they are.
    """
    changed = 0

    def rewrite(match: re.Match[str]) -> str:
        nonlocal changed
        if match["call"] is None:
            return match[0]
        changed += 1
        start = match.start()
        text: str = match[0]
        for group, value in (("database", database), ("server", server)):  # from the end, so that offsets stay true
            text = text[: match.start(group) - start] + value.replace('"', '""') + text[match.end(group) - start :]
        return text

    return TOKEN.sub(rewrite, expressions), changed
