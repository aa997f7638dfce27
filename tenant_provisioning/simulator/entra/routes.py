"""Entra's endpoints: discovery, signing keys, tokens for client credentials. Who is who is in `state.py`."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.entra.credentials import missing, prove
from tenant_provisioning.simulator.entra.errors import refused
from tenant_provisioning.simulator.entra.state import RESOURCES
from tenant_provisioning.simulator.http import answer, identify, operation, origin, world_of
from tenant_provisioning.simulator.world import MACHINE_CLIENT_ID, MACHINE_HEADER, TENANT_ID, World

FORM = "application/x-www-form-urlencoded"


def routes(_: World) -> list[Route]:
    """Everything under /{tenant}, and instance discovery."""

    def route(path: str, method: str, name: str, handler: Any) -> Route:
        return Route(path, operation("entra", name, handler), methods=[method])

    return [
        route("/{tenant}/v2.0/.well-known/openid-configuration", "GET", "openid_configuration", _openid_configuration),
        route("/{tenant}/discovery/v2.0/keys", "GET", "keys", _keys),
        route("/{tenant}/oauth2/v2.0/token", "POST", "token", _token),
        route("/common/discovery/instance", "GET", "discover_instance", _discover_instance),
        # what App Service gives its programs the address of, as IDENTITY_ENDPOINT
        route("/msi/token", "GET", "managed_identity_token", _managed_identity_token),
    ]


async def _openid_configuration(request: Request) -> Response:
    return answer(_metadata(request, _tenant_of(request)))


async def _keys(request: Request) -> Response:
    _tenant_of(request)
    return answer({"keys": [world_of(request).entra.public_key()]})


async def _token(request: Request) -> Response:
    tenant = _tenant_of(request)
    form = await _form_of(request)
    identify(request, form["client_id"])
    client = world_of(request).entra.client(form["client_id"])
    if client is None:
        text = f"Application with identifier '{form['client_id']}' was not found in the directory '{tenant}'."
        raise refused(400, "unauthorized_client", 700016, text)
    prove(client, form, f"{origin(request)}/{tenant}/oauth2/v2.0/token", world_of(request).now())
    access_token, lifetime = world_of(request).entra.issue(
        client, _audience_of(form["scope"]), f"https://sts.windows.net/{tenant}/"
    )
    body = {
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": access_token,
    }
    return answer(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _discover_instance(request: Request) -> Response:
    here = request.headers.get("host", "localhost")
    metadata = [{"preferred_network": here, "preferred_cache": here, "aliases": [here]}]
    address = f"{origin(request)}/{TENANT_ID}/v2.0/.well-known/openid-configuration"
    return answer({"tenant_discovery_endpoint": address, "api-version": "1.1", "metadata": metadata})


async def _managed_identity_token(request: Request) -> Response:
    """A token of the machine's own identity, for who shows the header that App Service gives its programs."""
    if request.headers.get("x-identity-header") != MACHINE_HEADER:
        return answer({"statusCode": 401, "message": "The identity header is missing or not right."}, 401)
    resource, entra = request.query_params.get("resource", ""), world_of(request).entra
    if request.query_params.get("api-version") != "2019-08-01" or resource.rstrip("/") not in RESOURCES:
        return answer({"statusCode": 400, "message": "The parameters are not valid."}, 400)
    identify(request, MACHINE_CLIENT_ID)
    machine = entra.client(MACHINE_CLIENT_ID) or entra.register(MACHINE_CLIENT_ID)
    token, lifetime = entra.issue(machine, resource, f"https://sts.windows.net/{TENANT_ID}/")
    until = int(world_of(request).now()) + lifetime
    return answer(
        {
            "access_token": token,
            "expires_on": str(until),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": MACHINE_CLIENT_ID,
        }
    )


def _tenant_of(request: Request) -> str:
    tenant = str(request.path_params["tenant"])
    if tenant.lower() != TENANT_ID:
        text = (
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud."
        )
        raise refused(400, "invalid_request", 90002, text)
    return TENANT_ID


async def _form_of(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = dict(parse_qsl((await request.body()).decode(errors="replace"))) if media_type == FORM else {}
    if "grant_type" not in form:
        raise missing("grant_type")
    if form["grant_type"] != "client_credentials":
        raise refused(
            400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{form['grant_type']}'."
        )
    for parameter in ("client_id", "scope"):
        if parameter not in form:
            raise missing(parameter)
    return form


def _audience_of(scope: str) -> str:
    """The resource whose `/.default` the scope asks for; MSAL adds no other scopes to client credentials."""
    wanted = scope.split()
    if len(wanted) != 1 or not wanted[0].endswith("/.default"):
        text = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
            "/.default suffixed to the resource identifier (application ID URI)."
        )
        raise refused(400, "invalid_scope", 1002012, text)
    audience = wanted[0].removesuffix("/.default")
    if audience.rstrip("/") not in RESOURCES:
        text = f"The resource principal named {audience} was not found in the tenant named {TENANT_ID}."
        raise refused(400, "invalid_resource", 500011, text)
    return audience


def _metadata(request: Request, tenant: str) -> dict[str, Any]:
    here = f"{origin(request)}/{tenant}"
    return {
        "token_endpoint": f"{here}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{here}/discovery/v2.0/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"{here}/v2.0",
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "end_session_endpoint": f"{here}/oauth2/v2.0/logout",
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
        "tenant_region_scope": "EU",
    }
