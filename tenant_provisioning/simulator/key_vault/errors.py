"""Key Vault's errors: `{"error": {"code", "message", "innererror"}}`, and the challenge to a caller without a token."""

from tenant_provisioning.simulator.http import BadBody, VendorAnswer

RESOURCE = "https://vault.azure.net"
USUAL = {
    400: "BadParameter",
    401: "Unauthorized",
    403: "Forbidden",
    404: "SecretNotFound",
    409: "Conflict",
    429: "Throttled",
}
TOKEN_PROBLEMS = {
    "missing": "AKV10000: Request is missing a Bearer or PoP token.",
    "invalid": "AKV10032: Invalid issuer or signature of the token.",
    "expired": "AKV10004: Error validating token: IDX10223: Lifetime validation failed. The token is expired.",
    "audience": f"AKV10022: Invalid audience. Expected {RESOURCE}.",
}
HELP = (
    "If you recently deleted this secret you may be able to recover it using the correct recovery command. "
    "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
)


def refusal(status: int, code: str, message: str, inner: str | None = None) -> VendorAnswer:
    """An error; `inner` is the code that tells the conflicts and prohibitions apart."""
    innererror = {"innererror": {"code": inner}} if inner else {}
    return VendorAnswer(status, {"error": {"code": code, "message": message, **innererror}})


def bad_parameter(message: str) -> VendorAnswer:
    """400: something in the request is missing or wrong."""
    return refusal(400, "BadParameter", message)


def challenge(authority: str, reason: str) -> VendorAnswer:
    """401 with the place where a token is to be had, which is how a client finds it out."""
    said = refusal(401, "Unauthorized", TOKEN_PROBLEMS[reason])
    said.headers["WWW-Authenticate"] = f'Bearer authorization="{authority}", resource="{RESOURCE}"'
    return said


def not_found(name: str) -> VendorAnswer:
    """There is no live secret of that name, or not that version of it."""
    return refusal(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault. {HELP}")


def deleted_not_found(name: str) -> VendorAnswer:
    """There is no deleted secret of that name."""
    return refusal(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def deleted_but_recoverable(name: str) -> VendorAnswer:
    """409: the name of a soft-deleted secret cannot be used again until it is recovered or purged."""
    return refusal(
        409,
        "Conflict",
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, "
        "the secret can only be recovered or purged.",
        "ObjectIsDeletedButRecoverable",
    )


def still_busy(name: str, doing: str) -> VendorAnswer:
    """409 for the seconds in which a delete, purge or recovery goes on behind its answer."""
    inner = "ObjectIsBeingRecovered" if doing == "recovered" else "ObjectIsBeingDeleted"
    return refusal(409, "Conflict", f"Secret {name} is currently being {doing}.", inner)


def disabled() -> VendorAnswer:
    """403: the secret is there, and switched off."""
    return refusal(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")


def not_permitted(client_id: str, action: str) -> VendorAnswer:
    """403: the caller is known and has no role for this."""
    return refusal(
        403,
        "Forbidden",
        "Caller is not authorized to perform action on resource. If role assignments, deny assignments or role definitions "
        f"were changed recently, please observe propagation time. Caller: appid={client_id} Action: "
        f"'Microsoft.KeyVault/vaults/secrets/{action}' Assignment: (not found)",
        "ForbiddenByRbac",
    )


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error, as a fault asks for it."""
    said = refusal(
        status, code or USUAL.get(status, "InternalServerError"), message or "The request could not be completed."
    )
    if retry_after is not None:
        said.headers["Retry-After"] = str(retry_after)
    return said


def throttled(retry_after: int) -> VendorAnswer:
    """Too many requests."""
    said = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
    return error(429, "Throttled", said, retry_after)


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """There is nothing at this path."""
    return bad_parameter(f"The request URI is invalid: {path}")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """The path is right, the method is not."""
    return refusal(405, "MethodNotAllowed", f"Method {method} does not allow this operation")


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type, that is no JSON, or that misses or exceeds what the call takes."""
    if problem.kind == "media_type":
        return refusal(415, "BadParameter", f"The request's content type is not supported: {problem.message}")
    return bad_parameter(f"Request body is not valid: {problem.message}")
