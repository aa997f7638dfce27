"""How Power BI writes its records as JSON: `@odata.context` around lists, links into its application."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenant_provisioning.simulator.fabric.records import Grant, Item, Model, Parameter, Report, Source, Workspace
from tenant_provisioning.simulator.powerbi.records import Import, Refresh
from tenant_provisioning.simulator.powerbi.refreshes import exception_json

if TYPE_CHECKING:
    from tenant_provisioning.simulator.fabric.state import FabricState

APPLICATION = "https://app.powerbi.com"
USER_TYPES = {"ServicePrincipal": "App", "ServicePrincipalProfile": "App"}


def moment(seconds: float) -> str:
    """A time with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def group(fabric: "FabricState", record: Workspace) -> dict[str, Any]:
    """A workspace under the name that Power BI has for it."""
    shown: dict[str, Any] = {
        "id": record.id,
        "isReadOnly": False,
        "isOnDedicatedCapacity": fabric.workspaces.on_capacity(record),
        "type": "Workspace",
        "name": record.name,
    }
    if record.capacity_id:
        shown |= {"capacityId": record.capacity_id.upper(), "defaultDatasetStorageFormat": "Small"}
    return shown


def group_user(grant: Grant) -> dict[str, Any]:
    """Someone's right in a group."""
    shown: dict[str, Any] = {
        "groupUserAccessRight": grant.role.value,
        "displayName": grant.display_name or grant.principal_id,
        "identifier": grant.principal_id,
        "principalType": USER_TYPES.get(grant.principal_type, grant.principal_type),
    }
    return shown | ({"emailAddress": grant.principal_id} if grant.principal_type == "User" else {})


def dataset(item: Item, model: Model) -> dict[str, Any]:
    """A semantic model under the name that Power BI has for it."""
    home = f"{APPLICATION}/groups/{item.workspace_id}/datasets/{item.id}"
    return {
        "id": item.id,
        "name": item.name,
        "webUrl": home,
        "addRowsAPIEnabled": model.pushed,
        "configuredBy": model.owner_id,
        "isRefreshable": not model.pushed,
        "isEffectiveIdentityRequired": model.has_roles,
        "isEffectiveIdentityRolesRequired": model.has_roles,
        "isOnPremGatewayRequired": False,
        "targetStorageMode": "Push" if model.pushed else "Abf",
        "createdDate": moment(item.created_at),
        "createReportEmbedURL": f"{APPLICATION}/reportEmbed?groupId={item.workspace_id}",
        "qnaEmbedURL": f"{APPLICATION}/qnaEmbed?groupId={item.workspace_id}",
        "description": item.description,
        "upstreamDatasets": [],
        "users": [],
        "queryScaleOutSettings": {"autoSyncReadOnlyReplicas": True, "maxReadOnlyReplicas": 0},
    }


def report(fabric: "FabricState", item: Item, record: Report) -> dict[str, Any]:
    """A report, with the dataset it shows and where that is."""
    shown: dict[str, Any] = {
        "id": item.id,
        "reportType": "PowerBIReport",
        "name": item.name,
        "webUrl": f"{APPLICATION}/groups/{item.workspace_id}/reports/{item.id}",
        "embedUrl": f"{APPLICATION}/reportEmbed?reportId={item.id}&groupId={item.workspace_id}&w=2",
        "isFromPbix": record.package is not None,
        "isOwnedByMe": True,
    }
    if record.dataset_id:
        shown["datasetId"] = record.dataset_id
        home = fabric.items.find(record.dataset_id)
        if home is not None:
            shown["datasetWorkspaceId"] = home.workspace_id
    if record.original_id:
        shown["originalReportId"] = record.original_id
    return shown | {"users": [], "subscriptions": []}


def imported(fabric: "FabricState", record: Import) -> dict[str, Any]:
    """An import, with what it brought once it has succeeded, or why it failed."""
    shown: dict[str, Any] = {
        "id": record.id,
        "importState": record.state,
        "createdDateTime": moment(record.created_at),
        "updatedDateTime": moment(record.updated_at),
        "name": record.name,
        "connectionType": "import",
        "source": "Upload",
        "datasets": [],
        "reports": [],
    }
    brought = fabric.items.find(record.dataset_id) if record.dataset_id else None
    model = fabric.models.find(record.dataset_id or "")
    if brought and model:
        shown["datasets"] = [dataset(brought, model)]
    made = fabric.items.find(record.report_id) if record.report_id else None
    bond = fabric.reports.find(record.report_id or "")
    if made and bond:
        shown["reports"] = [report(fabric, made, bond)]
    if record.error:
        code, message = record.error
        shown["error"] = {"code": code, "message": message, "details": [{"code": "Message", "message": message}]}
    return shown


def datasource(source: Source) -> dict[str, Any]:
    """A dataset's data source; once it is bound, its id is the connection's."""
    return {
        "datasourceType": source.kind,
        "connectionDetails": {"server": source.server, "database": source.database},
        "datasourceId": source.connection_id or source.datasource_id,
        "gatewayId": source.gateway_id,
    }


def gateway_datasource(source: Source) -> dict[str, Any]:
    """A data source as its gateway shows it; the details are JSON in a text."""
    return {
        "id": source.connection_id or source.datasource_id,
        "gatewayId": source.gateway_id,
        "datasourceName": source.path,
        "datasourceType": source.kind,
        "connectionDetails": f'{{"server":"{source.server}","database":"{source.database}"}}',
        "credentialType": source.credentials.kind if source.credentials else "OAuth2",
        "credentialDetails": {"useEndUserOAuth2Credentials": False},
    }


def parameter(record: Parameter) -> dict[str, Any]:
    """A dataset's parameter."""
    return {"name": record.name, "type": record.type, "isRequired": record.required, "currentValue": record.value}


def refresh(record: Refresh) -> dict[str, Any]:
    """An entry of the refresh history: Unknown while it runs."""
    shown: dict[str, Any] = {
        "requestId": record.id,
        "id": int(record.id[:8], 16),
        "refreshType": "ViaEnhancedApi" if record.enhanced else "ViaApi",
        "startTime": moment(record.started_at),
        "status": record.status,
    }
    if record.finished_at is not None:
        shown["endTime"] = moment(record.finished_at)
    said = exception_json(record)
    return shown | ({"serviceExceptionJson": said} if said else {})


def refresh_detail(record: Refresh) -> dict[str, Any]:
    """One refresh by its own address."""
    shown: dict[str, Any] = {
        "startTime": moment(record.started_at),
        "type": record.kind,
        "commitMode": "Transactional",
        "status": "Unknown" if record.status == "Cancelled" else record.status,
        "extendedStatus": "InProgress" if record.status == "Unknown" else record.status,
        "currentRefreshType": record.kind,
        "numberOfAttempts": 0 if record.finished_at is None else 1,
        "objects": [],
        "refreshAttempts": [],
    }
    if record.finished_at is not None:
        shown["endTime"] = moment(record.finished_at)
    if record.error:
        code, message = record.error
        shown["messages"] = [{"code": code, "message": message, "type": "Error"}]
    return shown
