"""What a YAML file says, as a tree of texts and mappings in which everything knows its line.

The parser's events are read one by one instead of building Python objects: nothing is resolved (`NO` stays the text
NO), an alias is refused where it stands instead of being multiplied, and depth is bounded: the C composer does not
bound it and overflows the stack of the interpreter. What fields mean does not belong here: see `fields` and `entries`.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.error import MarkedYAMLError

from tenant_provisioning.model.errors import CatalogMistake

MAX_FILE_BYTES = 4 * 1024**2
MAX_DEPTH = 8  # the format needs four
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by YAML 1.1
EMPTY = frozenset({"", "~", "null"})
Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Node:
    """A text or a mapping and where it stands.

    `content` is None where nothing stands, and where what stands was `refused`: then a mistake has been told about it.
    """

    file: str
    line: int
    content: "str | dict[str, Node] | None"
    refused: bool = False

    @property
    def place(self) -> str:
        """File and line, for a message about another place."""
        return f"{self.file}:{self.line}"


class Mistakes(list[CatalogMistake]):
    """The mistakes found so far; whoever reads a part adds to it and goes on."""

    def at(self, node: Node, message: str) -> None:
        """Add a mistake where this node stands."""
        self.append(CatalogMistake(node.file, node.line, message))


class FileInvalidError(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message
        super().__init__(message)


def read_yaml(path: Path, name: str, mistakes: Mistakes) -> Node | None:
    """The mapping in this file, or None after adding what is wrong with it to `mistakes`, under `name`."""
    try:
        node = _parse(_read_text(path), name, mistakes)
    except FileInvalidError as invalid:
        mistakes.append(CatalogMistake(name, invalid.line, invalid.message))
        return None
    if node.refused:
        return None
    if not isinstance(node.content, dict):
        found = "is empty" if node.content is None else "holds only a text"
        mistakes.at(node, f"the file {found}; it must hold a mapping (lines of `key: …`)")
        return None
    return node


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise FileInvalidError(1, "there is no such file" if not path.exists() else "this is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FileInvalidError(1, f"the file cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise FileInvalidError(1, f"the file is over {MAX_FILE_BYTES // 1024**2} MB; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileInvalidError(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from None
    if found := FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise FileInvalidError(line, f"the character U+{ord(found[0]):04X} is not allowed in YAML")
    return text


def _parse(text: str, name: str, mistakes: Mistakes) -> Node:
    loader = Loader(text)
    try:
        return _Reader(loader, name, mistakes).document()
    except yaml.YAMLError as error:
        mark, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        # an open quote or bracket is noticed at the end of the file: say where it was opened
        context = (
            f" ({error.context} from line {begun.line + 1})" if isinstance(error, MarkedYAMLError) and begun else ""
        )
        raise FileInvalidError(mark.line + 1 if mark else 1, f"this is not YAML: {problem}{context}") from None
    finally:
        loader.dispose()


class _Reader:
    """Turns the events of one document into a Node."""

    def __init__(self, loader: Any, name: str, mistakes: Mistakes) -> None:
        self.next, self.name, self.mistakes = loader.get_event, name, mistakes

    def document(self) -> Node:
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            return Node(self.name, 1, None)
        node = self.node(self.next(), 0)
        self.next()  # the end of the document
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            self.refuse(event.start_mark.line + 1, "a second document (`---`) begins here; a file holds one")
        return node

    def node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise FileInvalidError(line, f"this is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self.refuse(line, f"the alias *{event.anchor} is not allowed; write the value out")
        tagged = event.tag is not None
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]  # quoted, "null" is a text
            node = Node(self.name, line, None if plain and event.value.casefold() in EMPTY else event.value)
        elif isinstance(event, yaml.MappingStartEvent):
            node = self.entries(line, depth)
        else:
            while not isinstance(event := self.next(), yaml.SequenceEndEvent):
                self.node(event, depth + 1)
            node = self.refuse(line, "a list has no place here; use `key: …` lines")
        return self.refuse(line, "a tag (`!…`) has no place here") if tagged else node

    def entries(self, line: int, depth: int) -> Node:
        found: dict[str, Node] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(self.next(), depth + 1)
            if key.refused:
                continue
            if not isinstance(key.content, str):
                self.refuse(key.line, "a key must be a text")
            elif key.content in found:
                first = found[key.content].line
                self.refuse(key.line, f"“{key.content[:60]}” stands here twice; the first is on line {first}")
            else:
                # the key's line: a mapping's own begins at its first entry, one line too late
                found[key.content] = replace(value, line=key.line)
        return Node(self.name, line, found)

    def refuse(self, line: int, message: str) -> Node:
        node = Node(self.name, line, None, refused=True)
        self.mistakes.at(node, message)
        return node
