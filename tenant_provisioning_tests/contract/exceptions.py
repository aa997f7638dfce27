"""Where the vendors' documents and the vendors part ways: the one place that names what the check excuses, and why.

`SECTION_11` marks what recorded traffic of the real Fabric service showed. Of that section nothing is here that the check has no
rule for: empty bodies with or without a content type, and Location headers that lead to another host. Nor are requests that the
real service takes though they are not specified (`folderId: null`, the role "member"): ours keep to the specification.
"""

from collections.abc import Mapping
from typing import Any

from tenant_provisioning_tests.contract.excuse import Excuse, Source

SECTION_11: Source = "recorded real traffic"
NULL = {"const": None}
CREDENTIALS_OF_A_CONNECTION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["singleSignOnType", "connectionEncryption", "credentials"],
    "properties": {
        "singleSignOnType": {"const": "None"},
        "connectionEncryption": {"enum": ["Any", "Encrypted", "NotEncrypted"]},
        "skipTestConnection": {"type": "boolean"},
        "credentials": {
            "type": "object",
            "additionalProperties": False,
            "required": ["credentialType", "tenantId", "servicePrincipalClientId", "servicePrincipalSecret"],
            "properties": {
                "credentialType": {"const": "ServicePrincipal"},
                "tenantId": {"type": "string"},
                "servicePrincipalClientId": {"type": "string"},
                "servicePrincipalSecret": {"type": "string"},
            },
        },
    },
}

AZURE_BODY = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["error"]}, {"required": ["operation", "startTime"]}],
    "properties": {
        "error": {"type": "object", "required": ["code", "message"]},
        "operation": {"type": "string"},
        "startTime": {"type": "string"},
    },
}
UPLOAD = "POST /v1.0/myorg/groups/{groupId}/imports/createTemporaryUploadLocation"

