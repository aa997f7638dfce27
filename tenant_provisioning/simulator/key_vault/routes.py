"""The vault's calls, thin: the challenge, the api-version, the body, and the state's answer as JSON.

Not simulated: backup and restore, and everything that is not a secret (keys, certificates).
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.entra.state import KEY_VAULT_AUDIENCE, TokenProblem
from tenant_provisioning.simulator.http import Body, Handler, answer, bearer, identify, operation, origin, read_body
from tenant_provisioning.simulator.key_vault.errors import bad_parameter, challenge, not_permitted
from tenant_provisioning.simulator.key_vault.state import DAY, RECOVERABLE_DAYS, Change, KeyVaultState, Secret, Version
from tenant_provisioning.simulator.world import TENANT_ID, World

API_VERSIONS = re.compile(r"7\.[0-6]|20\d\d-\d\d-\d\d")
PAGE = 25  # entries, the most a caller may ask for
Call = Callable[[Request], Awaitable[Response]]


class Attributes(Body):
    """What may be set of a version; times are seconds since the epoch."""

    enabled: bool | None = None
    nbf: int | None = None
    exp: int | None = None


class SecretUpdate(Body):
    """PATCH secrets/{name}/{version}."""

    content_type: str | None = Field(default=None, alias="contentType")
    tags: dict[str, str] | None = None
    attributes: Attributes | None = None

    def change(self) -> Change:
        """The same in the state's words."""
        given = self.attributes.model_dump(exclude_none=True) if self.attributes else {}
        return Change(self.content_type, self.tags, given)


class SecretSet(SecretUpdate):
    """PUT secrets/{name}."""

    value: str


def routes(world: World) -> list[Route]:  # noqa: ARG001 - the shape of every vendor's
    """Every route of the vault."""
    return [
        _route("PUT", "/secrets/{name}", "set_secret", set_secret),
        _route("GET", "/secrets/{name}", "get_secret", get_secret),
        _route("GET", "/secrets/{name}/versions", "list_versions", list_versions),
        _route("GET", "/secrets/{name}/{version}", "get_secret_version", get_secret),
        # azure-keyvault-secrets leaves the version empty when the latest is meant
        _route("PATCH", "/secrets/{name}", "update_secret", update_secret),
        _route("PATCH", "/secrets/{name}/{version}", "update_secret_version", update_secret),
        _route("DELETE", "/secrets/{name}", "delete_secret", delete_secret),
        _route("GET", "/secrets", "list_secrets", list_secrets),
        _route("GET", "/deletedsecrets", "list_deleted_secrets", list_deleted_secrets),
        _route("GET", "/deletedsecrets/{name}", "get_deleted_secret", get_deleted_secret),
        _route("DELETE", "/deletedsecrets/{name}", "purge_secret", purge_secret),
        _route("POST", "/deletedsecrets/{name}/recover", "recover_secret", recover_secret),
    ]


async def set_secret(request: Request) -> Response:
    """PUT: a new version."""
    given = await read_body(request, SecretSet)
    secret, version = _state(request).set_secret(request.path_params["name"], given.value, given.change())
    return answer(_bundle(request, secret, version))


async def get_secret(request: Request) -> Response:
    """GET the latest version, or one."""
    secret, version = _state(request).get_version(request.path_params["name"], request.path_params.get("version"))
    return answer(_bundle(request, secret, version))


async def update_secret(request: Request) -> Response:
    """PATCH the latest version, or one; the answer leaves the value out."""
    given = (await read_body(request, SecretUpdate)).change()
    names = request.path_params
    secret, version = _state(request).update_version(names["name"], names.get("version"), given)
    return answer(_item(request, secret, version, with_version=True))


async def delete_secret(request: Request) -> Response:
    """DELETE: soft."""
    return answer(_deleted(request, _state(request).delete_secret(request.path_params["name"])))


async def get_deleted_secret(request: Request) -> Response:
    """GET a deleted secret."""
    return answer(_deleted(request, _state(request).get_deleted(request.path_params["name"])))


async def purge_secret(request: Request) -> Response:
    """DELETE a deleted secret: for good."""
    _state(request).purge_secret(request.path_params["name"])
    return Response(status_code=204)


async def recover_secret(request: Request) -> Response:
    """POST: a deleted secret lives again."""
    secret = _state(request).recover_secret(request.path_params["name"])
    return answer(_item(request, secret, secret.versions[-1], with_version=True))


