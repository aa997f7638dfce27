"""A database on the platform's Azure SQL server, copied from the template database. A copy brings the template's users: they are
taken out before anybody reads it."""

from dataclasses import replace

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.naming import database_name
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import Condition, Ready
from tenant_provisioning.steps.data_stores._tables import condition, require_tables, sign_tables
from tenant_provisioning.steps.ownership import Found, ensure_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.azure_sql import AzureDatabase
from tenant_provisioning.vendors.sql import SqlDatabase

OWNER_TAG, STRIPPED = "owner", "template_users_removed"
# a user who owns a schema cannot be dropped; from 16384 on the owners are fixed roles
THEIR_SCHEMAS = "SELECT name FROM sys.schemas WHERE principal_id > 4 AND principal_id < 16384"
# users and groups in the database, without the fixed ones (dbo, guest, sys, INFORMATION_SCHEMA) and roles
TEMPLATE_USERS = (
    "SELECT name FROM sys.database_principals WHERE type IN ('S', 'U', 'G', 'E', 'X', 'C', 'K') AND principal_id > 4"
)


async def make(ctx: StepContext) -> Artifact:
    """The database exists and is ours."""
    azure, settings = ctx.vendors.azure_sql, ctx.settings
    server, name, deadline = _server(ctx), database_name(ctx.organization.subdomain), settings.operation_deadline

    async def find_it(_row: Artifact | None) -> Found | None:
        database = await azure.find_database(server, name)
        return None if database is None else _found(ctx, database)

    async def create(_row: Artifact) -> Found:
        source = await azure.find_database(server, settings.azure_sql_template_database)
        if source is None:
            raise SetupError(
                f"there is no database “{settings.azure_sql_template_database}” to copy: look at AZURE_SQL_TEMPLATE_DATABASE"
            )
        made = await azure.copy_database(
            server, name, source=source, tags={OWNER_TAG: ctx.mark}, elastic_pool=settings.azure_sql_elastic_pool,
            deadline=deadline,
        )  # fmt: skip
        return replace(_found(ctx, made), details={STRIPPED: False})

    return await ensure_artifact(
        ctx, ArtifactKind.DATA_STORE, thing=f"the Azure SQL database “{name}”", find=find_it, create=create
    )


async def open_up(ctx: StepContext, row: Artifact) -> SqlDatabase:  # noqa: ARG001 - the shape of every kind's
    """Where the database is connected to, once it answers."""
    at, deadline = _address(ctx), ctx.settings.operation_deadline
    await ctx.vendors.azure_sql.wait_for_database(_server(ctx), at.database, deadline=deadline)
    await ctx.vendors.sql.wait_until_open(at, deadline=deadline)
    return at


async def ensure(ctx: StepContext) -> Ready:
    """The database exists, has its tables, and knows none of the template's users."""
    row = await make(ctx)
    at = await open_up(ctx, row)
    if not row.details.get(STRIPPED):  # once: who is let in afterwards is not the template's
        await _strip_users(ctx, at)
        await artifacts.note(ctx.db, row.id, **{STRIPPED: True})
    await require_tables(ctx, at, template="AZURE_SQL_TEMPLATE_DATABASE")
    await sign_tables(ctx, at)
    link = f"https://portal.azure.com/#@{ctx.settings.entra_tenant_id}/resource{row.vendor_id}"
    return Ready(row, at, {"database_id": str(row.vendor_id), "name": at.database}, link)


async def _strip_users(ctx: StepContext, at: SqlDatabase) -> None:
    """Nobody of the template's is left; what schemas they owned belong to the database's owner."""
    sql = ctx.vendors.sql
    owned = await sql.query(at, THEIR_SCHEMAS, operation="list schemas")
    users = await sql.query(at, TEMPLATE_USERS, operation="list users")
    statements = [f"ALTER AUTHORIZATION ON SCHEMA::{_quoted(name)} TO dbo" for (name,) in owned]
    statements += [f"DROP USER {_quoted(name)}" for (name,) in users]
    if statements:
        await sql.run(at, ";\n".join(statements), operation="remove the template's users")


def _quoted(name: object) -> str:
    return f"[{str(name).replace(']', ']]')}]"


async def find(ctx: StepContext, row: Artifact) -> SqlDatabase | None:  # noqa: ARG001 - the shape of every kind's
    """Where the database is connected to; None when it is gone or not online."""
    database = await ctx.vendors.azure_sql.find_database(_server(ctx), database_name(ctx.organization.subdomain))
    return _address(ctx) if database is not None and database.status == "Online" else None


async def verify(ctx: StepContext, row: Artifact) -> Condition:
    """Whether the database answers and has every table."""
    return await condition(ctx, await find(ctx, row), gone="no database online")


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The database is gone, also one whose making we never heard the end of; a stranger's of the same name stays."""
    server, name = _server(ctx), database_name(ctx.organization.subdomain)
    database = await ctx.vendors.azure_sql.find_database(server, name)
    if database is not None and (artifact.vendor_id is not None or _found(ctx, database).ours):
        await ctx.vendors.azure_sql.delete_database(server, name, deadline=ctx.settings.operation_deadline)


def _found(ctx: StepContext, database: AzureDatabase) -> Found:
    return Found(database.id, ours=database.tags.get(OWNER_TAG) == ctx.mark)


def _server(ctx: StepContext) -> str:
    if not ctx.settings.azure_sql_server_id:
        raise SetupError("AZURE_SQL_SERVER_ID is not set: it names the server that tenants' databases are on")
    return ctx.settings.azure_sql_server_id


def _address(ctx: StepContext) -> SqlDatabase:
    host = f"{_server(ctx).rpartition('/')[2]}.database.windows.net"
    return SqlDatabase(host, database_name(ctx.organization.subdomain))
