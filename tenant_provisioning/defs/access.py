"""The sensor for what a person wants done about signing in: the portal, which calls no vendor, writes a row and this acts on it."""

import asyncio

import dagster as dg

from tenant_provisioning.defs.assets import PlatformParam
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.steps.access import answer_request
from tenant_provisioning.store import access_requests
from tenant_provisioning.store.database import open_database


@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def access_sensor(platform: PlatformParam) -> dg.SkipReason:
    """Carries out test logins, suspensions and resumptions that were asked for in the portal."""
    answered = asyncio.run(_answer(platform))
    return dg.SkipReason(f"answered: {', '.join(answered)}" if answered else "nothing is asked for")


async def _answer(platform: Platform) -> list[str]:
    """The tenants whose wishes have been dealt with."""
    async with open_database(platform.settings.database_url.get_secret_value(), max_size=1) as db:
        wishes = await access_requests.list_open(db)
    for wish in wishes:
        await answer_request(platform.settings, wish)
    return [wish.subdomain for wish in wishes]
