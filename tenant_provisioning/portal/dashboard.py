"""The deployment dashboard: what runs, has failed or waits for a person, how much went through, and how the vendors fare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.portal import pages
from tenant_provisioning.store import overview, vendor_incidents

S = DeploymentStatus
DAYS = 14
HOURS = 24  # of the vendors' health
SHOWN = 8  # organizations of a list
HEIGHT, WIDTH, GAP = 120, 40, 10  # of the chart: its bars, and a day


@dataclass(frozen=True)
class Day:
    """A day of the chart: where it begins from the left, and for each kind how many and how high."""

    day: date
    left: int
    provisioned: int
    failed: int
    provisioned_height: int
    failed_height: int


@dataclass(frozen=True)
class Chart:
    """The days from left to right, and the number that the highest bar stands for."""

    days: Sequence[Day]
    most: int
    width: int

    @property
    def summary(self) -> str:
        """The chart in a sentence."""
        made, failed = (sum(getattr(day, name) for day in self.days) for name in ("provisioned", "failed"))
        return f"Organizations in the last {len(self.days)} days: {made} provisioned, {failed} failed."


async def page(request: Request) -> Response:
    """The page."""
    db = pages.db(request)
    return pages.render(
        request, "dashboard.html",
        counts=await overview.count_by_status(db),
        running=await overview.list_in(db, S.REQUESTED, S.PROVISIONING, S.ROLLING_BACK, limit=SHOWN),
        failed=await overview.list_in(db, S.FAILED, limit=SHOWN),
        waiting=await overview.list_in(db, S.PENDING_QA, limit=SHOWN),
        chart=chart(await overview.moves_by_day(db, days=DAYS)),
        vendors=await vendor_incidents.vendor_health(db, hours=HOURS), hours=HOURS, height=HEIGHT,
    )  # fmt: skip


def chart(moves: Mapping[date, Mapping[DeploymentStatus, int]]) -> Chart:
    """Bars for what was provisioned and what failed, the highest of which fills the chart."""
    most = max(
        (count for day in moves.values() for status, count in day.items() if status in (S.PENDING_QA, S.FAILED)),
        default=0,
    )

    def high(count: int) -> int:
        return max(round(HEIGHT * count / most), 2) if count else 0

    days = [
        Day(
            day,
            index * (WIDTH + GAP),
            made := found.get(S.PENDING_QA, 0),
            failed := found.get(S.FAILED, 0),
            high(made),
            high(failed),
        )
        for index, (day, found) in enumerate(sorted(moves.items()))
    ]
    return Chart(days, most, len(days) * (WIDTH + GAP) - GAP)
