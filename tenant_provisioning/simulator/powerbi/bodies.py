"""What Power BI takes in request bodies."""

# ruff: noqa: N815 - properties are named by the vendor

from typing import Any, Literal

from pydantic import Field

from tenant_provisioning.simulator.http import Body

UUID_TEXT = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
Privacy = Literal["None", "Public", "Organizational", "Private"]


class CreateGroup(Body):
    """POST /groups."""

    name: str = Field(min_length=1, max_length=256)


class ChangeGroup(Body):
    """PATCH /groups/{id}."""

    name: str | None = None
    defaultDatasetStorageFormat: Literal["Small", "Large"] | None = None


class Assign(Body):
    """POST AssignToCapacity; the zero id takes the group off its capacity."""

    capacityId: str = Field(pattern=UUID_TEXT)


class ProfileOfUser(Body):
    """The profile that a right is given to."""

    id: str = Field(pattern=UUID_TEXT)
    displayName: str | None = None


class GroupUser(Body):
    """POST and PUT of a group's users."""

    identifier: str = Field(min_length=1)
    principalType: Literal["User", "Group", "App"]
    groupUserAccessRight: Literal["Admin", "Member", "Contributor", "Viewer"]
    emailAddress: str | None = None
    displayName: str | None = None
    graphId: str | None = None
    userType: str | None = None
    profile: ProfileOfUser | None = None


class RestoreGroup(Body):
    """POST /admin/groups/{id}/restore."""

    name: str | None = None
    emailAddress: str = Field(min_length=1)


class CreateProfile(Body):
    """POST /profiles; the swagger's required `id` does not exist."""

    displayName: str = Field(min_length=1)


class ImportInfo(Body):
    """POST /imports as JSON: where the file already is."""

    fileUrl: str | None = None
    filePath: str | None = None
    connectionType: Literal["import", "connect"] | None = None


class Clone(Body):
    """POST Clone."""

    name: str = Field(min_length=1)
    targetWorkspaceId: str | None = Field(default=None, pattern=UUID_TEXT)
    targetModelId: str | None = None


class Rebind(Body):
    """POST Rebind."""

    datasetId: str


class ConnectionDetails(Body):
    """Where a data source is."""

    server: str | None = None
    database: str | None = None
    url: str | None = None
    path: str | None = None
    kind: str | None = None
    account: str | None = None
    domain: str | None = None
    emailAddress: str | None = None
    loginServer: str | None = None
    classInfo: str | None = None


class DatasourceSelector(Body):
    """Which data source is meant."""

    name: str | None = None
    connectionString: str | None = None
    datasourceType: str | None = None
    connectionDetails: ConnectionDetails | None = None
    gatewayId: str | None = None
    datasourceId: str | None = None


class DatasourceUpdate(Body):
    """One data source's new place; credentials have none here."""

    datasourceSelector: DatasourceSelector | None = None
    connectionDetails: ConnectionDetails


class UpdateDatasources(Body):
    """POST Default.UpdateDatasources."""

    updateDetails: list[DatasourceUpdate] = Field(min_length=1)


class ParameterUpdate(Body):
    """One parameter's new value."""

    name: str
    newValue: str | None = None


class UpdateParameters(Body):
    """POST Default.UpdateParameters."""

    updateDetails: list[ParameterUpdate] = Field(min_length=1, max_length=100)


class BindToGateway(Body):
    """POST Default.BindToGateway."""

    gatewayObjectId: str = Field(pattern=UUID_TEXT)
    datasourceObjectIds: list[str] | None = None


class RefreshObject(Body):
    """A table or partition to refresh."""

    table: str | None = None
    partition: str | None = None


class RefreshDataset(Body):
    """POST refreshes; any field but notifyOption makes it an enhanced refresh."""

    notifyOption: Literal["NoNotification", "MailOnFailure", "MailOnCompletion"] | None = None
    type: str | None = None
    commitMode: str | None = None
    maxParallelism: int | None = None
    retryCount: int | None = None
    objects: list[RefreshObject] | None = None
    applyRefreshPolicy: bool | None = None
    effectiveDate: str | None = None
    timeout: str | None = None

    @property
    def is_enhanced(self) -> bool:
        """Whether anything but the notification was asked for."""
        return bool(self.model_fields_set - {"notifyOption"})


class Query(Body):
    """One query."""

    query: str


class SerializerSettings(Body):
    """How rows are written."""

    includeNulls: bool = False


class ExecuteQueries(Body):
    """POST executeQueries: one query a call."""

    queries: list[Query] = Field(min_length=1, max_length=1)
    serializerSettings: SerializerSettings | None = None
    impersonatedUserName: str | None = None


class CredentialDetails(Body):
    """Credentials of a data source; `credentials` is JSON in a text."""

    credentialType: Literal["Basic", "Windows", "Anonymous", "OAuth2", "Key", "SAS"]
    credentials: str
    encryptedConnection: Literal["Encrypted", "NotEncrypted"]
    encryptionAlgorithm: Literal["None", "RSA-OAEP"]
    privacyLevel: Privacy
    useCallerAADIdentity: bool | None = None
    useEndUserOAuth2Credentials: bool | None = None


class UpdateDatasource(Body):
    """PATCH of a gateway's data source."""

    credentialDetails: CredentialDetails


class TokenReport(Body):
    """A report that a token is for."""

    id: str = Field(pattern=UUID_TEXT)
    allowEdit: bool | None = None


class TokenDataset(Body):
    """A dataset that a token is for."""

    id: str
    xmlaPermissions: Literal["Off", "ReadOnly"] | None = None


class TokenWorkspace(Body):
    """A group that a token may write to."""

    id: str = Field(pattern=UUID_TEXT)


class GenerateToken(Body):
    """POST /GenerateToken."""

    datasets: list[TokenDataset] = Field(default_factory=list, max_length=50)
    reports: list[TokenReport] = Field(default_factory=list, max_length=50)
    targetWorkspaces: list[TokenWorkspace] = Field(default_factory=list, max_length=50)
    identities: list[dict[str, Any]] | None = None
    lifetimeInMinutes: int | None = Field(default=None, ge=0)
    datasourceIdentities: list[dict[str, Any]] | None = None


class GenerateTokenInGroup(Body):
    """POST GenerateToken of one report or dataset."""

    accessLevel: Literal["View", "Edit", "Create"] | None = None
    datasetId: str | None = None
    allowSaveAs: bool | None = None
    identities: list[dict[str, Any]] | None = None
    lifetimeInMinutes: int | None = Field(default=None, ge=0)


class PushColumn(Body):
    """A column of a push dataset."""

    name: str
    dataType: str
    formatString: str | None = None
    sortByColumn: str | None = None
    dataCategory: str | None = None
    isHidden: bool | None = None
    summarizeBy: str | None = None


class PushTable(Body):
    """A table of a push dataset."""

    name: str
    columns: list[PushColumn] = Field(max_length=75)
    rows: list[dict[str, Any]] | None = None
    measures: list[dict[str, Any]] | None = None
    isHidden: bool | None = None
    description: str | None = None
    source: list[dict[str, Any]] | None = None


class CreateDataset(Body):
    """POST /datasets: push datasets only."""

    name: str = Field(min_length=1)
    tables: list[PushTable] = Field(min_length=1, max_length=75)
    relationships: list[dict[str, Any]] | None = None
    datasources: list[dict[str, Any]] | None = None
    defaultMode: Literal["AsAzure", "AsOnPrem", "Push", "Streaming", "PushStreaming"] | None = None


class AddRows(Body):
    """POST rows of a push dataset's table."""

    rows: list[dict[str, Any]] = Field(max_length=10_000)
