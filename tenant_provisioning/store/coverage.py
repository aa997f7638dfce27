"""The catalog's copy in use: what each template needs, which tenants have it, and with which content. Writing it is `catalog`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from tenant_provisioning.model.catalog import CATEGORIES
from tenant_provisioning.store.database import Database

LIVING = "('requested', 'provisioning', 'failed', 'pending_qa', 'active', 'suspended')"


@dataclass(frozen=True)
class TemplateUse:
    """A template of the catalog, with how many tenants have it as it is now, and how many with other content."""

    key: str
    title: str
    needs: Mapping[str, str]
    strategy: str
    content_hash: str
    retired_at: datetime | None
    current: int
    outdated: int


@dataclass(frozen=True)
class TemplateTenant:
    """A tenant that has the template's report, and the content it was deployed with."""

    organization_id: UUID
    name: str
    subdomain: str
    status: str
    content_hash: str
    deployed_at: datetime


async def template_needs(db: Database) -> list[Mapping[str, str]]:
    """What each template that can be deployed needs."""
    async with db.statement() as connection:
        rows = await connection.execute("select needs from report_templates where retired_at is null")
        return [row["needs"] async for row in rows]


async def list_templates(
    db: Database, *, search: str = "", offset: int = 0, limit: int
) -> tuple[list[TemplateUse], int]:
    """These templates by title, those that have left the catalog last, and how many there are of them in all."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select template.key, title, needs, strategy, template.content_hash, retired_at, total,
                      coalesce(current, 0) as current, coalesce(outdated, 0) as outdated
               from (
                 select *, count(*) over () as total from report_templates
                 where position(lower(%(search)s) in lower(title || ' ' || key)) > 0
                 order by retired_at is not null, title, key offset %(offset)s limit %(limit)s
               ) template
               left join lateral (
                 select count(*) filter (where report.content_hash = template.content_hash) as current,
                        count(*) filter (where report.content_hash <> template.content_hash) as outdated
                 from organization_powerbi_reports report
                 where report.template_key = template.key and report.deployment_status = 'deployed'
               ) use on true
               order by retired_at is not null, title, template.key""",
            {"search": search, "offset": offset, "limit": limit},
        )
        found = await rows.fetchall()
    total = int(found[0]["total"]) if found else 0
    return [TemplateUse(**{name: value for name, value in row.items() if name != "total"}) for row in found], total


async def find_template(db: Database, key: str) -> TemplateUse | None:
    """The template with this key, or None."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select template.key, title, needs, strategy, template.content_hash, retired_at,
                      count(report.id) filter (where report.content_hash = template.content_hash) as current,
                      count(report.id) filter (where report.content_hash <> template.content_hash) as outdated
               from report_templates template
               left join organization_powerbi_reports report
                 on report.template_key = template.key and report.deployment_status = 'deployed'
               where template.key = %s group by template.key""",
            (key,),
        )
        row = await rows.fetchone()
    return TemplateUse(**row) if row else None


async def tenants_with(db: Database, key: str, *, offset: int = 0, limit: int) -> list[TemplateTenant]:
    """The tenants that have this template's report, by name."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select organization_id, name, subdomain, organization.deployment_status as status, content_hash, deployed_at
               from organization_powerbi_reports report
               join organizations organization on organization.id = report.organization_id
               where template_key = %s and report.deployment_status = 'deployed'
               order by name, subdomain offset %s limit %s""",
            (key, offset, limit),
        )
        return [TemplateTenant(**row) async for row in rows]


async def combinations_in_use(db: Database) -> dict[tuple[str | None, ...], int]:
    """How many living organizations chose each combination of providers, in the order of the categories."""
    async with db.statement() as connection:
        rows = await connection.execute(
            f"""select lms, english_maths, crm, hr, count(*) as number from organizations
                where deployment_status in {LIVING} group by lms, english_maths, crm, hr""".encode()  # noqa: S608 - our own list
        )
        return {tuple(row[category] for category in CATEGORIES): row["number"] async for row in rows}


async def matching_templates(db: Database, providers: Mapping[str, str]) -> dict[str, str]:
    """The titles of the templates that these providers get, by key, in the order of their titles."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select key, title from report_templates where retired_at is null and needs <@ %s order by title, key",
            (Jsonb(dict(providers)),),
        )
        return {row["key"]: row["title"] async for row in rows}
