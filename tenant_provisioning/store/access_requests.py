"""What a person wants done about signing in: try it as a super user, close the door, open it again. Doing it is `steps.access`.

The portal writes the wish and reads the answer; a sensor carries it out in between. A link is kept encrypted, for the person who
asked alone, until it is read or five minutes have passed.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import psycopg

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.store.database import Database

LINK_COLUMN = "link"
LINK_MINUTES = 5
ATTEMPTS = 3
COLUMNS = """request.id, request.organization_id, subdomain, wish, user_id, reason, requested_by, requested_at, attempts,
    outcome, told, answered_at, link is not null as has_link"""


class Wish(StrEnum):
    """`access_requests.wish`."""

    TEST_LOGIN = "test_login"
    SUSPEND = "suspend"
    RESUME = "resume"


@dataclass(frozen=True)
class AccessRequest:
    """A wish and, once it is answered, what became of it; `told` is a sentence for the person who asked."""

    id: UUID
    organization_id: UUID
    subdomain: str
    wish: Wish
    user_id: UUID | None
    reason: str
    requested_by: str
    requested_at: datetime
    attempts: int
    outcome: str | None
    told: str
    answered_at: datetime | None
    has_link: bool


async def request_access(
    db: Database,
    organization_id: UUID,
    wish: Wish,
    *,
    requested_by: str,
    reason: str = "",
    user_id: UUID | None = None,
) -> UUID:
    """The id of the wish; LifecycleError while the same person's last one of this kind waits for its answer."""
    async with db.statement() as connection:
        try:
            rows = await connection.execute(
                """insert into access_requests (organization_id, wish, user_id, reason, requested_by)
                   values (%s, %s, %s, %s, %s) returning id""",
                (organization_id, wish, user_id, reason, requested_by),
            )
        except psycopg.errors.UniqueViolation:
            raise LifecycleError("This has been asked for already and is being done: wait a few seconds.") from None
        row = await rows.fetchone()
    assert row is not None  # noqa: S101 - returning always returns
    made: UUID = row["id"]
    return made


async def list_open(db: Database) -> list[AccessRequest]:
    """The wishes without an answer, oldest first; links that nobody has read in time are forgotten on the way."""
    async with db.connection() as connection:
        await connection.execute(
            """update access_requests set link = null
               where link is not null and answered_at < now() - make_interval(mins => %s)""",
            (LINK_MINUTES,),
        )
        rows = await connection.execute(
            f"""select {COLUMNS} from access_requests request
                join organizations organization on organization.id = request.organization_id
                where outcome is null order by requested_at""".encode()  # noqa: S608 - our own columns
        )
        return [_request(row) async for row in rows]


async def newest(db: Database, organization_id: UUID) -> dict[Wish, AccessRequest]:
    """The newest wish of each kind, of the last day."""
    async with db.statement() as connection:
        rows = await connection.execute(
            f"""select distinct on (wish) {COLUMNS} from access_requests request
                join organizations organization on organization.id = request.organization_id
                where request.organization_id = %s and requested_at > now() - interval '1 day'
                order by wish, requested_at desc""".encode(),  # noqa: S608 - our own columns
            (organization_id,),
        )
        return {(request := _request(row)).wish: request async for row in rows}


async def answer(db: Database, request: AccessRequest, *, done: bool, told: str, link: str | None = None) -> None:
    """The wish is answered; `link` is the vault's. Quiet when it was before."""
    async with db.statement() as connection:
        await connection.execute(
            """update access_requests set outcome = %s, told = %s, link = %s, answered_at = now(), attempts = attempts + 1
               where id = %s and outcome is null""",
            ("done" if done else "refused", told, link, request.id),
        )


async def put_off(db: Database, request: AccessRequest, told: str) -> None:
    """The wish could not be fulfilled this time; `told` says why, for the person who waits."""
    async with db.statement() as connection:
        await connection.execute(
            "update access_requests set attempts = attempts + 1, told = %s where id = %s and outcome is null",
            (told, request.id),
        )


async def take_link(db: Database, request_id: UUID, organization_id: UUID, *, by: str) -> str | None:
    """The encrypted link of the person who asked for it, once; None when it was read, is too old, or was asked for by another."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """with kept as (
                 select id, link from access_requests
                 where id = %s and organization_id = %s and requested_by = %s and link is not null
                   and answered_at > now() - make_interval(mins => %s)
                 for update
               )
               update access_requests request set link = null from kept where request.id = kept.id returning kept.link""",
            (request_id, organization_id, by, LINK_MINUTES),
        )
        row = await rows.fetchone()
    return str(row["link"]) if row else None


def _request(row: dict[str, object]) -> AccessRequest:
    return AccessRequest(**(row | {"wish": Wish(str(row["wish"]))}))  # type: ignore[arg-type]
