"""What a vendor's refusal means: status, headers and error body in, one of the errors of `model.errors` out.

The error bodies of all vendors are read by one reader, because their field names do not contradict each other. Who
sends and repeats is `_http`; a refusal that passes by itself at one vendor only is told by that vendor's `transient`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable

Transient = Callable[[int, str | None], bool]
REQUEST_ID_HEADERS = ("x-ms-request-id", "requestid", "x-request-id", "x-vercel-id", "sb-request-id")
LONGEST_MESSAGE = 400  # characters: enough for a reason, too short for a page of HTML
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
PLAIN = {
    400: "the request was not accepted",
    401: "our credentials were not accepted",
    403: "access was refused",
    404: "there is no such thing",
    408: "the vendor gave up waiting",
    409: "there is a conflict with what exists",
    410: "it is gone",
    413: "too large",
    422: "the request was not accepted",
    429: "too many requests",
}


class NothingDone(VendorUnavailable):
    """Unavailable, and the vendor certainly did nothing: even a create may be repeated."""


def never(_status: int, _code: str | None) -> bool:
    """No refusal passes by itself."""
    return False


def refusal(vendor: str, operation: str, response: httpx.Response, transient: Transient = never) -> VendorError:
    """The error an unwanted answer amounts to: worth another attempt (429, 408, 5xx, transient) or not (all else)."""
    status, body = response.status_code, json_body(response)
    code, said = vendor_code(body) or response.headers.get("x-ms-public-api-error-code"), reason(body)
    message = (
        said or PLAIN.get(status) or ("the vendor has a fault" if status >= 500 else "an answer we did not expect")
    )
    facts: dict[str, Any] = {"status": status, "code": code, "request_id": request_id(response, body)}
    # Fabric's own word: "When true, the request can be retried"
    passes = transient(status, code) or (isinstance(body, dict) and body.get("isRetriable") is True)
    if status == 429 or passes:
        return NothingDone(vendor, operation, message, retry_after=retry_after(response.headers, body), **facts)
    if status >= 500 or status == 408:
        return VendorUnavailable(vendor, operation, message, retry_after=retry_after(response.headers, body), **facts)
    return VendorRejected(vendor, operation, message, **facts)


def broken(vendor: str, operation: str, response: httpx.Response) -> VendorUnavailable:
    """The error for a success whose body cannot be read or lacks what was promised: nobody knows what was done."""
    return VendorUnavailable(
        vendor,
        operation,
        "the answer cannot be read",
        status=response.status_code,
        request_id=request_id(response, None),
    )


def retry_after(headers: Mapping[str, str], body: Any = None, now: datetime | None = None) -> float | None:
    """Seconds the vendor asks us to wait, from header Retry-After (seconds or a date) or GoDaddy's `retryAfterSec`.

    None where it does not say. A date is read against the vendor's own clock where it tells it (header Date), so that a
    skewed clock here does no harm.
    """
    said = headers.get("Retry-After") or (body.get("retryAfterSec") if isinstance(body, dict) else None)
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        until = _date(str(said))
        since = _date(headers.get("Date", "")) or now or datetime.now(UTC)
        return None if until is None else max(0.0, (until - since).total_seconds())


def clock(response: httpx.Response) -> float | None:
    """The vendor's time when it answered, in seconds since the epoch, None where it does not say."""
    said = _date(response.headers.get("Date", ""))
    return said.timestamp() if said else None


def request_id(response: httpx.Response, body: Any) -> str | None:
    """What the vendor's support asks for."""
    told = body.get("requestId") if isinstance(body, dict) else None
    return told or next((response.headers[name] for name in REQUEST_ID_HEADERS if name in response.headers), None)


def last_segment(response: httpx.Response) -> str:
    """The id at the end of a Location header; empty where there is none. Its host is of no interest."""
    return httpx.URL(response.headers.get("Location", "")).path.rstrip("/").rpartition("/")[2]


def vendor_code(body: Any) -> str | None:
    """The vendor's code: `errorCode` (Fabric), `error.code` (Power BI, Vercel), `error_code` (Supabase) or `code`."""
    if not isinstance(body, dict):
        return None
    inner = body["error"] if isinstance(body.get("error"), dict) else body
    found = inner.get("errorCode") or inner.get("error_code") or inner.get("code")
    return str(found) if found else None


def reason(body: Any) -> str:
    """The vendor's reason in its own words, on one line, without mail addresses; empty where it gave none."""
    if not isinstance(body, dict):
        return ""
    inner = body["error"] if isinstance(body.get("error"), dict) else body
    texts = [inner.get("message") or inner.get("msg") or inner.get("error_description") or ""]
    texts += [part.get("message", "") for part in _parts(inner, "moreDetails") + _parts(inner, "fields")]
    nested = inner.get("pbi.error")
    if isinstance(nested, dict):
        texts += [_detail(part) for part in _parts(nested, "details")]
    said = " ".join(dict.fromkeys(" ".join(str(text).split()) for text in texts if text))
    return ADDRESS.sub("(address)", said)[:LONGEST_MESSAGE]


def _parts(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = body.get(name)
    return [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []


def _detail(part: Mapping[str, Any]) -> str:
    """Power BI's way to say it: {"code": …, "detail": {"type": 1, "value": …}}; bare error numbers are left out."""
    detail = part.get("detail")
    value = str(detail.get("value", "")) if isinstance(detail, dict) else ""
    return "" if value.isdigit() else value


def json_body(response: httpx.Response) -> Any:
    """The body as JSON, or None where it is none."""
    try:
        return response.json()
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
