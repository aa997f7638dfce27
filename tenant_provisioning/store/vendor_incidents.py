"""How the vendors have fared lately: incidents by vendor, operation, kind and hour. Who notices them is `steps.context`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import psycopg
from psycopg.types.json import Jsonb

from tenant_provisioning.model.errors import DatabaseUnavailable, VendorError, VendorUnavailable
from tenant_provisioning.store.database import Database

KEPT_DAYS = 30
log = logging.getLogger(__name__)


class IncidentKind(StrEnum):
    """`vendor_incidents.kind`: asked to slow down; no usable answer; a refusal that failed a step."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"


@dataclass(frozen=True)
class VendorHealth:
    """A vendor's incidents within a time, and the last of them."""

    vendor: str
    throttled: int
    unavailable: int
    rejected: int
    last_at: datetime
    last_message: str


def kind_of(incident: VendorError) -> IncidentKind:
    """What sort of incident an error amounts to."""
    if incident.status == 429:
        return IncidentKind.THROTTLED
    return IncidentKind.UNAVAILABLE if isinstance(incident, VendorUnavailable) else IncidentKind.REJECTED


async def record_incidents(db: Database, incidents: Sequence[VendorError]) -> None:
    """The incidents count in the present hour, last month's are forgotten. A count that is lost fails nobody's work."""
    if not incidents:
        return
    counted: dict[tuple[str, str, str], list[VendorError]] = {}
    for incident in incidents:
        counted.setdefault((incident.vendor, incident.operation, kind_of(incident)), []).append(incident)
    # in one order, so that two who count at once never wait for each other in a circle
    rows = [
        {"vendor": vendor, "operation": operation, "kind": kind, "count": len(alike), "message": str(alike[-1])}
        for (vendor, operation, kind), alike in sorted(counted.items())
    ]
    try:
        async with db.connection() as connection:
            await connection.execute(
                """insert into vendor_incidents as known (hour, vendor, operation, kind, count, last_at, last_message)
                   select date_trunc('hour', now()), vendor, operation, kind, count, now(), message
                   from jsonb_to_recordset(%s) as seen (vendor text, operation text, kind text, count integer, message text)
                   on conflict (hour, vendor, operation, kind) do update set
                     count = known.count + excluded.count, last_at = excluded.last_at, last_message = excluded.last_message""",
                (Jsonb(rows),),
            )
            await connection.execute(
                "delete from vendor_incidents where hour < now() - make_interval(days => %s)", (KEPT_DAYS,)
            )
    except (psycopg.Error, DatabaseUnavailable) as failure:
        log.warning("%s vendor incidents could not be counted (%s)", len(incidents), type(failure).__name__)


async def vendor_health(db: Database, *, hours: int) -> list[VendorHealth]:
    """Each vendor that had an incident in the last `hours`, by its name."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select vendor,
                      coalesce(sum(count) filter (where kind = 'throttled'), 0) as throttled,
                      coalesce(sum(count) filter (where kind = 'unavailable'), 0) as unavailable,
                      coalesce(sum(count) filter (where kind = 'rejected'), 0) as rejected,
                      max(last_at) as last_at,
                      (array_agg(last_message order by last_at desc))[1] as last_message
               from vendor_incidents where hour > now() - make_interval(hours => %s)
               group by vendor order by vendor""",
            (hours,),
        )
        return [VendorHealth(**row) async for row in rows]
