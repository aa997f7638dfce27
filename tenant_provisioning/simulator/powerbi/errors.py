"""Power BI's error form, with `pbi.error` inside; the published swagger has no error schemas at all."""

import uuid

from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.http import BadBody, VendorAnswer

# what a refusal of the shared state is called here, and its status
REFUSALS: dict[str, tuple[int, str]] = {
    "WorkspaceNotFound": (404, "PowerBIFolderNotFound"),
    "ItemNotFound": (404, "PowerBIEntityNotFound"),
    "ImportNotFound": (404, "ImportNotFoundError"),
    "RefreshNotFound": (404, "RefreshNotFound"),
    "ProfileNotFound": (404, "PowerBIServicePrincipalProfileNotFound"),
    "WorkspaceNameAlreadyExists": (400, "PowerBIEntityAlreadyExists"),  # unconfirmed
    "WorkspaceNameIsReserved": (400, "PowerBIApiErrorResponse"),
    "PrincipalWorkspaceLimitExceeded": (403, "PowerBIWorkspaceLimitExceeded"),  # unconfirmed
    "FeatureNotAvailable": (403, "PowerBINotAuthorizedException"),  # unconfirmed
    # seen: MicrosoftDocs/powerbi-docs#1109, with the tenant setting off
    "Unauthorized": (401, "PowerBINotAuthorizedException"),
    "InsufficientPrivileges": (403, "PowerBINotAuthorizedException"),
    "CapacityNotFound": (404, "CapacityNotFound"),
    "PrincipalAlreadyHasWorkspaceRolePermissions": (400, "AddingAlreadyExistsGroupUserNotSupportedError"),
    "WorkspaceRoleAssignmentNotFound": (404, "UserNotFound"),
    "DuplicatePackageFoundError": (409, "DuplicatePackageFoundError"),
    "DuplicatePackageNotFoundError": (404, "DuplicatePackageNotFoundError"),
    "MoreThanOneDuplicatePackageFoundError": (409, "MoreThanOneDuplicatePackageFoundError"),
    "DMTS_DatasourceNotFound": (404, "DMTS_DatasourceNotFoundError"),
    "ConnectionNotFound": (404, "DMTS_DatasourceNotFoundError"),
    "ConnectionMismatch": (400, "DMTS_CanNotFindMatchingDatasourceInGatewayError"),
    "AuthenticationFailed": (403, "AuthenticationFailed"),
    "NotOwner": (403, "PowerBINotAuthorizedException"),
}
USUAL = {
    400: "BadRequest",
    401: "PowerBINotAuthorizedException",
    403: "PowerBINotAuthorizedException",
    404: "PowerBIEntityNotFound",
    405: "MethodNotAllowed",
    415: "UnsupportedMediaType",
    500: "UnknownError",
}


def failed(status: int, code: str, message: str | None = None, headers: dict[str, str] | None = None) -> VendorAnswer:
    """An error in Power BI's form; the message stands in its details too, as it mostly does."""
    details = [{"code": "Message", "detail": {"type": 1, "value": message}}] if message else []
    error: dict[str, object] = {"code": code, "pbi.error": {"code": code, "parameters": {}, "details": details}}
    if message:
        error["message"] = message
    return VendorAnswer(status, {"error": error}, {"RequestId": str(uuid.uuid4()), **(headers or {})})


def refused(refusal: Refusal) -> VendorAnswer:
    """The answer to a refusal of the state: 400 with its own code unless it is called otherwise here."""
    status, code = REFUSALS.get(refusal.code, (400, refusal.code))
    return failed(status, code, refusal.message or None)


def query_failed(message: str) -> VendorAnswer:
    """What executeQueries answers when the engine does not take the query."""
    details = [
        {"code": "DetailsMessage", "detail": {"type": 1, "value": message}},
        {"code": "AnalysisServicesErrorCode", "detail": {"type": 1, "value": "3241803789"}},
    ]
    code = "DatasetExecuteQueriesError"
    return VendorAnswer(
        400, {"error": {"code": code, "pbi.error": {"code": code, "parameters": {}, "details": details}}}
    )


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error, with the usual code of its status where none is given."""
    if status == 429 and code is None:
        return throttled(retry_after or 0)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failed(status, code or USUAL.get(status, USUAL[500]), message, headers)


def throttled(retry_after: int) -> VendorAnswer:
    """Too many requests."""
    message = f"Too many requests. Retry after {retry_after} seconds."
    return failed(429, "TooManyRequests", message, {"Retry-After": str(retry_after)})


def unauthorized(reason: str) -> VendorAnswer:
    """A token that is missing, foreign, or expired: the last is a 403 here, where Fabric says 401."""
    if reason == "expired":
        return failed(403, "TokenExpired", "Access token has expired, resubmit with a new access token")
    if reason == "missing":
        return failed(401, "PowerBINotAuthorizedException", None, {"WWW-Authenticate": "Bearer"})
    return failed(403, "PowerBINotAuthorizedException")


def no_route(method: str, path: str) -> VendorAnswer:  # noqa: ARG001 - the shape of ErrorForms
    """There is nothing at this path."""
    return failed(404, "PathNotFound", f"No HTTP resource was found that matches the request URI {path}.")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001
    """The path is right, the method is not."""
    return failed(405, "MethodNotAllowed", f"The requested resource does not support http method '{method}'.")


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type, that is no JSON, or with properties missing, unknown or invalid."""
    if problem.kind == "media_type":
        return failed(
            415, "UnsupportedMediaType", "The request entity's media type is not supported for this resource."
        )
    return failed(400, "BadRequest", f"Bad Request: {problem.message}")