async def list_secrets(request: Request) -> Response:
    """GET all live secrets, a page at a time."""
    found = _state(request).list_secrets(deleted=False)
    return answer(_page(request, [_item(request, secret, secret.versions[-1]) for secret in found]))


async def list_deleted_secrets(request: Request) -> Response:
    """GET all deleted secrets, a page at a time."""
    found = _state(request).list_secrets(deleted=True)
    return answer(_page(request, [_deleted(request, secret, with_version=False) for secret in found]))


async def list_versions(request: Request) -> Response:
    """GET the versions of a secret, a page at a time."""
    secret = _state(request).get_secret(request.path_params["name"])
    return answer(_page(request, [_item(request, secret, version, with_version=True) for version in secret.versions]))


def _state(request: Request) -> KeyVaultState:
    world: World = request.scope["world"]
    return world.key_vault


def _bundle(request: Request, secret: Secret, version: Version) -> dict[str, Any]:
    return {"value": version.value, **_item(request, secret, version, with_version=True)}


def _item(request: Request, secret: Secret, version: Version, *, with_version: bool = False) -> dict[str, Any]:
    times = {"nbf": version.not_before, "exp": version.expires}
    return {
        "id": f"{origin(request)}/secrets/{secret.name}" + (f"/{version.id}" if with_version else ""),
        **({"contentType": version.content_type} if version.content_type is not None else {}),
        "attributes": {
            "enabled": version.enabled,
            **{name: at for name, at in times.items() if at is not None},
            "created": version.created,
            "updated": version.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RECOVERABLE_DAYS,
        },
        "tags": dict(version.tags or {}),
    }


def _deleted(request: Request, secret: Secret, *, with_version: bool = True) -> dict[str, Any]:
    deleted_at = secret.deleted_at or 0
    return {
        "recoveryId": f"{origin(request)}/deletedsecrets/{secret.name}",
        "deletedDate": deleted_at,
        "scheduledPurgeDate": deleted_at + RECOVERABLE_DAYS * DAY,
        **_item(request, secret, secret.versions[-1], with_version=with_version),
    }


def _page(request: Request, items: list[dict[str, Any]]) -> dict[str, Any]:
    size, start = (_number(request, name, usual) for name, usual in (("maxresults", PAGE), ("$skiptoken", 0)))
    if not 1 <= size <= PAGE:
        raise bad_parameter("Invalid value found in 'maxresults'. It must be between 1 and 25.")
    after = start + size
    version = request.query_params["api-version"]
    following = f"{origin(request)}{request.url.path}?api-version={version}&$skiptoken={after}&maxresults={size}"
    return {"value": items[start:after], "nextLink": following if after < len(items) else None}


def _number(request: Request, name: str, usual: int) -> int:
    given = request.query_params.get(name, str(usual))
    if not given.isdecimal():
        raise bad_parameter(f"Invalid value found in '{name}'.")
    return int(given)


def _route(method: str, path: str, name: str, call: Call) -> Route:
    return Route(path, operation("key_vault", name, _guarded(call)), methods=[method])


def _guarded(call: Call) -> Handler:
    """The call for those with a token for this resource; the challenge comes before everything else."""

    async def guarded(request: Request) -> Response:
        _check_permitted(request, _check_token(request))
        version = request.query_params.get("api-version")
        if version is None:
            raise bad_parameter("api-version must be specified")
        if not API_VERSIONS.fullmatch(version.removesuffix("-preview")):
            raise bad_parameter(f"The specified version ({version}) is not recognized.")
        return await call(request)

    return guarded


def _check_permitted(request: Request, client_id: str) -> None:
    knobs, reads = _state(request).knobs, request.method == "GET"
    if not (knobs.readable if reads else knobs.writable):
        raise not_permitted(client_id, "getSecret/action" if reads else "setSecret/action")


def _check_token(request: Request) -> str:
    """The client id of the caller."""
    world: World = request.scope["world"]
    try:
        caller = world.entra.check(bearer(request), KEY_VAULT_AUDIENCE)
    except TokenProblem as problem:
        raise challenge(f"{origin(request)}/{TENANT_ID}", problem.reason) from None
    identify(request, caller.client_id)
    return caller.client_id
