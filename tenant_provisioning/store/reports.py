"""Which Power BI report of an organization came from which template. Deploying it is `steps`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class DeployedReport:
    """A row of the mapping. `content_hash` is the template's at the time of deployment."""

    id: UUID
    template_key: str
    powerbi_report_id: str
    workspace_id: str
    dataset_id: str
    content_hash: str
    deployed_at: datetime


async def save_deployed_report(
    db: Database,
    organization_id: UUID,
    template_key: str,
    *,
    powerbi_report_id: str,
    workspace_id: str,
    dataset_id: str,
    content_hash: str,
) -> None:
    """Record that the template's report is deployed: the row of organization and template is made or updated."""
    async with db.statement() as connection:
        await connection.execute(
            """insert into organization_powerbi_reports
                 (organization_id, template_key, powerbi_report_id, workspace_id, dataset_id, content_hash,
                  deployment_status, deployed_at)
               values (%s, %s, %s, %s, %s, %s, 'deployed', now())
               on conflict (organization_id, template_key) do update set
                 powerbi_report_id = excluded.powerbi_report_id, workspace_id = excluded.workspace_id,
                 dataset_id = excluded.dataset_id, content_hash = excluded.content_hash,
                 deployment_status = excluded.deployment_status, deployed_at = excluded.deployed_at""",
            (organization_id, template_key, powerbi_report_id, workspace_id, dataset_id, content_hash),
        )


async def delete_deployed_report(db: Database, organization_id: UUID, template_key: str) -> None:
    """Forget the template's report, and with it every feature's link to it; quiet when there is none."""
    async with db.statement() as connection:
        await connection.execute(
            "delete from organization_powerbi_reports where organization_id = %s and template_key = %s",
            (organization_id, template_key),
        )


async def list_deployed_reports(db: Database, organization_id: UUID) -> list[DeployedReport]:
    """The organization's deployed reports by template key."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, template_key, powerbi_report_id, workspace_id, dataset_id, content_hash, deployed_at
               from organization_powerbi_reports
               where organization_id = %s and deployment_status = 'deployed' order by template_key""",
            (organization_id,),
        )
        return [DeployedReport(**row) async for row in rows]