EXCUSES: tuple[Excuse, ...] = (
    Excuse(
        "fabric", "answer", "missing property", ("description",),
        "required, yet absent where it is empty: in 173 of 203 answers to a create", SECTION_11,
        operations=("GET /v1/workspaces", "POST /v1/workspaces", "GET /v1/workspaces/{workspaceId}",
                    "PATCH /v1/workspaces/{workspaceId}"),
    ),
    Excuse(
        "fabric", "answer", "format", ("createdTimeUtc", "lastUpdatedTimeUtc"),
        "an operation's times have seven decimals and no zone, which is no RFC 3339: 817 of 817", SECTION_11,
        operations=("GET /v1/operations/{operationId}",),
        fits={"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}$"},
    ),
    Excuse(
        "fabric", "answer", "type", ("body.percentComplete", "body.error"),
        "null, though not nullable", SECTION_11, operations=("GET /v1/operations/{operationId}",), fits=NULL,
    ),
    Excuse(
        "fabric", "answer", "type", ("sqlEndpointProperties.id", "sqlEndpointProperties.connectionString"),
        "null while the SQL endpoint is being made", SECTION_11,
        operations=("* /v1/workspaces/{workspaceId}/lakehouses*",), fits=NULL,
    ),
    Excuse(
        "fabric", "answer", "missing property", ("moreDetails[].errorCode", "moreDetails[].message"),
        "details of an error come without them", SECTION_11,
    ),
    Excuse(
        "fabric", "answer", "unknown body", ("body",),
        "the body of a 202 is the literal null, where none is specified", SECTION_11, fits=NULL,
    ),
    Excuse(
        "fabric", "answer", "type", ("body.failureReason", "body.endTimeUtc"),
        "null unless the job failed, and until it ended: the first is so in the sample answers of Fabric's documentation",
        "the vendor's own words",
        operations=("GET /v1/workspaces/{workspaceId}/items/{itemId}/jobs/instances/{jobInstanceId}",), fits=NULL,
    ),
    Excuse(
        "fabric", "request", "unknown property", ("body.credentialDetails",),
        "belongs to the cloud kind of the request; the copies keep a discriminated type's base and drop its kinds", "the copies",
        operations=("POST /v1/connections",), fits=CREDENTIALS_OF_A_CONNECTION,
    ),
    Excuse(
        "fabric", "request", "unknown property", ("connectionDetails.parameters[].value",),
        "belongs to the text kind of the parameter; dropped from the copies likewise", "the copies",
        operations=("POST /v1/connections",), fits={"type": "string"},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("@odata.context",),
        "the document calls it odata.context", "public recordings", fits={"type": "string"},
    ),
    Excuse(
        "powerbi", "answer", "unknown property",
        ("createdDate", "createReportEmbedURL", "qnaEmbedURL", "isRefreshable", "isEffectiveIdentityRequired",
         "isEffectiveIdentityRolesRequired", "isOnPremGatewayRequired"),
        "a dataset's properties that the document's schema spells with a capital letter and its examples do not",
        "the vendor's own words", fits={"type": ["string", "boolean"]},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("upstreamDatasets",),
        "a dataset's property that the document lacks", "public recordings", fits={"type": "array"},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("isFromPbix", "datasetWorkspaceId"),
        "a report's properties that the document lacks", "public recordings", fits={"type": ["boolean", "string"]},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("value[].type", "body.type"),
        "a workspace's property that the document gives to administrators only", "public recordings",
        operations=("* /v1.0/myorg/groups", "GET /v1.0/myorg/groups/{groupId}"), fits={"const": "Workspace"},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("body.connectionType", "body.source", "value[].connectionType", "value[].source"),
        "an import's properties that the document lacks", "public recordings",
        operations=("GET /v1.0/myorg/groups/{groupId}/imports*",), fits={"enum": ["import", "Upload"]},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("body.error",),
        "why an import failed; the document says that imports fail and not where it is told. Not confirmed", "public recordings",
        operations=("GET /v1.0/myorg/groups/{groupId}/imports/{importId}",), fits={"type": "object", "required": ["code"]},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("value[].id",),
        "a refresh has a number beside its requestId", "public recordings",
        operations=("GET /v1.0/myorg/groups/{groupId}/datasets/{datasetId}/refreshes",), fits={"type": "integer"},
    ),
    Excuse(
        "powerbi", "request", "missing property", ("body.notifyOption",),
        "marked required, yet “for enhanced refresh, notifyOption is not required and must be excluded”", "the vendor's own words",
        operations=("POST /v1.0/myorg/groups/{groupId}/datasets/{datasetId}/refreshes",),
    ),
    Excuse(
        "powerbi", "answer", "undeclared status", ("status",),
        "the document has answers to what succeeds only: errors, and the 307 to the home cluster, are unchecked",
        "the vendor's own words", fits={"pattern": "^([45]|307)"},
    ),
    Excuse(
        "powerbi", "answer", "missing property", ("body.Url", "body.ExpirationTime"),
        "camel case in fact: clients of others read url and expirationTime", "public recordings", operations=(UPLOAD,),
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("body.url", "body.expirationTime"),
        "the same", "public recordings", operations=(UPLOAD,), fits={"type": "string"},
    ),
    Excuse(
        "powerbi", "answer", "unknown property", ("body.defaultRetentionPolicy",),
        "a push dataset's property in Microsoft's older reference. Not confirmed", "the vendor's own words",
        operations=("POST /v1.0/myorg/groups/{groupId}/datasets",), fits={"enum": ["None", "basicFIFO"]},
    ),
    Excuse(
        "godaddy", "answer", "undeclared status", ("status",),
        "409 for the seconds in which a zone change spreads: dns-lexicon waits for its end", "public recordings",
        operations=("* /v1/domains/{domain}/records*",), fits={"const": "409"},
    ),
    Excuse(
        "godaddy", "answer", "undeclared status", ("status",),
        "415 for a body that is no JSON: the document does not say what is answered. Not confirmed", "a guess",
        operations=("* /v1/domains/{domain}/records*",), fits={"const": "415"},
    ),
    Excuse(
        "supabase", "answer", "type", ("body.code",),
        "with X-Supabase-Api-Version 2024-01-01, which supabase-py sends, an error is {code: text, message}", "the vendor's source",
        fits={"type": "string"},
    ),
    Excuse(
        "supabase", "answer", "unknown property", ("body.message",),
        "the same", "the vendor's source", fits={"type": "string"},
    ),
    Excuse(
        "supabase", "answer", "undeclared status", ("status",),
        "the document has few of the server's statuses: 303 to where a link leads, 403 for an expired link or an ended session, "
        "404 for a sign-in nobody began, 422 for what cannot be, 429 for too many mails, 500 for what the database refuses and for "
        "an unknown code challenge", "the vendor's source",
        operations=("* /auth/v1/verify", "POST /auth/v1/logout", "* /auth/v1/user", "PUT /auth/v1/admin/users/{userId}",
                    "POST /auth/v1/invite", "POST /auth/v1/token", "POST /auth/v1/otp"),
        fits={"enum": ["303", "400", "403", "404", "422", "429", "500"]},
    ),
    Excuse(
        "supabase", "answer", "unknown property", ("body.hint",),
        "the gateway before the server refuses a wrong apikey itself: {message, hint}", "public recordings",
        fits={"type": "string"},
    ),
    Excuse(
        "supabase", "answer", "unknown property", ("body.invited_at", "body.user.invited_at"),
        "a user's property that the document lacks", "the vendor's source", fits={"type": "string"},
    ),
    Excuse(
        "supabase", "answer", "unknown property", ("body.msg", "body.code"),
        "the first of two confirmations of a new address: {msg, code: \"200\"} in place of a session", "the vendor's source",
        operations=("POST /auth/v1/verify",), fits={"type": "string"},
    ),
    Excuse(
        "supabase", "request", "unknown body", ("body",),
        "should_soft_delete, which the document lacks", "the vendor's source", operations=("DELETE /auth/v1/admin/users/{userId}",),
    ),
    Excuse(
        "supabase", "request", "unknown parameter", ("query.filter",),
        "a part of an address or a name, which the document lacks", "the vendor's source", operations=("GET /auth/v1/admin/users",),
    ),
    Excuse(
        "supabase", "request", "unknown property", ("body.ban_duration",),
        "locks a user out or lets him in again; the document lacks it", "the vendor's source",
        operations=("PUT /auth/v1/admin/users/{userId}",), fits={"type": "string"},
    ),
    Excuse(
        "supabase", "request", "unknown parameter", ("query.redirect_to",),
        "where the link leads: supabase-py puts it into the query, and the server reads it there too", "the vendor's source",
        operations=("POST /auth/v1/admin/generate_link",),
    ),
    Excuse(
        "supabase", "request", "type", ("body.data", "body.new_email", "body.password"),
        "supabase-py sends null for what was not given", "the vendor's source",
        operations=("POST /auth/v1/admin/generate_link",), fits=NULL,
    ),
    Excuse(
        "supabase", "request", "unknown property", ("body.gotrue_meta_security",),
        "supabase-py always sends it; the document has it for other calls", "the vendor's source",
        operations=("POST /auth/v1/verify",), fits={"const": {"captcha_token": None}},
    ),
    Excuse(
        "azure_sql", "answer", "unknown body", ("body",),
        "the document describes neither the body of a 202 nor that of an error, both of which Azure sends", "public recordings",
        fits=AZURE_BODY,
    ),
    Excuse(
        "key_vault", "answer", "type", ("body.nextLink",), "null after the last page", "public recordings", fits=NULL,
    ),
)  # fmt: skip


