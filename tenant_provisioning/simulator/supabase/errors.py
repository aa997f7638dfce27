"""What Supabase Auth refuses, in its words, and the two forms its error bodies have.

The statuses, codes and sentences are those of the server's source. Which form an error takes is decided per request, by
the `X-Supabase-Api-Version` header.
"""

import re
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse, Response

from tenant_provisioning.simulator.http import BadBody, VendorAnswer

API_VERSION = "2024-01-01"
VERSION = re.compile(r"2\d{3}-\d{2}-\d{2}")
DUPLICATE_EMAIL = "A user with this email address has already been registered"


@dataclass
class AuthError(Exception):
    """A refusal: HTTP status, Supabase's error code, its sentence, and what else the body carries."""

    status: int
    code: str
    message: str
    more: dict[str, object] = field(default_factory=dict)

    def answer(self, api_version: str) -> VendorAnswer:
        """The error as sent: `code` is a word for a caller that asks for version 2024-01-01, else the HTTP status."""
        headers = {"x-sb-error-code": self.code}
        if VERSION.fullmatch(api_version) and api_version >= API_VERSION:
            headers["x-supabase-api-version"] = API_VERSION
            return VendorAnswer(self.status, {"code": self.code, "message": self.message, **self.more}, headers)
        body = {"code": self.status, "error_code": self.code, "msg": self.message, **self.more}
        return VendorAnswer(self.status, body, headers)


class PlainAnswer(VendorAnswer):
    """An answer of the router in front of the server, which is no JSON."""

    def response(self) -> Response:
        """The body as plain text."""
        return PlainTextResponse(str(self.body or ""), self.status, self.headers)


def invalid(message: str, status: int = 400) -> AuthError:
    """A parameter is missing or wrong."""
    return AuthError(status, "validation_failed", message)


def email_exists() -> AuthError:
    """Another user has this address."""
    return AuthError(422, "email_exists", DUPLICATE_EMAIL)


def user_not_found(message: str = "User not found", status: int = 404) -> AuthError:
    """No such user."""
    return AuthError(status, "user_not_found", message)


def user_banned(status: int, message: str = "User is banned") -> AuthError:
    """The user exists and is kept out."""
    return AuthError(status, "user_banned", message)


def otp_expired(message: str) -> AuthError:
    """The one-time token is unknown, used, replaced by a newer one, or too old: the server does not say which."""
    return AuthError(403, "otp_expired", message)


def invalid_credentials() -> AuthError:
    """Unknown address or wrong password: the server does not say which."""
    return AuthError(400, "invalid_credentials", "Invalid login credentials")


def weak_password(minimum: int) -> AuthError:
    """The password is too short."""
    said = f"Password should be at least {minimum} characters."
    return AuthError(422, "weak_password", said, {"weak_password": {"reasons": ["length"]}})


def database_error(message: str) -> AuthError:
    """A constraint of the vendor's database, which its server does not foresee."""
    return AuthError(500, "unexpected_failure", message)


def bad_jwt(message: str) -> AuthError:
    """The bearer token is no token of this project."""
    return AuthError(403, "bad_jwt", message)


def no_api_key(*, given: bool) -> VendorAnswer:
    """The gateway before the server knows the key, or lets nobody through."""
    if given:
        hint = "Double check your Supabase `anon` or `service_role` API key."
        return VendorAnswer(401, {"message": "Invalid API key", "hint": hint})
    hint = "No `apikey` request header or url param was found."
    return VendorAnswer(401, {"message": "No API key found in request", "hint": hint})


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error, as a fault asks for it."""
    usual = "unexpected_failure" if status >= 500 else "unknown"
    said = AuthError(
        status, code or usual, message or "Unexpected failure, please check server logs for more information"
    )
    refusal = said.answer(API_VERSION)
    if retry_after is not None:
        refusal.headers["Retry-After"] = str(retry_after)
    return refusal


def throttled(retry_after: int) -> VendorAnswer:
    """Too many requests; the server itself names no time, so only a fault that asks for one gets the header."""
    return error(429, "over_request_rate_limit", "Request rate limit reached", retry_after or None)


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """The Go router's own answer; below /rest/ that of PostgREST to a project whose database is empty."""
    kind, _, name = path.removeprefix("/rest/v1/").rpartition("/")
    if not path.startswith("/rest/v1/"):
        return PlainAnswer(404, "404 page not found\n")
    if kind == "rpc":
        return _not_in_schema("PGRST202", f"Could not find the function public.{name} in the schema cache")
    return _not_in_schema("PGRST205", f"Could not find the table 'public.{name}' in the schema cache")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """The Go router's own answer, which is empty."""
    return PlainAnswer(405, headers={"Allow": ", ".join(allowed)})


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body that is no JSON."""
    return AuthError(400, "bad_json", f"Could not parse request body as JSON: {problem.message}").answer(API_VERSION)


def _not_in_schema(code: str, message: str) -> VendorAnswer:
    hint = "The simulated project has no database: its tables and functions are not simulated."
    return VendorAnswer(404, {"code": code, "details": None, "hint": hint, "message": message})
