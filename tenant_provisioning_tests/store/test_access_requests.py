"""Wishes about signing in: one at a time, answered once, and a link that its asker alone reads, once."""

import pytest

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.access_requests import (
    LINK_MINUTES,
    AccessRequest,
    Wish,
    answer,
    list_open,
    newest,
    put_off,
    request_access,
    take_link,
)
from tenant_provisioning.store.database import Database

LINK = "v1.k1.c2VjcmV0"


async def only(db: Database) -> AccessRequest:
    (request,) = await list_open(db)
    return request


async def test_a_wish_is_open_until_it_is_answered(db: Database, acme: Organization) -> None:
    await request_access(db, acme.id, Wish.SUSPEND, requested_by="quinn", reason="unpaid")
    asked = await only(db)
    await put_off(db, asked, "Supabase is away")
    waiting = await only(db)
    await answer(db, waiting, done=True, told="done so")
    await answer(db, waiting, done=False, told="a second answer")

    assert (asked.subdomain, asked.wish, asked.reason, asked.attempts) == ("acme", Wish.SUSPEND, "unpaid", 0)
    assert (waiting.attempts, waiting.told) == (1, "Supabase is away")
    assert await list_open(db) == []
    told = (await newest(db, acme.id))[Wish.SUSPEND]
    assert (told.outcome, told.told, told.requested_by) == ("done", "done so", "quinn")


async def test_the_same_wish_is_not_asked_twice_at_once(db: Database, acme: Organization, other: Organization) -> None:
    await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="quinn")
    with pytest.raises(LifecycleError, match="asked for already"):
        await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="quinn")
    await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="sam")
    await request_access(db, other.id, Wish.TEST_LOGIN, requested_by="quinn")

    assert len(await list_open(db)) == 3


async def test_a_link_is_read_once_and_by_its_asker_alone(
    db: Database, acme: Organization, other: Organization
) -> None:
    made = await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="quinn")
    await answer(db, await only(db), done=True, told="", link=LINK)

    assert (await newest(db, acme.id))[Wish.TEST_LOGIN].has_link
    assert await take_link(db, made, acme.id, by="sam") is None
    assert await take_link(db, made, other.id, by="quinn") is None
    assert await take_link(db, made, acme.id, by="quinn") == LINK
    assert await take_link(db, made, acme.id, by="quinn") is None


async def test_a_link_nobody_reads_in_time_is_forgotten(db: Database, acme: Organization) -> None:
    made = await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="quinn")
    await answer(db, await only(db), done=True, told="", link=LINK)
    async with db.connection() as connection:
        await connection.execute(
            "update access_requests set answered_at = now() - make_interval(mins => %s)", (LINK_MINUTES + 1,)
        )

    assert await take_link(db, made, acme.id, by="quinn") is None
    await list_open(db)
    assert not (await newest(db, acme.id))[Wish.TEST_LOGIN].has_link


async def test_a_link_in_the_clear_does_not_get_in(db: Database, acme: Organization) -> None:
    await request_access(db, acme.id, Wish.TEST_LOGIN, requested_by="quinn")
    with pytest.raises(Exception, match="access_requests_link_is_encrypted"):
        await answer(db, await only(db), done=True, told="", link="https://example.com/verify?token=1")