def _json(schema: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


API_VERSION = {"in": "query", "name": "api-version", "required": True, "schema": {"type": "string"}}
NEW_USER = {
    "type": "object",
    "required": ["email"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "email": {"type": "string", "format": "email"},
        "password": {"type": "string"},
        "password_hash": {"type": "string"},
        "email_confirm": {"type": "boolean"},
        "user_metadata": {"type": "object"},
        "app_metadata": {"type": "object"},
        "ban_duration": {"type": "string"},
    },
}
ERROR = _json("ErrorSchema")
ASYNC_OPERATION = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "status": {"type": "string"},
        "startTime": {"type": "string"},
        "error": {"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
    },
}
ADDED: Mapping[str, Mapping[str, Any]] = {
    # Supabase's document has no operation that creates a user; what it takes is in the server's source
    "supabase": {
        "/admin/users": {
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": NEW_USER}}},
                "responses": {"200": _json("UserSchema"), **dict.fromkeys(("400", "401", "403", "422", "500"), ERROR)},
            }
        }
    },
    # where the header Azure-AsyncOperation leads, as Azure Resource Manager's rules for long-running operations have it
    "azure_sql": {
        "/subscriptions/{subscriptionId}/providers/Microsoft.Sql/locations/{locationName}"
        "/databaseAzureAsyncOperation/{operationId}": {
            "get": {
                "parameters": [API_VERSION],
                "responses": {
                    "200": {"content": {"application/json": {"schema": ASYNC_OPERATION}}},
                    "default": {"description": "an error"},
                },
            }
        }
    },
    # “This URI fragment is optional”, says the document of the version; the slash before it is not, for Azure's own client
    "key_vault": {
        "/secrets/{secret-name}/": {
            "parameters": [API_VERSION],
            "get": {"responses": {"200": _json("SecretBundle"), "default": _json("KeyVaultError")}},
            "patch": {
                "requestBody": {"required": True, **_json("SecretUpdateParameters")},
                "responses": {"200": _json("SecretBundle"), "default": _json("KeyVaultError")},
            },
        }
    },
}

UNCHECKED: tuple[str, ...] = (
    "Vercel and Entra: they publish no OpenAPI document (of Vercel's there is a generated client only).",
    "Blob storage, to which large files go, and SQL over TDS, which is no HTTP.",
    "Power BI's errors: its document has no answer but success.",
    "Calls that no document has: GoDaddy v3, the gateway's own answers, and paths that are wrong on purpose.",
    "What is inside a multipart body (an imported .pbix), and the headers of requests: they are not recorded.",
    "Answers that a test had lost, hung, reset or garbled; the status where a test chose the error.",
)
