"""How Fabric writes its records as JSON, oddities included."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenant_provisioning.simulator.fabric.records import (
    Capacity,
    Connection,
    Failure,
    Folder,
    Grant,
    Item,
    Job,
    Operation,
    Part,
    Store,
    Workspace,
)
from tenant_provisioning.simulator.fabric.stores import database_name

if TYPE_CHECKING:
    from tenant_provisioning.simulator.fabric.state import FabricState


def moment(seconds: float) -> str:
    """A time as most calls write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def odd_moment(seconds: float) -> str:
    """A time as operations and jobs write it: seven decimals and no zone, which is no RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "1"


def workspace(record: Workspace) -> dict[str, Any]:
    """A workspace as lists and creates show it; an empty description is left out."""
    shown: dict[str, Any] = {"id": record.id, "displayName": record.name}
    if record.description:
        shown["description"] = record.description
    shown["type"] = "Workspace"
    if record.capacity_id:
        shown["capacityId"] = record.capacity_id
    return shown


def workspace_info(fabric: "FabricState", record: Workspace) -> dict[str, Any]:
    """A workspace as its own GET shows it."""
    shown = workspace(record)
    if record.capacity_id or record.capacity_failed:
        capacity = fabric.workspaces.capacities.get(record.capacity_id or "")
        shown["capacityRegion"] = capacity.region if capacity else "North Europe"
        shown["capacityAssignmentProgress"] = fabric.workspaces.progress(record)
    region = "northeurope"
    shown["oneLakeEndpoints"] = {
        "blobEndpoint": f"https://{region}-onelake.blob.fabric.microsoft.com",
        "dfsEndpoint": f"https://{region}-onelake.dfs.fabric.microsoft.com",
    }
    return shown


def capacity(record: Capacity) -> dict[str, Any]:
    """A capacity."""
    return {
        "id": record.id,
        "displayName": record.name,
        "sku": record.sku,
        "region": record.region,
        "state": record.state,
    }


def role_assignment(grant: Grant) -> dict[str, Any]:
    """A role assignment; its id is the principal's."""
    principal = {
        "id": grant.principal_id,
        "displayName": grant.display_name or "Principal",
        "type": grant.principal_type,
    }
    return {"id": grant.principal_id, "principal": principal, "role": grant.role.value}


def item(record: Item) -> dict[str, Any]:
    """An item as lists and creates show it."""
    shown: dict[str, Any] = {
        "id": record.id,
        "type": record.type,
        "displayName": record.name,
        "description": record.description,
        "workspaceId": record.workspace_id,
    }
    if record.folder_id:
        shown["folderId"] = record.folder_id
    return shown


def item_with_properties(fabric: "FabricState", record: Item) -> dict[str, Any]:
    """An item as its own kind's calls show it."""
    shown = item(record)
    if record.type in {"Lakehouse", "Warehouse", "SQLDatabase"}:
        store = fabric.stores.get(record.id)
        shown["properties"] = {
            "Lakehouse": _lakehouse,
            "Warehouse": _warehouse,
            "SQLDatabase": _sql_database,
        }[record.type](fabric, record, store)
    return shown


def operation(fabric: "FabricState", record: Operation) -> dict[str, Any]:
    """An operation's state."""
    progress = fabric.operations.progress(record)
    if record.failure:
        status = "Failed"
    elif record.finished_at is not None:
        status = "Succeeded"
    else:
        status = "NotStarted" if progress < 0.1 else "Running"
    updated = record.finished_at or record.created_at
    return {
        "status": status,
        "createdTimeUtc": odd_moment(record.created_at),
        "lastUpdatedTimeUtc": odd_moment(updated),
        "percentComplete": {"Succeeded": 100, "Failed": None, "NotStarted": None}.get(status, int(progress * 100)),
        "error": failure(record.failure, record.id) if record.failure else None,
    }


def failure(record: Failure, request_id: str) -> dict[str, Any]:
    """Why background work failed."""
    return {"requestId": request_id, "errorCode": record.code, "message": record.message}


def definition(parts: tuple[Part, ...], format: str | None = None) -> dict[str, Any]:  # noqa: A002 - the vendor's word
    """An item's definition."""
    shown: dict[str, Any] = {"format": format} if format else {}
    shown["parts"] = [{"path": part.path, "payload": part.payload, "payloadType": "InlineBase64"} for part in parts]
    return {"definition": shown}


