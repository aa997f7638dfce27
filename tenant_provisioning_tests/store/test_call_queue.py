"""When each organization will have had its calls, told from what others have needed and who comes first."""

from collections.abc import Callable
from typing import Any

import pytest

from tenant_provisioning.store.call_queue import done_in_seconds
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.requests import submit

Form = Callable[..., dict[str, Any]]


async def organization(
    db: Database, form: Form, name: str, status: str, calls: int, *, bucket: str = "godaddy us"
) -> Any:
    """An organization in this status that has made so many calls."""
    made = await submit(db, form(name), requested_by="sam@platform.example", default_domain="yourplatform.com")
    async with db.connection() as connection:
        for step in ("provisioning", "pending_qa") if status == "pending_qa" else (status,):
            if step != "requested":
                claim = ", claimed_by_run = 'run', claimed_at = now()" if step == "provisioning" else ""
                await connection.execute(
                    f"update organizations set deployment_status = '{step}'{claim} where id = %s".encode(),  # noqa: S608
                    (made.id,),
                )
        await connection.execute("insert into organization_calls values (%s, %s, %s)", (made.id, bucket, calls))
    return made.id


async def budget(db: Database, calls: int, seconds: float, *, held: float = 0, bucket: str = "godaddy us") -> None:
    """A budget that is used up at the moment."""
    async with db.connection() as connection:
        await connection.execute(
            """insert into call_buckets (bucket, calls, seconds, held_until)
               values (%s, %s, %s, now() + make_interval(secs => %s))""",
            (bucket, calls, seconds, held),
        )


@pytest.fixture
async def three_made(filled_db: Database, form: Form) -> Database:
    """Three organizations that are made, and needed ten calls each."""
    for name in ("one", "two", "three"):
        await organization(filled_db, form, name, "pending_qa", 10)
    return filled_db


async def test_who_runs_shares_and_who_waits_follows(three_made: Database, form: Form) -> None:
    await budget(three_made, 60, 60)
    first = await organization(three_made, form, "first", "provisioning", 8)
    second = await organization(three_made, form, "second", "provisioning", 0)
    third = await organization(three_made, form, "third", "requested", 0)

    done = await done_in_seconds(three_made)

    assert done == {first: 4, second: 20, third: 22}


async def test_the_tightest_budget_decides(three_made: Database, form: Form) -> None:
    await budget(three_made, 60, 60)
    await budget(three_made, 1, 60, bucket="fabric us GET /workspaces")
    async with three_made.connection() as connection:
        await connection.execute(
            "insert into organization_calls select organization_id, 'fabric us GET /workspaces', 2 from organization_calls"
        )
    fourth = await organization(three_made, form, "fourth", "requested", 0)

    assert await done_in_seconds(three_made) == {fourth: 120}


async def test_what_a_vendor_has_asked_to_wait_is_added(three_made: Database, form: Form) -> None:
    await budget(three_made, 60, 60, held=100)
    fourth = await organization(three_made, form, "fourth", "requested", 0)

    assert (await done_in_seconds(three_made))[fourth] == pytest.approx(110, abs=5)


async def test_two_that_are_made_are_too_few_to_tell_a_third(filled_db: Database, form: Form) -> None:
    await budget(filled_db, 60, 60)
    for name in ("one", "two"):
        await organization(filled_db, form, name, "pending_qa", 10)
    await organization(filled_db, form, "fourth", "requested", 0)

    assert await done_in_seconds(filled_db) == {}


async def test_where_no_vendor_is_counted_nobody_waits(filled_db: Database, form: Form) -> None:
    await submit(filled_db, form(), requested_by="sam@platform.example", default_domain="yourplatform.com")

    assert await done_in_seconds(filled_db) == {}
