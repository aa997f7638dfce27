"""The platform's tables in a data store that speaks SQL: which are there, and whose they say they are."""

from tenant_provisioning.model.errors import SetupError, VendorError
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.data_stores import UP, Condition
from tenant_provisioning.vendors.sql import SqlDatabase

LIST_TABLES = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES"
# the id is a UUID of ours, so that it needs no quoting
OWN_ROW_ONLY = """
DELETE FROM dbo.tenant WHERE organization_id <> '{id}';
INSERT INTO dbo.tenant (organization_id) SELECT '{id}'
  WHERE NOT EXISTS (SELECT 1 FROM dbo.tenant WHERE organization_id = '{id}');
"""


async def missing_tables(ctx: StepContext, at: SqlDatabase) -> tuple[str, ...]:
    """The platform's tables that the data store does not have."""
    rows = await ctx.vendors.sql.query(at, LIST_TABLES, operation="list tables")
    there = {str(row[0]).casefold() for row in rows}
    return tuple(table for table in ctx.settings.table_names if table.casefold() not in there)


async def require_tables(ctx: StepContext, at: SqlDatabase, *, template: str) -> None:
    """Nothing, once every table is there; SetupError that names the `template` which should have brought them."""
    if missing := await missing_tables(ctx, at):
        raise SetupError(f"the data store has no table {', '.join(missing)}: look at {template} and DATA_STORE_TABLES")


async def sign_tables(ctx: StepContext, at: SqlDatabase) -> None:
    """The table `tenant` names this organization and no other, such as the template's: the dataset's check reads it."""
    await ctx.vendors.sql.run(at, OWN_ROW_ONLY.format(id=ctx.organization.id), operation="sign the tables")


async def condition(ctx: StepContext, at: SqlDatabase | None, *, gone: str) -> Condition:
    """What `verify` tells of a data store that speaks SQL; `gone` says in words that there is none."""
    if at is None:
        return Condition(gone, ctx.settings.table_names)
    try:
        return Condition(UP, await missing_tables(ctx, at))
    except VendorError as closed:
        if not ctx.vendors.sql.refuses_sign_in(closed):
            raise
        return Condition("sign-in refused", ctx.settings.table_names)
