"""Vercel's error form: `{"error": {"code", "message"}}`, with what the code calls for beside them."""

from typing import Any

from tenant_provisioning.simulator.http import BadBody, VendorAnswer


def refused(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any) -> VendorAnswer:
    """An error of Vercel's API."""
    return VendorAnswer(status, {"error": {"code": code, "message": message, **more}}, headers)


def not_authorized(**more: Any) -> VendorAnswer:
    """A token that is missing or wrong, or a team or domain that is not the caller's."""
    return refused(403, "forbidden", "Not authorized", **more)


def not_found(what: str) -> VendorAnswer:
    """A project or domain that is not there."""
    return refused(404, "not_found", what)


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error; the usual words are those of a failure on Vercel's side."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return refused(status, code or "internal_server_error", message or "Internal Server Error", headers)


def throttled(retry_after: int) -> VendorAnswer:
    """Too many requests."""
    told = "The request exceeded the rate limit"
    limit = {"remaining": 0, "total": 100, "resetMs": retry_after * 1000}
    return refused(429, "rate_limited", told, {"Retry-After": str(retry_after)}, limit=limit)


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of ErrorForms
    """There is no such resource in the API."""
    return not_found("The requested resource was not found")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001
    """The resource is there, the method is not."""
    return refused(405, "method_not_allowed", f"The method {method} is not allowed for this resource.")


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type, no JSON, or with properties missing or too many: always 400."""
    if problem.kind != "properties" or not problem.problems:
        return refused(400, "bad_request", "Invalid JSON")
    found = problem.problems[0]
    told = {
        "missing": f"missing required property `{found.path}`",
        "unknown": f"should NOT have additional property `{found.path}`",
        "invalid": f"`{found.path}` {found.message}",
    }
    return refused(400, "bad_request", f"Invalid request: {told[found.kind]}.")
