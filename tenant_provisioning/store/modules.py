"""An organization's module configuration. Two functions of the database do the work: the app can call them too."""

from dataclasses import dataclass
from uuid import UUID

from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class ModuleState:
    """Counts of one organization.

    `expected` features are in the templates, `features` of them the organization has, `linked` of these show a report.
    `dangling` links show one that is not deployed or that serves another feature; `unlinked` features show none though
    one is deployed.
    """

    expected: int
    features: int
    linked: int
    dangling: int
    unlinked: int


async def initialize_modules(db: Database, organization_id: UUID) -> int:
    """Give the organization every feature it lacks; how many those were."""
    return await _call(db, "select initialize_organization_modules(%s) as changed", organization_id)


async def link_reports(db: Database, organization_id: UUID) -> int:
    """Point each feature to the deployed report that serves it, or to none; how many links changed."""
    return await _call(db, "select link_deployed_reports_to_features(%s) as changed", organization_id)


async def module_state(db: Database, organization_id: UUID) -> ModuleState:
    """How complete the configuration is."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """with offered as (
                 select feature.key from module_features feature
                 join module_templates module on module.key = feature.module_key
                 where feature.retired_at is null and module.retired_at is null
               ), deployed as (
                 select report.id, template.feature_key from organization_powerbi_reports report
                 join report_templates template on template.key = report.template_key
                 where report.organization_id = %(id)s and report.deployment_status = 'deployed'
               )
               select
                 (select count(*) from offered) as expected,
                 count(*) filter (where feature_key in (select key from offered)) as features,
                 count(report_id) as linked,
                 count(*) filter (where report_id is not null
                   and (report_id, feature_key) not in (select id, feature_key from deployed)) as dangling,
                 count(*) filter (where report_id is null
                   and feature_key in (select feature_key from deployed)) as unlinked
               from organization_modules where organization_id = %(id)s""",
            {"id": organization_id},
        )
        row = await rows.fetchone()
    return ModuleState(**row) if row else ModuleState(0, 0, 0, 0, 0)


async def _call(db: Database, statement: str, organization_id: UUID) -> int:
    async with db.statement() as connection:
        rows = await connection.execute(statement.encode(), (organization_id,))
        row = await rows.fetchone()
    return int(row["changed"]) if row else 0
