"""The tenant's own data store, of the kind its request chose: there, with the platform's tables, its address kept encrypted.

What a kind takes is `data_stores`, one module each.
"""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.data_stores import (
    STEP,
    UP,
    DataStore,
    azure_sql_database,
    bring_your_own,
    fabric_sql_database,
    lakehouse,
    warehouse,
)
from tenant_provisioning.steps.ownership import require_artifact
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.vendors.sql import SqlDatabase

KIND = ArtifactKind.DATA_STORE
KINDS: dict[DataStoreKind, DataStore] = {
    DataStoreKind.LAKEHOUSE: lakehouse,
    DataStoreKind.WAREHOUSE: warehouse,
    DataStoreKind.FABRIC_SQL_DATABASE: fabric_sql_database,
    DataStoreKind.AZURE_SQL_DATABASE: azure_sql_database,
    DataStoreKind.BRING_YOUR_OWN: bring_your_own,
}


async def ensure_shell(ctx: StepContext) -> StepResult:
    """The data store exists; its tables may be still to come. Done ahead of `ensure`, which needs nothing of it.

    The dataset, which needs to know no more than where it is, comes into being beside the tables.
    """
    row = await KINDS[ctx.organization.data_store].make(ctx)
    return StepResult(facts={"kind": str(ctx.organization.data_store), "id": str(row.vendor_id)})


async def open_up(ctx: StepContext) -> SqlDatabase:
    """Where the tenant's data store is read, once it answers, with or without its tables."""
    row = await require_artifact(ctx, KIND, step="data_store_shell")
    return await KINDS[ctx.organization.data_store].open_up(ctx, row)


async def ensure(ctx: StepContext) -> StepResult:
    """The data store exists with its tables and answers, and its connection string is stored encrypted."""
    ready = await KINDS[ctx.organization.data_store].ensure(ctx)
    await artifacts.note(ctx.db, ready.row.id, server=ready.address.server, database=ready.address.database)
    if ctx.organization.data_store is not DataStoreKind.BRING_YOUR_OWN:  # whose own arrived with the request
        connection = f"Server={ready.address.server};Database={ready.address.database}"
        sealed = ctx.vault.encrypt(connection, ctx.organization.id, organizations.CONNECTION_COLUMN)
        await organizations.save_connection(ctx.db, ctx.organization.id, sealed)
    facts = {"kind": str(ctx.organization.data_store), **ready.facts, "tables": len(ctx.settings.table_names)}
    return StepResult(facts=facts, links={"open": ready.link} if ready.link else {})


async def find(ctx: StepContext) -> SqlDatabase | None:
    """Where the tenant's data store is read, by asking afresh; None when it is gone or does not answer."""
    row = await require_artifact(ctx, KIND, step=STEP)
    return await KINDS[ctx.organization.data_store].find(ctx, row)


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether every table is there and the data store answers."""
    row = await require_artifact(ctx, KIND, step=STEP)
    seen = await KINDS[ctx.organization.data_store].verify(ctx, row)
    return [
        judged(
            "schema_is_ready",
            expected="no table missing",
            found=", ".join(seen.missing) + " missing" if seen.missing else "no table missing",
            reason="The data store lacks tables the reports need. Run this step again; "
            "if it stays so, look at the template that makes them.",
        ),
        judged(
            "endpoint_is_ready",
            expected=UP,
            found=seen.endpoint,
            reason="The data store does not answer SQL, so the dataset cannot read. Run this step again.",
        ),
    ]


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The data store is gone; quiet when it, or its workspace, already is."""
    await KINDS[ctx.organization.data_store].remove(ctx, artifact)
