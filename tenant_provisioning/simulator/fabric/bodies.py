"""What Fabric takes in request bodies, with some that are outside its spec and were seen to be taken."""

# ruff: noqa: N815 - properties are named by the vendor

from typing import Any, Literal

from pydantic import Field

from tenant_provisioning.simulator.fabric.records import Part, Role
from tenant_provisioning.simulator.http import Body

PrincipalType = Literal["User", "ServicePrincipal", "Group", "ServicePrincipalProfile", "EntireTenant"]
Privacy = Literal["None", "Private", "Organizational", "Public"]
Uuid = Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


class CreateWorkspace(Body):
    """POST /workspaces."""

    displayName: str
    description: str = Field(default="", max_length=4000)
    capacityId: str | None = Field(default=None, pattern=r"^[0-9a-fA-F-]{36}$")
    domainId: str | None = None


class Change(Body):
    """PATCH of a workspace or an item."""

    displayName: str | None = None
    description: str | None = Field(default=None, max_length=4000)


class Assign(Body):
    """POST assignToCapacity."""

    capacityId: str = Uuid


class PrincipalBody(Body):
    """Who a role is for."""

    id: str = Uuid
    type: PrincipalType
    displayName: str | None = None


class CreateRole(Body):
    """POST roleAssignments of a workspace; the role was seen to be taken in any case."""

    principal: PrincipalBody
    role: str

    def known_role(self) -> Role | None:
        """The role, or None when there is none of that name."""
        return next((role for role in Role if role.value.lower() == self.role.lower()), None)


class ChangeRole(Body):
    """PATCH of a role assignment."""

    role: Literal["Admin", "Member", "Contributor", "Viewer"]


class PartBody(Body):
    """A file of a definition."""

    path: str = Field(min_length=1)
    payload: str
    payloadType: Literal["InlineBase64"]


class Definition(Body):
    """An item's definition."""

    format: str | None = None
    parts: list[PartBody]

    def records(self) -> tuple[Part, ...]:
        """The parts as the state keeps them."""
        return tuple(Part(part.path, part.payload) for part in self.parts)


class SensitivityLabel(Body):
    """A sensitivity label to apply; taken and ignored."""

    labelId: str
    sensitivityLabelApplyStrategy: Literal["ApplyOrFail", "Ignore"] | None = None


class CreateItem(Body):
    """POST /items; folderId was seen as null."""

    displayName: str
    type: str
    description: str = Field(default="", max_length=256)
    folderId: str | None = None
    definition: Definition | None = None
    creationPayload: dict[str, Any] | None = None
    sensitivityLabelSettings: SensitivityLabel | None = None


class LakehousePayload(Body):
    """How a lakehouse is made."""

    enableSchemas: bool


class CreateOfKind(Body):
    """POST of an item at its own kind's path, where it may have a definition."""

    displayName: str
    description: str = Field(default="", max_length=256)
    folderId: str | None = None
    definition: Definition | None = None
    sensitivityLabelSettings: SensitivityLabel | None = None


class CreateLakehouse(CreateOfKind):
    """POST /lakehouses: a payload or a definition, not both."""

    creationPayload: LakehousePayload | None = None


class CreateDefined(CreateOfKind):
    """POST /semanticModels or /reports: not without a definition."""

    definition: Definition


class WarehousePayload(Body):
    """How a warehouse is made; defaultCollation is outside the spec but was seen to be taken."""

    collationType: Literal["Latin1_General_100_BIN2_UTF8", "Latin1_General_100_CI_AS_KS_WS_SC_UTF8"] | None = None
    defaultCollation: str | None = None


class CreateWarehouse(Body):
    """POST /warehouses: it takes no definition."""

    displayName: str
    description: str = Field(default="", max_length=256)
    folderId: str | None = None
    creationPayload: WarehousePayload | None = None
    sensitivityLabelSettings: SensitivityLabel | None = None


class SqlDatabasePayload(Body):
    """How a SQL database is made."""

    creationMode: Literal["New", "Restore", "RestoreDeletedDatabase"]
    collation: str | None = None
    backupRetentionDays: int | None = None


class CreateSqlDatabase(CreateOfKind):
    """POST /sqlDatabases."""

    creationPayload: SqlDatabasePayload | None = None


class UpdateDefinition(Body):
    """POST updateDefinition."""

    definition: Definition


