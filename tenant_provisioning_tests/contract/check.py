"""Whether a recorded exchange is what the vendor specifies: path, method, parameters, media types, status, bodies.

It excuses nothing: that is `exceptions`. What it does not look at is said there too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tenant_provisioning_tests.contract.shapes import Direction, Mismatch, Shapes
from tenant_provisioning_tests.contract.specs import Operation, Specs

UNHEARD = frozenset({"lost_response", "hang", "reset", "malformed"})  # faults after which no answer is left to check


@dataclass(frozen=True)
class Violation:
    """One thing about one exchange that is not as specified."""

    vendor: str
    direction: Direction
    operation: str
    status: int
    mismatch: Mismatch

    def __str__(self) -> str:
        of = f" {self.status}" if self.direction == "answer" else ""
        told = self.mismatch
        return f"{self.vendor} {self.direction}{of} of {self.operation}: {told.rule} at {told.at}, found {told.found}"


def check_request(specs: Specs, exchange: Mapping[str, Any]) -> Iterator[Violation]:
    """What is wrong with the request of an exchange."""
    vendor, request = exchange["vendor"], exchange["request"]
    operation = specs.find(vendor, request["method"], request["path"])
    if isinstance(operation, str):
        call = f"{request['method']} {request['path']}"
        yield Violation(vendor, "request", call, 0, Mismatch(operation, "path", call))
        return
    for mismatch in (
        *_path(operation, request),
        *_query(operation, request["query"]),
        *_request_body(operation, request),
    ):
        yield Violation(vendor, "request", str(operation), 0, mismatch)


def check_answer(specs: Specs, exchange: Mapping[str, Any]) -> Iterator[Violation]:
    """What is wrong with the answer of an exchange; nothing where a fault left no answer."""
    vendor, request, answer = exchange["vendor"], exchange["request"], exchange["response"]
    operation = specs.find(vendor, request["method"], request["path"])
    if isinstance(operation, str) or exchange["fault"] in UNHEARD:
        return
    responses, status = operation.told["responses"], str(answer["status"])
    told = responses.get(status) or responses.get(f"{status[0]}XX") or responses.get("default")
    if told is None:
        if exchange["fault"] is None:  # which status a fault gives is the choice of the test that put it there
            yield Violation(
                vendor,
                "answer",
                str(operation),
                answer["status"],
                Mismatch("undeclared status", "status", status, status),
            )
        return
    told = operation.route.document.resolved(told)
    for mismatch in (*_headers(operation, told, answer["headers"]), *_answer_body(operation, told, answer)):
        yield Violation(vendor, "answer", str(operation), answer["status"], mismatch)


def _path(operation: Operation, request: Mapping[str, Any]) -> Iterator[Mismatch]:
    found = operation.route.pattern.fullmatch(request["path"])
    parameters = operation.parameters("path")
    for name, text in zip(operation.route.names, found.groups() if found else (), strict=True):
        if name in parameters:
            yield from _text(operation.route.document.requests, parameters[name], [text], f"path.{name}")


def _query(operation: Operation, query: Iterable[tuple[str, str]]) -> Iterator[Mismatch]:
    parameters, sent = operation.parameters("query"), dict[str, list[str]]()
    for name, text in query:
        sent.setdefault(name, []).append(text)
    for name, texts in sent.items():
        if name not in parameters:
            yield Mismatch("unknown parameter", f"query.{name}", repr(texts[0]), texts[0])
        else:
            yield from _text(operation.route.document.requests, parameters[name], texts, f"query.{name}")
    for name, parameter in parameters.items():
        if parameter.get("required") and name not in sent:
            yield Mismatch("missing parameter", f"query.{name}", "nothing")


def _headers(operation: Operation, told: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Mismatch]:
    for name, header in told.get("headers", {}).items():
        if (text := headers.get(name.lower())) is not None:
            document = operation.route.document
            yield from _text(document.answers, document.resolved(header), [text], f"header.{name}")


def _text(shapes: Shapes, parameter: Mapping[str, Any], texts: list[str], at: str) -> Iterator[Mismatch]:
    """What is wrong with the value that a parameter's texts stand for."""
    schema = parameter.get("schema", {})
    strict = shapes.strict(schema)
    if strict.get("type") == "array":
        apart = texts if parameter.get("explode", True) else texts[0].split(",")
        yield from shapes.mismatches(schema, [_value(strict.get("items", {}), text) for text in apart], at)
    elif len(texts) > 1:
        yield Mismatch("repeated parameter", at, repr(texts))
    else:
        yield from shapes.mismatches(schema, _value(strict, texts[0]), at)


def _value(strict: Mapping[str, Any], text: str) -> Any:
    """The value that a text stands for; the text itself where it stands for none of the wanted type."""
    try:
        match strict.get("type"):
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        pass
    return text


def _request_body(operation: Operation, request: Mapping[str, Any]) -> Iterator[Mismatch]:
    document = operation.route.document
    body = document.resolved(operation.told.get("requestBody", {}))
    if not request["bytes"]:
        if body.get("required"):
            yield Mismatch("missing body", "body", "nothing")
        return
    if not body:
        yield Mismatch("unknown body", "body", f"{request['bytes']} bytes")
        return
    yield from _content(document.requests, body.get("content", {}), request)


def _answer_body(operation: Operation, told: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Mismatch]:
    content = told.get("content", {})
    if not answer["bytes"]:
        if content:
            yield Mismatch("missing body", "body", "nothing")
        return
    if not content:
        yield Mismatch(
            "unknown body", "body", repr(answer.get("json", f"{answer['bytes']} bytes"))[:80], answer.get("json")
        )
        return
    yield from _content(operation.route.document.answers, content, answer)


def _content(shapes: Shapes, content: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[Mismatch]:
    media_type = message["content_type"] or ""
    fitting = [told for known, told in content.items() if fnmatchcase(media_type, known.partition(";")[0])]
    if not fitting:
        yield Mismatch("media type", "body", f"{media_type or 'none'}, not {' or '.join(content)}", media_type)
    elif "json" in message:
        yield from shapes.mismatches(fitting[0].get("schema", {}), message["json"], "body")
    elif "form" in message:
        yield from shapes.mismatches(fitting[0].get("schema", {}), message["form"], "body")
    elif media_type.endswith("json"):
        yield Mismatch("syntax", "body", "no JSON")
