"""The time left to a tenant: by what others took, and by its place in the line for the vendors' budgets."""

from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.model.plan import STEP_NAMES
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.steps.time_left import time_left
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.organizations import get_organization
from tenant_provisioning.terminal import time_left as told
from tenant_provisioning_tests.line import make_three


@pytest.fixture
def platform_url(new_database: Callable[[], str]) -> str:
    """A database of each test's own: who is in line matters."""
    return new_database()


@pytest.fixture
async def acme(three_made: Database, onboard: Callable[..., Any]) -> Organization:
    """Acme Training, after the three."""
    organization: Organization = await onboard("acme")
    return organization


@pytest.fixture
async def three_made(onboard: Callable[..., Any], platform_db: Database) -> Database:
    """A platform that knows what an organization needs."""
    await make_three(platform_db, onboard)
    return platform_db


async def test_a_tenant_that_has_the_budgets_to_itself_takes_as_long_as_others_did(
    three_made: Database, acme: Organization
) -> None:
    left = await time_left(three_made, acme)

    assert left is not None
    assert left.seconds == pytest.approx(10 * len(STEP_NAMES))
    assert told(left) == "Done in about 2 min."


async def test_a_tenant_in_line_is_done_when_those_before_it_have_had_their_calls(
    three_made: Database, onboard: Callable[..., Any], acme: Organization
) -> None:
    for number in range(30):
        last = await onboard(f"later-{number}")

    left, own = await time_left(three_made, last), await time_left(three_made, acme)

    assert left is not None
    assert own is not None
    assert left.seconds == pytest.approx(31 * 10)
    assert told(left) == "Done in about 5 min, in line with others for the vendors' budgets."
    assert not own.in_line, "the first in line waits for nobody"


async def test_who_is_not_being_made_has_no_time_left(three_made: Database, onboard: Callable[..., Any]) -> None:
    organization = await onboard("gone")
    async with three_made.connection() as connection:
        await connection.execute(
            "update organizations set deployment_status = 'provisioning' where id = %s", (organization.id,)
        )
        rows = await connection.execute(
            "update organizations set deployment_status = 'failed' where id = %s returning deployment_status",
            (organization.id,),
        )
        assert (await rows.fetchone()) == {"deployment_status": "failed"}
    assert await time_left(three_made, await get_organization(three_made, organization.id)) is None
