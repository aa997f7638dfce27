"""Entra's error form: an OAuth error with an AADSTS number in its description, as MSAL takes it apart."""

import time
import uuid

from tenant_provisioning.simulator.http import BadBody, VendorAnswer


def refused(status: int, error: str, number: int, text: str, headers: dict[str, str] | None = None) -> VendorAnswer:
    """An OAuth error with its AADSTS number."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    said = f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    body = {
        "error": error,
        "error_description": said,
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return VendorAnswer(status, body, headers)


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error; a transient one of the directory unless said otherwise."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    usual = "temporarily_unavailable" if status >= 500 else "invalid_request"
    text = message or "A transient error has occurred. Please try again."
    return refused(status, code or usual, 90033, text, headers)


def throttled(retry_after: int) -> VendorAnswer:
    """Too many token requests."""
    text = "The server terminated an operation because it encountered a client request loop."
    return refused(429, "invalid_grant", 50196, text, {"Retry-After": str(retry_after)})


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of ErrorForms
    """Nothing is served there: Entra's bare 404."""
    return VendorAnswer(404)


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001
    """The endpoint takes another method."""
    return refused(
        405,
        "invalid_request",
        900561,
        f"The endpoint only accepts {', '.join(allowed)} requests. Received a {method} request.",
    )


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body that is no form."""
    return refused(400, "invalid_request", 900144, f"The request body is not understood: {problem.message}")
