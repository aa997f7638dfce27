"""What the page says to an organization that has others before it."""

from collections.abc import Callable
from typing import Any

from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.line import make_three
from tenant_provisioning_tests.people import SAM
from tenant_provisioning_tests.portal.conftest import Browse


async def test_the_page_says_when_an_organization_in_line_will_be_done(
    browse: Browse, platform_db: Database, onboard: Callable[..., Any]
) -> None:
    await make_three(platform_db, onboard)
    first = await onboard("first")
    for number in range(30):
        last = await onboard(f"later-{number}")
    browser = await browse(SAM)

    page = (await browser.get(f"/organizations/{last.id}")).text
    alone = (await browser.get(f"/organizations/{first.id}")).text

    assert "Done in about 5 min" in page
    assert "only so many calls a minute" in page
    assert "only so many calls a minute" not in alone
    assert "left." in alone
