"""A vendor's OpenAPI 3.0 schemas as JSON Schemas that are stricter than the vendor wrote them: what is not named is refused.

An object that names properties takes no others unless the vendor says `additionalProperties`. What a vendor marks read-only is
unknown in a request, what it marks write-only in an answer. `allOf` is merged first, since strict parts would refuse each other.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from rfc3339_validator import validate_rfc3339  # type: ignore[import-untyped]

Direction = Literal["request", "answer"]
MASKED = "(masked)"  # what a recording shows in place of a secret
KEPT = frozenset(
    {"type", "format", "enum", "pattern", "required", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"}
    | {"minimum", "maximum", "multipleOf", "minProperties", "maxProperties"}
)
ANY_OF = {"oneOf": "anyOf", "anyOf": "anyOf"}  # strict branches overlap only where the vendor's own do
FORMATS = FormatChecker(formats=())


@dataclass(frozen=True)
class Mismatch:
    """One thing that is not as the schema says: which rule, where (list indices left out), and what was found there."""

    rule: str
    at: str
    found: str
    value: Any = field(default=None, compare=False)


class Shapes:
    """The schemas of one OpenAPI document, for one direction."""

    def __init__(self, components: Mapping[str, Any], direction: Direction) -> None:
        self._components, self._direction = components, direction
        self._definitions: dict[str, Any] = {}
        self._hidden = "readOnly" if direction == "request" else "writeOnly"

    def mismatches(self, schema: Mapping[str, Any], value: Any, at: str) -> Iterator[Mismatch]:
        """Everything about the value that is not as the schema says."""
        strict = {**self.strict(schema), "$defs": self._definitions}
        for error in Draft202012Validator(strict, format_checker=FORMATS).iter_errors(value):
            if error.instance != MASKED:
                yield from _told(error, at)

    def strict(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema as a strict JSON Schema whose references lead into this object's definitions."""
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]))
        whole = self._merged(schema)
        made = {key: whole[key] for key in KEPT if key in whole}
        if "items" in whole:
            made["items"] = self.strict(whole["items"])
        for name in ANY_OF.keys() & whole.keys():
            made[ANY_OF[name]] = [self.strict(branch) for branch in whole[name]]
        self._objects(whole, made)
        return _nullable(made) if whole.get("nullable") else made

    def _objects(self, whole: Mapping[str, Any], made: dict[str, Any]) -> None:
        properties: Mapping[str, Any] = whole.get("properties") or {}
        shown = {name: inner for name, inner in properties.items() if not inner.get(self._hidden)}
        if shown:
            made["properties"] = {name: self.strict(inner) for name, inner in shown.items()}
        if "required" in made:
            made["required"] = [name for name in made["required"] if name in shown or name not in properties]
        more = whole.get("additionalProperties", not properties)
        if isinstance(more, Mapping):
            made["additionalProperties"] = self.strict(more)
        elif not more:
            made["additionalProperties"] = False

    def _reference(self, pointer: str) -> dict[str, Any]:
        name = pointer.removeprefix("#/components/schemas/").replace("/", ".")
        if name not in self._definitions:
            self._definitions[name] = {}  # a schema may contain itself
            self._definitions[name] = self.strict(self._resolved({"$ref": pointer}))
        return {"$ref": f"#/$defs/{name}"}

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            target: Any = {"components": self._components}
            for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            schema = target
        return schema

    def _merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema without `allOf`: what its parts say, overruled by what it says itself."""
        whole: dict[str, Any] = {}
        for part in (*map(self._merged, map(self._resolved, schema.get("allOf", ()))), schema):
            together = {
                "properties": {**whole.get("properties", {}), **(part.get("properties") or {})},
                "required": sorted({*whole.get("required", ()), *part.get("required", ())}),
            }
            whole |= {key: value for key, value in part.items() if key not in ("allOf", "readOnly", "writeOnly")}
            whole |= {key: value for key, value in together.items() if value}
        return whole


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [made, {"type": "null"}]}


def _told(error: ValidationError, at: str) -> Iterator[Mismatch]:
    """The error in words; of several ways in which a value may fit, the one that it comes nearest to."""
    where = at + "".join("[]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema.get("properties", {})
        for name in error.instance:
            if name not in known:
                yield Mismatch(
                    "unknown property", f"{where}.{name}", _short(error.instance[name]), error.instance[name]
                )
    elif error.validator == "required":
        missing = next(name for name in error.validator_value if repr(name) in error.message)
        yield Mismatch("missing property", f"{where}.{missing}", "nothing")
    elif error.validator == "anyOf" and error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        nearest = max(branches.values(), key=lambda branch: (max(len(one.path) for one in branch), -len(branch)))
        for inner in nearest:
            yield from _told(inner, at)
    else:
        yield Mismatch(str(error.validator), where, _short(error.instance), error.instance)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value.lower()


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3339(value))


@FORMATS.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None


@FORMATS.checks("uri")
@FORMATS.checks("url")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or re.match(r"[a-z][a-z0-9+.-]*:\S", value, re.IGNORECASE) is not None


@FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31
