"""The vendors' OpenAPI documents in a folder, and which operation of theirs a call is.

Which calls are checked and what is excused is not here, see `check` and `exceptions`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tenant_provisioning_tests.contract.shapes import Shapes

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
FILES = {
    "fabric": "fabric-*.oas3.json",
    "powerbi": "powerbi.oas3.json",
    "godaddy": "godaddy-*.oas3.json",
    "supabase": "supabase-*.oas3.json",
    "azure_sql": "azure-sql-*.oas3.json",
    "key_vault": "keyvault-*.oas3.json",
}


class Document:
    """One OpenAPI document."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told
        components = told.get("components", {})
        self.requests, self.answers = Shapes(components, "request"), Shapes(components, "answer")

    def resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part itself, or what it refers to."""
        while "$ref" in part:
            target: Any = self.told
            for step in str(part["$ref"]).removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            part = target
        return part

    def routes(self) -> Iterator["Route"]:
        """Every path of the document, as it is on the vendor's host."""
        server = str(next(iter(self.told.get("servers", ())), {"url": ""})["url"])
        base = urlsplit(re.sub(r"\{\w+\}", "x", server)).path if "://" in server else ""
        for template, item in self.told["paths"].items():
            yield Route(self, f"{base.rstrip('/')}{template}", item)


@dataclass(frozen=True)
class Route:
    """One path of one document with its methods."""

    document: Document
    template: str
    item: Mapping[str, Any]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a real path has to match; its groups are the path's parameters, in order."""
        return re.compile("([^/]+)".join(map(re.escape, re.split(r"\{[^}]+\}", self.template))))

    @cached_property
    def names(self) -> list[str]:
        """The names of the path's parameters, in order."""
        return re.findall(r"\{([^}]+)\}", self.template)


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    route: Route
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.route.template}"

    @property
    def told(self) -> Mapping[str, Any]:
        """What the document says of it."""
        found: Mapping[str, Any] = self.route.item[self.method.lower()]
        return found

    def parameters(self, place: str) -> dict[str, Mapping[str, Any]]:
        """The parameters in `path`, `query` or `header` by name; the operation's own win over the path's."""
        resolved = self.route.document.resolved
        both = (*self.route.item.get("parameters", ()), *self.told.get("parameters", ()))
        return {one["name"]: one for one in map(resolved, both) if one["in"] == place}


class Specs:
    """Every operation that a vendor specifies."""

    def __init__(self, documents: Mapping[str, list[Mapping[str, Any]]]) -> None:
        self._routes = {
            vendor: [route for told in several for route in Document(told).routes()]
            for vendor, several in documents.items()
        }

    def __contains__(self, vendor: str) -> bool:
        return bool(self._routes.get(vendor))

    def find(self, vendor: str, method: str, path: str) -> Operation | str:
        """The operation; or why there is none: `unknown path`, or `wrong method` where only others exist."""
        matching = [route for route in self._routes[vendor] if route.pattern.fullmatch(path)]
        serving = [route for route in matching if method.lower() in route.item]
        if not serving:
            return "wrong method" if matching else "unknown path"
        return Operation(min(serving, key=lambda route: len(route.names)), method)

    def count(self, vendor: str) -> int:
        """How many operations the vendor specifies."""
        return sum(method in route.item for route in self._routes.get(vendor, ()) for method in METHODS)


def read_specs(folder: Path, added: Mapping[str, Mapping[str, Any]]) -> Specs:
    """The documents of a folder, with paths added that a vendor's first document lacks.

    Raises FileNotFoundError naming the first kind of document that is not there.
    """
    documents: dict[str, list[Mapping[str, Any]]] = {}
    for vendor, files in FILES.items():
        documents[vendor] = [json.loads(file.read_text()) for file in sorted(folder.glob(files))]
        if not documents[vendor]:
            raise FileNotFoundError(f"no {files} in {folder}")
        for path, item in added.get(vendor, {}).items():
            paths = documents[vendor][0]["paths"]
            paths[path] = {**item, **paths.get(path, {})}
    return Specs(documents)
