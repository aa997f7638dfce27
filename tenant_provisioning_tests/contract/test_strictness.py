"""The check can fail: each way in which a request or an answer can differ from what is specified is found and named."""

from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning_tests.contract.check import check_answer, check_request
from tenant_provisioning_tests.contract.excuse import Excuse, excuse_for
from tenant_provisioning_tests.contract.findings import Findings
from tenant_provisioning_tests.contract.specs import Specs

Checks = Callable[..., list[tuple[str, str]]]
NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 10}}}
BOOK_SCHEMA = {"$ref": "#/components/schemas/Book"}
DOCUMENT = {
    "servers": [{"url": "https://api.shop.example/v1"}],
    "paths": {
        "/shelves/{shelfId}/books": {
            "parameters": [{"in": "path", "name": "shelfId", "required": True, "schema": {"type": "string", "format": "uuid"}}],
            "get": {
                "parameters": [
                    {"in": "query", "name": "page", "required": True, "schema": {"type": "integer", "minimum": 1}},
                    {"in": "query", "name": "kind", "schema": {"type": "string", "enum": ["novel", "poem"]}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"type": "array", "items": BOOK_SCHEMA}}}},
                    "202": {"headers": {"Retry-After": {"schema": {"type": "integer"}}}},
                },
            },
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": BOOK_SCHEMA}}},
                "responses": {"201": {"content": {"application/json": {"schema": BOOK_SCHEMA}}}},
            },
        }
    },
    "components": {
        "schemas": {
            "Named": NAMED,
            "Book": {
                "allOf": [{"$ref": "#/components/schemas/Named"}],
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "format": "uuid", "readOnly": True},
                    "password": {"type": "string", "writeOnly": True, "format": "uuid"},
                    "printed": {"type": "string", "format": "date-time", "nullable": True},
                    "author": {"type": "object", "properties": {"born": {"type": "integer"}}},
                    "notes": {"type": "object"},
                },
            },
        }
    },
}  # fmt: skip
SHELF = "/v1/shelves/12345678-1234-4234-8234-123456789012/books"
BOOK = {"id": "12345678-1234-4234-8234-123456789012", "name": "Emma"}


@pytest.fixture
def shop() -> Specs:
    return Specs({"shop": [DOCUMENT]})


@pytest.fixture
def exchange() -> Callable[..., dict[str, Any]]:
    """Makes an exchange that is as specified, but for what is given."""

    def make(
        method: str = "POST", path: str = SHELF, *, query: Any = (), body: Any = None, said: Any = BOOK, **more: Any
    ) -> Any:
        sends = {"name": "Emma"} if method == "POST" and body is None else body
        content = (
            {"content_type": "application/json", "bytes": 9, "json": sends}
            if sends
            else {"content_type": None, "bytes": 0}
        )
        answer = (
            {"content_type": "application/json", "bytes": 9, "json": said}
            if said is not None
            else {"content_type": None, "bytes": 0}
        )
        return {
            "vendor": "shop", "operation": "any", "fault": more.get("fault"),
            "request": {"method": method, "path": path, "query": query} | content | more.get("request", {}),
            "response": {"status": more.get("status", 201), "headers": more.get("headers", {})} | answer | more.get("response", {}),
        }  # fmt: skip

    return make


@pytest.fixture
def wrong_request(shop: Specs, exchange: Callable[..., Any]) -> Checks:
    """What is found in the request of an exchange: the rules and the places."""
    return lambda *args, **given: [
        (v.mismatch.rule, v.mismatch.at) for v in check_request(shop, exchange(*args, **given))
    ]


@pytest.fixture
def wrong_answer(shop: Specs, exchange: Callable[..., Any]) -> Checks:
    """The same of its answer."""
    return lambda *args, **given: [
        (v.mismatch.rule, v.mismatch.at) for v in check_answer(shop, exchange(*args, **given))
    ]


