"""Reading the entries of a YAML mapping as what they must be; what they are not is collected, and never told twice.

Which fields there are and what they mean is `vocabulary` and `entries`.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from tenant_provisioning.catalog.yaml_tree import Mistakes, Node


def fields(
    node: Node, what: str, mistakes: Mistakes, *, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Node]:
    """The usable fields of a mapping; unknown, missing and empty ones are added to `mistakes`."""
    content = mapping(node, what, mistakes)
    if content is None:
        return {}
    known = (*required, *optional)
    for field, value in content.items():
        if field not in known:
            mistakes.at(value, f"{what} has no field “{field[:60]}”{did_you_mean(field, known)}")
        elif value.content is None and not value.refused:
            mistakes.at(value, f"“{field}” of {what} is empty")
    for field in required:
        if field not in content:
            mistakes.at(node, f"{what} lacks the field “{field}”")
    return {field: value for field, value in content.items() if field in known and value.content is not None}


def mapping(node: Node | None, what: str, mistakes: Mistakes) -> dict[str, Node] | None:
    """The entries of a mapping; None when it is something else."""
    if node is None or node.refused:
        return None
    if not isinstance(node.content, dict):
        found = "empty" if node.content is None else "a text"
        mistakes.at(node, f"{what} must be a mapping (lines of `key: …`), but is {found}")
        return None
    return node.content


def text(node: Node | None, what: str, mistakes: Mistakes, *, limit: int = 200) -> str | None:
    """A printable text of at most `limit` characters without space around it; None when it is something else."""
    if node is None or node.refused:
        return None
    value = node.content
    if value is None or isinstance(value, dict):
        mistakes.at(node, f"{what} must be a text, but is {'empty' if value is None else 'a mapping'}")
    elif not value.strip():
        mistakes.at(node, f"{what} is empty")
    elif len(value) > limit:
        mistakes.at(node, f"{what} is too long: {len(value)} characters, at most {limit}")
    elif not value.isprintable() or value != value.strip():
        mistakes.at(node, f"{what} must be one line of printable characters without space around it")
    else:
        return value
    return None


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them where they are few."""
    by_folded = {word.casefold(): word for word in known}
    near = get_close_matches(written.casefold(), by_folded, n=1)
    if near:
        return f"; did you mean “{by_folded[near[0]]}”?"
    return f"; known are: {', '.join(known)}" if 0 < len(known) <= 12 else ""
