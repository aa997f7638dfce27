"""The connection that a tenant's dataset reads through: one a dataset, leading to the tenant's data store, signing in as us.

Connections belong to the whole Entra tenant and outlive every workspace, so theirs are removed by themselves.
"""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.model.naming import connection_name
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.ownership import Found, ensure_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.fabric_records import Connection, ServicePrincipal
from tenant_provisioning.vendors.sql import SqlDatabase


async def ensure_connection(ctx: StepContext, workspace_id: str, source: SqlDatabase) -> Artifact:
    """The connection exists and leads to this source; one that leads elsewhere is replaced."""
    fabric, name = ctx.vendors.fabric, connection_name(workspace_id)

    async def find(row: Artifact | None) -> Found | None:
        if row is None:
            return None  # the list of all tenants' connections is long; `create` hears of a duplicate
        connection = await fabric.find_connection(row.vendor_id) if row.vendor_id else None
        connection = connection or await fabric.find_connection_by_name(name)
        if connection is None:
            return None
        if _leads_to(connection, source):
            return _described(connection)
        await fabric.delete_connection(connection.id)  # where a connection leads cannot be changed
        await artifacts.record_removed(ctx.db, row.id)
        return None

    async def create(_row: Artifact) -> Found:
        try:
            return _described(await make())
        except VendorRejected as refusal:
            connection = await fabric.find_connection_by_name(name)
            if connection is None or not (refusal.code or "").startswith("DuplicateConnectionName"):
                raise
        if _leads_to(connection, source):
            return replace(_described(connection), existed=True)
        await fabric.delete_connection(connection.id)
        return _described(await make())

    async def make() -> Connection:
        secret = ctx.settings.connection_secret.get_secret_value()
        reader = ServicePrincipal(ctx.settings.entra_tenant_id, ctx.settings.entra_client_id, secret)
        return await fabric.create_connection(name, server=source.server, database=source.database, credentials=reader)

    return await ensure_artifact(
        ctx, ArtifactKind.CONNECTION, thing=f"the connection “{name}”", find=find, create=create
    )


def _leads_to(connection: Connection, source: SqlDatabase) -> bool:
    return connection.path.casefold() == f"{source.server};{source.database}".casefold()


def _described(connection: Connection) -> Found:
    # The name carries the id of a workspace that only we could have made: that is the mark.
    return Found(connection.id, ours=True, details={"name": connection.name})


async def remove_connection(ctx: StepContext, artifact: Artifact, workspace_id: str | None) -> None:
    """The connection is gone, also one whose making we never heard the end of."""
    fabric, connection_id = ctx.vendors.fabric, artifact.vendor_id
    if connection_id is None and workspace_id is not None:  # we never heard the end of its making
        found = await fabric.find_connection_by_name(connection_name(workspace_id))
        connection_id = None if found is None else found.id
    if connection_id is not None:
        await fabric.delete_connection(connection_id)
