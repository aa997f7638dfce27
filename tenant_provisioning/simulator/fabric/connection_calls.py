"""The calls about connections, and the one that binds a semantic model to one."""

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric import bodies, views
from tenant_provisioning.simulator.fabric.access import Call, emptied, paged, route
from tenant_provisioning.simulator.fabric.records import Connection, Credentials, Grant, Role
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.http import answer, origin

CONNECTION_ROLES = {"User": Role.VIEWER, "UserWithReshare": Role.CONTRIBUTOR, "Owner": Role.ADMIN}
SUPPORTED = {
    "type": "SQL",
    "creationMethods": [
        {
            "name": "SQL",
            "parameters": [
                {"name": "server", "dataType": "Text", "required": True, "allowedValues": None},
                {"name": "database", "dataType": "Text", "required": False, "allowedValues": None},
            ],
        }
    ],
    "supportedCredentialTypes": ["Basic", "OAuth2", "ServicePrincipal", "WorkspaceIdentity"],
    "supportedConnectionEncryptionTypes": ["Encrypted", "Any", "NotEncrypted"],
    "supportsSkipTestConnection": True,
}


def connection_routes() -> list[Route]:
    """Connections, who may use them, and bindConnection."""
    one = "/connections/{connection}"
    return [
        route("POST", "/connections", "create_connection", create_connection),
        route("GET", "/connections", "list_connections", list_connections),
        route("GET", "/connections/supportedConnectionTypes", "list_connection_types", list_connection_types),
        route("GET", one, "get_connection", get_connection),
        route("PATCH", one, "update_connection", update_connection),
        route("DELETE", one, "delete_connection", delete_connection),
        route("POST", f"{one}/testConnection", "test_connection", test_connection),
        route("POST", f"{one}/roleAssignments", "share_connection", share_connection),
        route("GET", f"{one}/roleAssignments", "list_connection_roles", list_connection_roles),
        route("DELETE", f"{one}/roleAssignments/{{principal}}", "unshare_connection", unshare_connection),
        route(
            "POST", "/workspaces/{workspace}/semanticModels/{item}/bindConnection", "bind_connection", bind_connection
        ),
    ]


async def create_connection(call: Call) -> Response:
    """POST /connections."""
    given = await call.body(bodies.CreateConnection)
    details = given.credentialDetails
    parameters = {parameter.name.lower(): str(parameter.value) for parameter in given.connectionDetails.parameters}
    if not parameters.get("server"):
        raise Refusal("InvalidConnectionDetails", "The parameter 'server' is required.")
    path = ";".join(part for part in (parameters["server"], parameters.get("database", "")) if part)
    made = Connection(
        call.world.new_id(),
        given.displayName,
        given.connectivityType,
        given.connectionDetails.type,
        path,
        given.privacyLevel,
        details.singleSignOnType,
        details.connectionEncryption,
        details.skipTestConnection,
        _credentials(call, details.credentials),
        call.world.new_id(),
        call.caller.id,
        call.world.now(),
    )
    return answer(views.connection(call.fabric.connections.create(made)), 201)


async def list_connections(call: Call) -> Response:
    """GET /connections: those the caller may use; there is no filter."""
    return paged(call, call.fabric.connections.used_by(call.caller.id), views.connection)


async def list_connection_types(call: Call) -> Response:
    """GET /connections/supportedConnectionTypes."""
    return paged(call, [SUPPORTED], dict)


async def get_connection(call: Call) -> Response:
    """GET /connections/{id}."""
    return answer(views.connection(_connection(call)))


async def update_connection(call: Call) -> Response:
    """PATCH /connections/{id}."""
    given = await call.body(bodies.ChangeConnection)
    known = _connection(call)
    if given.connectivityType != known.connectivity:
        raise Refusal("InvalidInput", "The connectivity type of a connection cannot be changed.")
    credentials = _credentials(call, given.credentialDetails.credentials) if given.credentialDetails else None
    changed = call.fabric.connections.change(
        known, name=given.displayName, privacy=given.privacyLevel, credentials=credentials
    )
    return answer(views.connection(changed))


