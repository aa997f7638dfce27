"""Finding the route for a path: a tree of segments, so that a lookup costs the same however many routes there are.

Literal segments win over parameters; vendors that do not care about case are matched without regard to it. Parameters
are percent-decoded one by one, so an encoded slash stays within its segment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.routing import Route

from tenant_provisioning.simulator.http import Handler


@dataclass
class Found:
    """The handlers at a path by method, and the path's parameters."""

    vendor: str
    handlers: dict[str, Handler]
    parameters: dict[str, str]


@dataclass
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    rest: "_Node | None" = None  # {name:path}: everything that is left
    names: tuple[str, ...] = ()
    handlers: dict[str, Handler] = field(default_factory=dict)
    vendor: str = ""
    template: tuple[str, ...] = ()
    any_case: bool = False


class Routes:
    """All routes of all vendors."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, vendor: str, routes: Iterable[Route], *, any_case: bool = False) -> None:
        """Take in a vendor's routes; two with one path and method are a mistake and raise ValueError."""
        for route in routes:
            node, names = self._root, []
            segments = tuple(route.path.strip("/").split("/"))
            for segment in segments:
                if segment.endswith(":path}"):
                    names.append(segment[1:-6])
                    node.rest = node = node.rest or _Node()
                elif segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.parameter = node = node.parameter or _Node()
                else:
                    node = node.literal.setdefault(segment.lower(), _Node())
            for method in (route.methods or set()) - {"HEAD"}:
                if method in node.handlers:
                    raise ValueError(f"{method} {route.path} is served twice")
                node.handlers[method] = route.endpoint
            node.names, node.vendor, node.template, node.any_case = tuple(names), vendor, segments, any_case

    def find(self, raw_path: str) -> Found | None:
        """What is at this (still percent-encoded) path; None when nothing is."""
        segments = raw_path.strip("/").split("/")
        node, values = _descend(self._root, segments, 0)
        if node is None or not (node.any_case or _same_case(node.template, segments)):
            return None
        return Found(node.vendor, node.handlers, dict(zip(node.names, map(unquote, values), strict=True)))


def _descend(node: _Node, segments: list[str], depth: int) -> tuple[_Node | None, list[str]]:
    if depth == len(segments):
        return (node, []) if node.handlers else (None, [])
    segment = segments[depth]
    literal = node.literal.get(segment) or node.literal.get(unquote(segment).lower())
    if literal is not None:
        found, values = _descend(literal, segments, depth + 1)
        if found is not None:
            return found, values
    if node.parameter is not None and segment:
        found, values = _descend(node.parameter, segments, depth + 1)
        if found is not None:
            return found, [segment, *values]
    if node.rest is not None:
        return node.rest, ["/".join(segments[depth:])]
    return None, []


def _same_case(template: tuple[str, ...], segments: list[str]) -> bool:
    return all(
        part == unquote(given) for part, given in zip(template, segments, strict=False) if not part.startswith("{")
    )