def test_what_is_as_specified_passes(wrong_request: Checks, wrong_answer: Checks) -> None:
    assert not wrong_request()
    assert not wrong_answer()
    assert not wrong_request("GET", query=[("page", "2"), ("kind", "poem")], status=200, said=[BOOK])
    assert not wrong_answer("GET", query=[("page", "2")], status=200, said=[BOOK, {**BOOK, "printed": None}])


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({"body": {"name": "Emma", "colour": "red"}}, ("unknown property", "body.colour")),
        ({"body": {"name": "Emma", "author": {"born": 1775, "died": 1817}}}, ("unknown property", "body.author.died")),
        ({"body": {"name": "Emma", "id": BOOK["id"]}}, ("unknown property", "body.id")),
        ({"body": {"author": {}}}, ("missing property", "body.name")),
        ({"body": {"name": None}}, ("type", "body.name")),
        ({"body": {"name": "A name that is too long"}}, ("maxLength", "body.name")),
        ({"body": {"name": "Emma", "printed": "1815-12-23"}}, ("format", "body.printed")),
        ({"request": {"bytes": 0}}, ("missing body", "body")),
        ({"request": {"content_type": "text/plain"}}, ("media type", "body")),
        ({"request": {"json": ["Emma"]}}, ("type", "body")),
        ({"method": "PUT"}, ("wrong method", "path")),
        ({"path": "/v1/shelves/books"}, ("unknown path", "path")),
        ({"path": SHELF.replace("/v1", "")}, ("unknown path", "path")),
        ({"path": SHELF.replace("12345678-", "undefined-")}, ("format", "path.shelfId")),
        ({"query": [("colour", "red")]}, ("unknown parameter", "query.colour")),
        ({"method": "GET"}, ("missing parameter", "query.page")),
        ({"method": "GET", "query": [("page", "two")]}, ("type", "query.page")),
        ({"method": "GET", "query": [("page", "0")]}, ("minimum", "query.page")),
        ({"method": "GET", "query": [("page", "1"), ("page", "2")]}, ("repeated parameter", "query.page")),
        ({"method": "GET", "query": [("page", "1"), ("kind", "play")]}, ("enum", "query.kind")),
        ({"method": "GET", "query": [("page", "1")], "body": {"name": "Emma"}}, ("unknown body", "body")),
    ],
    ids=lambda value: " at ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_found(wrong_request: Checks, call: dict[str, Any], found: tuple[str, str]) -> None:
    assert wrong_request(**call) == [found]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"said": {**BOOK, "colour": "red"}}, ("unknown property", "body.colour")),
        ({"said": {**BOOK, "password": BOOK["id"]}}, ("unknown property", "body.password")),
        ({"said": {"name": "Emma"}}, ("missing property", "body.id")),
        ({"said": {**BOOK, "id": "one"}}, ("format", "body.id")),
        ({"said": {**BOOK, "author": None}}, ("type", "body.author")),
        ({"said": None}, ("missing body", "body")),
        ({"status": 409}, ("undeclared status", "status")),
        ({"response": {"content_type": "text/html"}}, ("media type", "body")),
        ({"method": "GET", "status": 202, "said": {}}, ("unknown body", "body")),
        (
            {"method": "GET", "status": 202, "said": None, "headers": {"retry-after": "soon"}},
            ("type", "header.Retry-After"),
        ),
        ({"method": "GET", "status": 200, "said": [BOOK, {**BOOK, "id": 7}]}, ("type", "body[].id")),
    ],
    ids=lambda value: " at ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_answer_is_found(wrong_answer: Checks, told: dict[str, Any], found: tuple[str, str]) -> None:
    assert wrong_answer(**told) == [found]


def test_what_a_recording_masks_is_not_judged(wrong_request: Checks) -> None:
    assert not wrong_request(body={"name": "Emma", "password": "(masked)"})


def test_an_object_without_named_properties_takes_any(wrong_request: Checks) -> None:
    assert not wrong_request(body={"name": "Emma", "notes": {"anything": 1}})


@pytest.mark.parametrize("fault", ["hang", "reset", "lost_response", "malformed"])
def test_an_answer_that_a_fault_took_away_is_not_judged(wrong_answer: Checks, fault: str) -> None:
    assert not wrong_answer(status=500, said=None, fault=fault)


def test_an_excuse_covers_its_own_place_and_value_only(shop: Specs, exchange: Callable[..., Any]) -> None:
    excuse = Excuse("shop", "answer", "type", ("author.born",), "a test", "a guess", fits={"const": None})
    unborn, odd = ({**BOOK, "author": {"born": born}} for born in (None, "1775"))
    (covered,), (uncovered,) = (check_answer(shop, exchange(said=said)) for said in (unborn, odd))
    (in_request,) = check_request(shop, exchange(body={"name": "Emma", "author": {"born": None}}))

    assert excuse_for(covered, [excuse]) is excuse
    assert excuse_for(uncovered, [excuse]) is None
    assert excuse_for(in_request, [excuse]) is None


def test_a_violation_is_counted_once_a_kind_and_told(shop: Specs, exchange: Callable[..., Any]) -> None:
    findings = Findings(shop)
    for colour in ("red", "blue"):
        findings.add(exchange(said={**BOOK, "colour": colour}))

    assert findings.of("shop", "request") == []
    assert findings.of("shop", "answer") == [
        "shop answer 201 of POST /v1/shelves/{shelfId}/books: unknown property at body.colour, found 'red' (2 times)"
    ]
