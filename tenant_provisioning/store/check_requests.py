"""The wish that an organization's checks be run again, on its row until a run for it exists. What they find is `qa_results`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenant_provisioning.store.database import Database, acting


@dataclass(frozen=True)
class CheckRequest:
    """A round of checks that somebody waits for; `key` is the same for as long as it is the same wish."""

    organization_id: UUID
    subdomain: str
    key: str


async def request_checks(db: Database, organization_id: UUID, *, actor: str) -> datetime:
    """When the wish was made; it is audited."""
    async with acting(db, actor) as connection:
        rows = await connection.execute(
            "update organizations set checks_requested_at = clock_timestamp() where id = %s returning checks_requested_at",
            (organization_id,),
        )
        row = await rows.fetchone()
        await connection.execute(
            "insert into audit_log (organization_id, actor, action) values (%s, %s, 'checks_requested')",
            (organization_id, actor),
        )
    assert row is not None  # noqa: S101 - the audit log's foreign key has just been satisfied
    at: datetime = row["checks_requested_at"]
    return at


async def list_check_requests(db: Database, *, repeat_after: float) -> list[CheckRequest]:
    """The wishes of persons, and organizations in QA with a check that could not be carried out, `repeat_after` seconds ago."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, subdomain, 'asked ' || extract(epoch from checks_requested_at)::text as key
               from organizations
               where checks_requested_at is not null and deployment_status in ('pending_qa', 'active')
               union all
               select organization.id, subdomain, 'not carried out ' || max(newest.id)::text
               from (select distinct organization_id from qa_results where outcome = 'not_carried_out') doubtful
               join organizations organization on organization.id = doubtful.organization_id
               join lateral (
                 select distinct on (step, check_name) id, outcome, checked_at from qa_results
                 where organization_id = organization.id order by step, check_name, id desc
               ) newest on true
               where deployment_status = 'pending_qa' and checks_requested_at is null
               group by organization.id, subdomain
               having bool_or(outcome = 'not_carried_out')
                 and max(checked_at) < now() - make_interval(secs => %s)""",
            (repeat_after,),
        )
        return [CheckRequest(row["id"], row["subdomain"], f"{row['id']}: {row['key']}") async for row in rows]


async def forget_check_request(db: Database, request: CheckRequest) -> None:
    """The wish has been heard; a newer one of the same organization stays."""
    async with db.statement() as connection:
        await connection.execute(
            """update organizations set checks_requested_at = null
               where id = %s and 'asked ' || extract(epoch from checks_requested_at)::text = %s""",
            (request.organization_id, request.key.removeprefix(f"{request.organization_id}: ")),
        )
