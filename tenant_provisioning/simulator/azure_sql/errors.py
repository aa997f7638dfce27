"""Azure Resource Manager's errors, `{"error": {"code", "message"}}`, with the codes of Azure SQL's specification."""

from tenant_provisioning.simulator.http import BadBody, VendorAnswer

LOGIN = "https://login.windows.net"
AUDIENCES = "'https://management.core.windows.net/','https://management.azure.com/'"
TOKEN_PROBLEMS = {
    "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "invalid": ("InvalidAuthenticationToken", "The access token is invalid."),
    "expired": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
    "audience": (
        "InvalidAuthenticationTokenAudience",
        f"The access token has been obtained for the wrong audience or resource. Allowed audiences are {AUDIENCES}.",
    ),
}
USUAL = {
    400: "InvalidDatabaseCreateOrUpdateRequest",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "ConflictingDatabaseOperation",
    429: "SubscriptionTooManyCreateUpdateRequests",
    503: "TooManyRequests",
}


def refusal(status: int, code: str, message: str) -> VendorAnswer:
    """An error."""
    return VendorAnswer(status, {"error": {"code": code, "message": message}})


def unauthenticated(reason: str, tenant: str) -> VendorAnswer:
    """401: why the token was not accepted, and where another is to be had."""
    code, message = TOKEN_PROBLEMS[reason]
    said = refusal(401, code, message)
    said.headers["WWW-Authenticate"] = (
        f'Bearer authorization_uri="{LOGIN}/{tenant}", error="invalid_token", error_description="{message}"'
    )
    return said


def api_version_missing() -> VendorAnswer:
    """400: every request to ARM names its version."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return refusal(400, "MissingApiVersionParameter", message)


def api_version_unknown(version: str) -> VendorAnswer:
    """400: this resource type has no such version."""
    message = f"No registered resource provider found for API version '{version}' for type 'servers/databases'."
    return refusal(400, "NoRegisteredProviderFound", message)


def subscription_not_found(subscription: str) -> VendorAnswer:
    """404: no such subscription, or none that the caller sees."""
    return refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def group_not_found(group: str) -> VendorAnswer:
    """404: no such resource group."""
    return refusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def server_not_found(server: str) -> VendorAnswer:
    """404: the databases' server does not exist."""
    message = f"Can not perform requested operation on nested resource. Parent resource '{server}' not found."
    return refusal(404, "ParentResourceNotFound", message)


def database_not_found(server: str, group: str, name: str) -> VendorAnswer:
    """404: no such database."""
    resource = f"Microsoft.Sql/servers/{server}/databases/{name}"
    message = f"The Resource '{resource}' under resource group '{group}' was not found."
    return refusal(404, "ResourceNotFound", message)


def operation_not_found(operation_id: str) -> VendorAnswer:
    """404: no such long-running operation."""
    return refusal(404, "OperationIdNotFound", f"The operation with Id '{operation_id}' does not exist.")


def conflicting_operation(server: str, name: str) -> VendorAnswer:
    """409: something already goes on with this database."""
    message = (
        f"Operation on server '{server}' and database '{name}' is in progress. "
        "Please wait a few minutes before trying again."
    )
    return refusal(409, "ConflictingDatabaseOperation", message)


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error, as a fault asks for it."""
    said = refusal(status, code or USUAL.get(status, "InternalServerError"), message or "An unexpected error occurred.")
    if retry_after is not None:
        said.headers["Retry-After"] = str(retry_after)
    return said


def throttled(retry_after: int) -> VendorAnswer:
    """Too many requests of this subscription."""
    message = "Requests beyond max requests that can be processed by available resources."
    return error(429, "SubscriptionTooManyCreateUpdateRequests", message, retry_after)


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """There is nothing at this path."""
    return refusal(404, "InvalidResourceType", f"The resource type could not be found for the path '{path}'.")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001 - the shape of every vendor's
    """The path is right, the method is not."""
    message = f"The requested resource does not support http method '{method}'."
    return refusal(405, "HttpMethodNotAllowed", message)


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type, that is no JSON, or that misses or exceeds what the call takes."""
    if problem.kind == "media_type":
        message = f"The content media type is not supported. Only 'application/json' is supported: {problem.message}"
        return refusal(415, "UnsupportedMediaType", message)
    if any(found.path == "location" and found.kind == "missing" for found in problem.problems):
        return refusal(400, "LocationRequired", "The location property is required for this definition.")
    message = f"The request content was invalid and could not be deserialized: '{problem.message}'."
    return refusal(400, "InvalidRequestContent", message)