class Duration(Body):
    """A time span."""

    value: float
    timeUnit: Literal["Seconds", "Minutes", "Hours", "Days"]


class RefreshMetadata(Body):
    """POST refreshMetadata; the body may be left out."""

    timeout: Duration | None = None
    recreateTables: bool | None = None


class NotebookParameter(Body):
    """A parameter as a notebook run takes it."""

    value: Any
    type: Literal["string", "int", "float", "bool"]


class DefaultLakehouse(Body):
    """The lakehouse that a notebook run writes to."""

    name: str | None = None
    id: str = Uuid
    workspaceId: str | None = None


class NotebookConfiguration(Body):
    """How a notebook runs."""

    conf: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    defaultLakehouse: DefaultLakehouse | None = None
    useStarterPool: bool | None = None
    useWorkspacePool: str | None = None


class NotebookExecution(Body):
    """The execution data of a notebook run."""

    parameters: dict[str, NotebookParameter] = Field(default_factory=dict)
    configuration: NotebookConfiguration | None = None


class JobParameter(Body):
    """A parameter as any job takes it."""

    name: str
    type: str
    value: Any


class RunJob(Body):
    """POST jobs/{type}/instances; the body may be left out."""

    executionData: NotebookExecution | None = None
    parameters: list[JobParameter] | None = None


class CreateFolder(Body):
    """POST /folders."""

    displayName: str = Field(min_length=1, max_length=255)
    parentFolderId: str | None = None


class ChangeFolder(Body):
    """PATCH of a folder."""

    displayName: str = Field(min_length=1, max_length=255)


class MoveItem(Body):
    """POST move of an item or a folder."""

    targetFolderId: str | None = None


class ConnectionParameter(Body):
    """One parameter of a connection."""

    dataType: Literal["Text", "Number", "Boolean", "Duration", "Date", "DateTime", "DateTimeZone", "Time"]
    name: str
    value: Any


class ConnectionDetails(Body):
    """Where a new connection leads to."""

    type: str
    creationMethod: str
    parameters: list[ConnectionParameter]


class CredentialsBody(Body):
    """How a connection signs in; which properties are needed depends on the type."""

    credentialType: Literal[
        "Windows", "Anonymous", "Basic", "Key", "OAuth2", "WindowsWithoutImpersonation", "SharedAccessSignature",
        "ServicePrincipal", "WorkspaceIdentity", "KeyPair",
    ]  # fmt: skip
    tenantId: str | None = None
    servicePrincipalClientId: str | None = None
    servicePrincipalSecret: str | None = None
    username: str | None = None
    password: str | None = None
    key: str | None = None
    token: str | None = None


class CredentialDetails(Body):
    """Credentials and how they are used."""

    singleSignOnType: Literal[
        "None", "Kerberos", "MicrosoftEntraID", "SecurityAssertionMarkupLanguage", "KerberosDirectQueryAndRefresh"
    ]
    connectionEncryption: Literal["Encrypted", "Any", "NotEncrypted"]
    skipTestConnection: bool = False
    credentials: CredentialsBody


class CreateConnection(Body):
    """POST /connections."""

    connectivityType: str
    displayName: str
    connectionDetails: ConnectionDetails
    privacyLevel: Privacy = "Organizational"
    credentialDetails: CredentialDetails
    allowConnectionUsageInGateway: bool | None = None
    allowUsageInUserControlledCode: bool | None = None


class ChangeConnection(Body):
    """PATCH of a connection."""

    connectivityType: str
    displayName: str | None = None
    privacyLevel: Privacy | None = None
    credentialDetails: CredentialDetails | None = None
    allowConnectionUsageInGateway: bool | None = None


class ShareConnection(Body):
    """POST roleAssignments of a connection."""

    principal: PrincipalBody
    role: Literal["User", "UserWithReshare", "Owner"]


class BindingDetails(Body):
    """Which data source of a model is bound."""

    type: str
    path: str


class Binding(Body):
    """The connection that a data source is bound to; without an id it is bound to none."""

    id: str | None = None
    connectivityType: str | None = None
    connectionDetails: BindingDetails


class BindConnection(Body):
    """POST bindConnection."""

    connectionBinding: Binding


class RestoreWorkspace(Body):
    """POST /admin/workspaces/{id}/restore."""

    restoredWorkspaceName: str | None = None
    newWorkspaceAdminPrincipal: PrincipalBody