def job(record: Job, status: str) -> dict[str, Any]:
    """A run of an item."""
    return {
        "id": record.id,
        "itemId": record.item_id,
        "jobType": record.type,
        "invokeType": "Manual",
        "status": status,
        "failureReason": failure(record.failure, record.id) if record.failure else None,
        "rootActivityId": record.id,
        "startTimeUtc": odd_moment(record.starts_at),
        "endTimeUtc": odd_moment(record.finished_at) if record.finished_at is not None else None,
    }


def folder(record: Folder) -> dict[str, Any]:
    """A folder."""
    shown = {"id": record.id, "displayName": record.name, "workspaceId": record.workspace_id}
    return shown | ({"parentFolderId": record.parent_id} if record.parent_id else {})


def connection(record: Connection) -> dict[str, Any]:
    """A connection, without its secret."""
    recency = {"createdDateTime": moment(record.created_at)}
    if record.bound_at is not None:
        recency["lastBoundDateTime"] = moment(record.bound_at)
    return {
        "id": record.id,
        "displayName": record.name,
        "connectivityType": record.connectivity,
        "connectionDetails": {"type": record.type, "path": record.path},
        "privacyLevel": record.privacy,
        "credentialDetails": {
            "credentialType": record.credentials.kind,
            "singleSignOnType": record.single_sign_on,
            "connectionEncryption": record.encryption,
            "skipTestConnection": record.skip_test,
        },
        "connectionRecency": recency,
    }


def workspace_snapshot(fabric: "FabricState", record: Workspace) -> dict[str, Any]:
    """Everything that a workspace holds, data included."""
    held = []
    for found in fabric.items.within(record.id):
        shown: dict[str, Any] = {
            "id": found.id,
            "type": found.type,
            "displayName": found.name,
            "description": found.description,
        }
        if found.type in {"Lakehouse", "Warehouse", "SQLDatabase"}:
            store = fabric.stores.get(found.id)
            shown["sqlEndpointId"] = store.endpoint_id
            shown["tables"] = {name: len(table.rows) for name, table in (store.written or {}).items()}
            shown["visibleTables"] = sorted(store.visible or {})
        elif model := fabric.models.find(found.id):
            shown["sources"] = [
                {"server": s.server, "database": s.database, "connectionId": s.connection_id} for s in model.sources
            ]
            shown["loaded"] = model.loaded is not None
        elif report := fabric.reports.find(found.id):
            shown["datasetId"] = report.dataset_id
        held.append(shown)
    grants = [{"principalId": grant.principal_id, "role": grant.role.value} for grant in record.grants]
    return {
        "id": record.id,
        "displayName": record.name,
        "description": record.description,
        "capacityId": record.capacity_id,
        "roleAssignments": grants,
        "items": held,
    }


def _lakehouse(fabric: "FabricState", record: Item, store: Store) -> dict[str, Any]:
    base = f"https://onelake.dfs.fabric.microsoft.com/{record.workspace_id}/{record.id}"
    ready = fabric.stores.is_ready(store)
    status = "Failed" if store.failed else "Success" if ready else "InProgress"
    shown: dict[str, Any] = {
        "oneLakeTablesPath": f"{base}/Tables",
        "oneLakeFilesPath": f"{base}/Files",
        "sqlEndpointProperties": {
            "connectionString": store.server if ready else None,
            "id": store.endpoint_id if ready else None,
            "provisioningStatus": status,
        },
    }
    return shown | ({"defaultSchema": "dbo"} if store.schemas_enabled else {})


def _warehouse(fabric: "FabricState", record: Item, store: Store) -> dict[str, Any]:  # noqa: ARG001 - one shape for all three
    return {
        "connectionString": store.server,
        "createdDate": moment(store.created_at),
        "lastUpdatedTime": moment(store.created_at),
        "collationType": store.collation,
    }


def _sql_database(fabric: "FabricState", record: Item, store: Store) -> dict[str, Any]:  # noqa: ARG001 - one shape for all three
    database, server = database_name(store, record), f"{store.server},1433"
    settings = "Multiple Active Result Sets=False;Connect Timeout=30;Encrypt=True;Trust Server Certificate=False"
    return {
        "connectionString": f"Data Source={server};Initial Catalog={database};{settings}",
        "databaseName": database,
        "serverFqdn": server,
    }


def synchronized(tables: list[str], started: float, finished: float) -> dict[str, Any]:
    """What a refresh of a SQL endpoint's metadata did, table by table."""
    times = {
        "startDateTime": moment(started),
        "endDateTime": moment(finished),
        "lastSuccessfulSyncDateTime": moment(finished),
    }
    return {"value": [{"tableName": table, "status": "Success", **times} for table in tables]}
