"""GoDaddy's error forms: `{code, message, fields[]}` in version 1, `{name, correlationId, message}` in version 3."""

import uuid
from typing import Any

from tenant_provisioning.simulator.http import BadBody, VendorAnswer

FIELD_CODES = {"missing": "UNDEFINED_VALUE", "unknown": "UNEXPECTED_PROPERTY", "invalid": "INVALID_VALUE"}


def refused(
    status: int, code: str, message: str, fields: list[dict[str, str]] | None = None, **more: Any
) -> VendorAnswer:
    """A version 1 error."""
    return VendorAnswer(status, {"code": code, "message": message, **({"fields": fields} if fields else {}), **more})


def refused_v3(status: int, name: str, message: str, issue: str | None = None) -> VendorAnswer:
    """A version 3 error; those of the client carry details."""
    body: dict[str, object] = {"name": name, "correlationId": str(uuid.uuid4()), "message": message}
    if status < 500:
        body["details"] = [{"issue": issue or name, "description": message}]
    return VendorAnswer(status, body)


def invalid_record(path: str, code: str, message: str) -> VendorAnswer:
    """One field of a record that is not accepted."""
    told = "Request body doesn't fulfill schema, see details in `fields`"
    return refused(422, "INVALID_BODY", told, [{"code": code, "message": message, "path": path}])


def unknown_domain() -> VendorAnswer:
    """The domain is not in the account."""
    return refused(404, "UNKNOWN_DOMAIN", "The given domain is not registered, or does not have a zone file")


def duplicate_record(message: str = "Another record with the same attributes already exists") -> VendorAnswer:
    """The record is there, or cannot stand beside what is there."""
    return refused(422, "DUPLICATE_RECORD", message)


def zone_is_changing() -> VendorAnswer:
    """An earlier change still propagates. The code is a guess: clients look at the status only."""
    return refused(409, "CONFLICT", "The zone is being changed by another request")


def access_denied() -> VendorAnswer:
    """The account may not use the production DNS API."""
    return refused(403, "ACCESS_DENIED", "Authenticated user is not allowed access")


def not_authenticated() -> VendorAnswer:
    """The key and secret, or the token, are not known."""
    return refused(401, "UNABLE_TO_AUTHENTICATE", "Unauthorized : Could not authenticate API key/secret")


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error; the usual words are those of a failure on GoDaddy's side."""
    more: dict[str, Any] = {} if retry_after is None else {"retryAfterSec": retry_after}
    return refused(status, code or "SERVER_ERROR", message or "Internal server error", **more)


def throttled(retry_after: int) -> VendorAnswer:
    """More than the allowed requests a minute; the wait is in the body only."""
    told = "Too many requests received within interval"
    return refused(429, "TOO_MANY_REQUESTS", told, retryAfterSec=retry_after)


def no_route(method: str, path: str) -> VendorAnswer:
    """There is no such resource in the API."""
    if path.startswith("/v3/"):
        return refused_v3(404, "NOT_FOUND", f"No resource at {path}")
    return refused(404, "NOT_FOUND", f"The requested resource {method} {path} was not found")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:
    """The resource is there, the method is not."""
    if path.startswith("/v3/"):
        return refused_v3(405, "METHOD_NOT_ALLOWED", f"{method} is not one of {', '.join(allowed)}")
    return refused(405, "METHOD_NOT_ALLOWED", f"{method} is not allowed here")


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type (415), no JSON (400), or records that are not as they must be (422)."""
    if problem.kind == "media_type":
        return refused(415, "UNSUPPORTED_MEDIA_TYPE", problem.message)
    if problem.kind == "syntax":
        return refused(400, "MALFORMED_JSON", problem.message)
    fields = [
        {"code": FIELD_CODES[found.kind], "message": found.message, "path": f"records.{found.path}".rstrip(".")}
        for found in problem.problems
    ]
    return refused(422, "INVALID_BODY", "Request body doesn't fulfill schema, see details in `fields`", fields)