async def delete_connection(call: Call) -> Response:
    """DELETE /connections/{id}."""
    call.fabric.connections.delete(_connection(call))
    return emptied()


async def test_connection(call: Call) -> Response:
    """POST /connections/{id}/testConnection."""
    if call.fabric.connections.is_online(_connection(call)):
        return answer({"status": "Online", "errors": []})
    reason = {
        "errorCode": "IncorrectCredentials",
        "message": "The data source could not be reached with these credentials.",
    }
    return answer({"status": "Offline", "errors": [reason]})


async def share_connection(call: Call) -> Response:
    """POST /connections/{id}/roleAssignments."""
    given = await call.body(bodies.ShareConnection)
    known, principal = _connection(call), given.principal
    grant = Grant(
        principal.id.lower(),
        principal.type,
        CONNECTION_ROLES[given.role],
        call.world.now(),
        principal.displayName or "",
    )
    call.fabric.connections.share(known, grant)
    location = f"{origin(call.request)}/v1/connections/{known.id}/roleAssignments/{grant.principal_id}"
    return answer(_role(grant), 201, {"Location": location})


async def list_connection_roles(call: Call) -> Response:
    """GET /connections/{id}/roleAssignments, the owner's first."""
    known = _connection(call)
    owner = Grant(known.owner_id, "ServicePrincipal", Role.ADMIN, known.created_at)
    return paged(call, (owner, *known.grants), _role)


async def unshare_connection(call: Call) -> Response:
    """DELETE /connections/{id}/roleAssignments/{principal}."""
    call.fabric.connections.unshare(_connection(call), call.path("principal"))
    return emptied()


async def bind_connection(call: Call) -> Response:
    """POST bindConnection: one data source a call, by the model's owner."""
    binding = (await call.body(bodies.BindConnection)).connectionBinding
    models, item = call.fabric.models, call.item("SemanticModel", write=True)
    model = models.get(item.id)
    if model.owner_id != call.caller.id:
        raise Refusal("InsufficientPrivileges", "Only the owner of the semantic model may bind its connections.")
    if binding.connectionDetails.type.upper() != "SQL":
        raise Refusal(
            "ConnectionMismatch", "The connection details do not match the data source of the semantic model."
        )
    source = models.source(model, binding.connectionDetails.path)
    if binding.id is None:
        models.unbind(model, source)
        return Response(b"", 200)
    connection = call.fabric.connections.get(binding.id.lower(), call.caller.id)
    if binding.connectivityType not in {None, connection.connectivity}:
        raise Refusal("InvalidInput", f"The connection is of the connectivity type {connection.connectivity}.")
    models.bind(model, source, connection)
    return Response(b"", 200)


def _connection(call: Call) -> Connection:
    return call.fabric.connections.get(call.path("connection"), call.caller.id)


def _credentials(call: Call, given: bodies.CredentialsBody) -> Credentials:
    if given.credentialType != "ServicePrincipal":
        # SQL in Fabric takes Entra sign-in only, and no user signs in here
        return Credentials(given.credentialType, given.credentialType == "WorkspaceIdentity")
    if not (given.tenantId and given.servicePrincipalClientId and given.servicePrincipalSecret):
        raise Refusal(
            "InvalidInput",
            "Credentials of a service principal are tenantId, servicePrincipalClientId and servicePrincipalSecret.",
        )
    return call.fabric.sign_in(
        "ServicePrincipal", given.tenantId.lower(), given.servicePrincipalClientId.lower(), given.servicePrincipalSecret
    )


def _role(grant: Grant) -> dict[str, object]:
    word = next(word for word, role in CONNECTION_ROLES.items() if role is grant.role)
    principal = {
        "id": grant.principal_id,
        "displayName": grant.display_name or "Principal",
        "type": grant.principal_type,
    }
    return {"id": grant.principal_id, "principal": principal, "role": word}
