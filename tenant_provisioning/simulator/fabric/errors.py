"""Fabric's error form: a code in the body and in a header.

Statuses marked unconfirmed were never seen in recorded traffic.
"""

import time
import uuid
from datetime import UTC, datetime

from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.http import BadBody, VendorAnswer

STATUS = {
    "WorkspaceNotFound": 404,
    "WorkspaceNameAlreadyExists": 409,  # unconfirmed
    "WorkspaceNameIsReserved": 400,
    "PrincipalWorkspaceLimitExceeded": 403,  # unconfirmed, code too
    "WorkspaceItemsLimitExceeded": 403,  # unconfirmed
    "CapacityNotFound": 404,
    "CapacityNotInActiveState": 400,
    "UnsupportedCapacitySKU": 403,  # unconfirmed
    "InsufficientPrivileges": 403,
    "InsufficientPermissionsOverCapacity": 403,  # unconfirmed
    "FeatureNotAvailable": 403,  # seen: microsoft/Analysis-Services#339, as the tenant settings were split
    "Unauthorized": 401,  # seen: microsoft/terraform-provider-fabric#254
    "PrincipalAlreadyHasWorkspaceRolePermissions": 409,  # unconfirmed
    "WorkspaceRoleAssignmentNotFound": 404,
    "ItemNotFound": 404,
    "ItemDisplayNameAlreadyInUse": 409,  # unconfirmed
    "FolderNotFound": 404,
    "OperationNotFound": 404,
    "JobInstanceNotFound": 404,
    "ConnectionNotFound": 404,
    "ConnectionRoleAssignmentNotFound": 404,
    "DuplicateConnectionName": 409,  # unconfirmed
    "EntityNotFound": 404,
}
USUAL = {
    400: ("InvalidInput", "The request has an invalid input."),
    401: ("Unauthorized", "The caller is not authenticated to access this resource."),
    403: ("InsufficientPrivileges", "The caller does not have sufficient permissions to perform this operation."),
    404: ("EntityNotFound", "The requested resource could not be found."),
    409: ("Conflict", "The request conflicts with the state of the resource."),
    500: ("UnknownError", "An error occurred while processing the operation."),
    503: ("ServiceUnavailable", "The service is temporarily unavailable."),
}


def failed(
    status: int,
    code: str,
    message: str,
    *,
    resource: tuple[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> VendorAnswer:
    """An error in Fabric's form."""
    request_id = str(uuid.uuid4())
    body: dict[str, object] = {"requestId": request_id, "errorCode": code, "message": message}
    if resource is not None:
        body["relatedResource"] = {"resourceId": resource[0], "resourceType": resource[1]}
    if status in {429, 430, 500, 503}:
        body["isRetriable"] = True
    return VendorAnswer(status, body, {"x-ms-public-api-error-code": code, "requestId": request_id, **(headers or {})})


def refused(refusal: Refusal) -> VendorAnswer:
    """The answer to a refusal of the state: 400 unless its code says otherwise."""
    return failed(STATUS.get(refusal.code, 400), refusal.code, refusal.message, resource=refusal.resource)


def error(status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
    """Any error, with the usual code and sentence of its status where none are given."""
    if status == 429 and code is None:
        return throttled(retry_after or 0)
    usual_code, usual_message = USUAL.get(status, USUAL[500])
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failed(status, code or usual_code, message or usual_message, headers=headers)


def throttled(retry_after: int) -> VendorAnswer:
    """Too many calls of one kind by one caller, in the words that were recorded."""
    moment = datetime.fromtimestamp(time.time() + retry_after, UTC)
    until = f"{moment.month}/{moment.day}/{moment.year} {moment.strftime('%I:%M:%S %p').lstrip('0')}"
    message = f"Request is blocked by the upstream service until: {until} (UTC)"
    return failed(429, "RequestBlocked", message, headers={"Retry-After": str(retry_after)})


def unauthorized(expired: bool) -> VendorAnswer:
    """No token, a foreign one, or one that has expired."""
    if expired:
        return failed(401, "TokenExpired", "Access token has expired, resubmit with a new access token")
    return failed(401, "InvalidToken", "Access token is invalid", headers={"WWW-Authenticate": "Bearer"})


def no_route(method: str, path: str) -> VendorAnswer:
    """There is nothing at this path."""
    return failed(404, "EndpointNotFound", f"No endpoint serves {method} {path}.")


def wrong_method(method: str, path: str, allowed: list[str]) -> VendorAnswer:  # noqa: ARG001 - the shape of ErrorForms
    """The path is right, the method is not."""
    return failed(405, "MethodNotAllowed", f"The method {method} is not allowed; allowed are {', '.join(allowed)}.")


def bad_body(problem: BadBody) -> VendorAnswer:
    """A body of the wrong media type, that is no JSON, or with properties missing, unknown or invalid."""
    if problem.kind == "media_type":
        return failed(415, "UnsupportedMediaType", "The request's media type is not supported; use application/json.")
    said = failed(400, "InvalidInput", f"The request has an invalid input: {problem.message}")
    if problem.problems and isinstance(said.body, dict):
        said.body["moreDetails"] = [
            {"errorCode": "InvalidParameter", "message": f"{found.path}: {found.message}"} for found in problem.problems
        ]
    return said
