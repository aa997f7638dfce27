"""Onboarding requests: all rows or none, every mistake at once."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tenant_provisioning.model.data_store import DataStoreKind, OwnDataStore
from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, RequestInvalid, SetupError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.tenant import OnboardingForm, Organization, SuperUser
from tenant_provisioning.store.audit import list_audit
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.organizations import claim, get_connection, move
from tenant_provisioning.store.requests import get_form, list_work, next_attempt, retry, submit
from tenant_provisioning.store.vault import Vault, generate_key

Form = Callable[..., dict[str, Any]]
S = DeploymentStatus
ROWS = """
    select (select count(*) from organizations) as organizations,
      (select count(*) from onboarding_requests) as requests, (select count(*) from subscriptions) as subscriptions,
      (select count(*) from audit_log) as audit_entries"""


async def onboard(db: Database, raw: Any) -> Organization:
    return await submit(db, raw, requested_by="sam", default_domain="yourplatform.com")


async def rows_in(db: Database) -> list[int]:
    """How many organizations, requests, subscriptions and audit entries there are."""
    async with db.connection() as connection:
        row = await (await connection.execute(ROWS)).fetchone()
    assert row
    return list(row.values())


async def test_a_valid_form_becomes_organization_request_subscription_and_audit_entry(
    filled_db: Database, form: Form
) -> None:
    organization = await onboard(filled_db, form(hr="BREATHE"))
    assert (organization.name, organization.subdomain, organization.domain) == (
        "Acme Training",
        "acme",
        "yourplatform.com",
    )
    assert organization.status is S.REQUESTED
    assert organization.providers == {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT", "hr": "BREATHE"}
    assert await rows_in(filled_db) == [1, 1, 1, 1]
    async with filled_db.connection() as connection:
        rows = await connection.execute("select plan, status from subscriptions")
        assert await rows.fetchone() == {"plan": "standard", "status": "pending"}


async def test_the_form_can_be_read_back_as_it_was_validated(db: Database, acme: Organization) -> None:
    assert await get_form(db, acme.id) == OnboardingForm(
        name="Acme Training",
        subdomain="acme",
        domain="yourplatform.com",
        providers={"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"},
        data_store=DataStoreKind.LAKEHOUSE,
        super_users=(SuperUser("ada@acme.example", "Ada", "Admin"),),
    )
    with pytest.raises(NoSuchTenant, match="has no onboarding request"):
        await get_form(db, uuid4())


async def test_every_mistake_is_told_at_once_and_no_row_is_written(filled_db: Database, form: Form) -> None:
    await onboard(filled_db, form())
    before = await rows_in(filled_db)
    twice = {"email": "same@x.example", "first_name": "A", "last_name": "B"}
    with pytest.raises(RequestInvalid) as mistakes:
        await onboard(
            filled_db,
            form(
                lms="NOBODY",
                crm=None,
                name="",
                super_users=[twice, twice, {"email": "ada@acme.example", "first_name": "A"}],
            ),
        )
    assert mistakes.value.errors.keys() == {
        "name", "subdomain", "lms", "crm", "super_users.1.email", "super_users.2.email", "super_users.2.last_name",
    }  # fmt: skip
    assert await rows_in(filled_db) == before


async def test_a_provider_that_left_the_catalog_is_not_offered(filled_db: Database, form: Form) -> None:
    async with filled_db.connection() as connection:
        await connection.execute("update providers set active = false where key = 'APTEM'")
    with pytest.raises(RequestInvalid, match=r"APTEM.*BUD"):
        await onboard(filled_db, form())


async def test_of_forms_for_one_subdomain_at_the_same_time_one_is_accepted(filled_db: Database, form: Form) -> None:
    forms = [form(super_users=[{"email": f"p{n}@x.example", "first_name": "A", "last_name": "B"}]) for n in range(6)]
    got = await asyncio.gather(*(onboard(filled_db, each) for each in forms), return_exceptions=True)
    assert sum(isinstance(answer, Organization) for answer in got) == 1
    refused = [answer for answer in got if isinstance(answer, RequestInvalid)]
    assert [set(answer.errors) for answer in refused] == [{"subdomain"}] * 5
    assert await rows_in(filled_db) == [1, 1, 1, 1]


async def test_of_forms_with_one_email_at_the_same_time_one_is_accepted(filled_db: Database, form: Form) -> None:
    people = [{"email": "same@x.example", "first_name": "A", "last_name": "B"}]
    forms = [form(f"org{n}", super_users=people) for n in range(4)]
    got = await asyncio.gather(*(onboard(filled_db, each) for each in forms), return_exceptions=True)
    assert [set(answer.errors) for answer in got if isinstance(answer, RequestInvalid)] == [{"super_users.0.email"}] * 3


async def test_a_subdomain_taken_behind_our_back_is_a_mistake_of_that_field(
    filled_db: Database, database_url: str, form: Form
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as rival:
        await rival.execute(
            """insert into organizations (name, subdomain, domain, lms, english_maths, crm, data_store_kind)
               values ('Rival', 'acme', 'x.example', 'A', 'B', 'C', 'lakehouse')"""
        )
        waiting = asyncio.create_task(onboard(filled_db, form()))
        await wait_for_a_blocked_session(database_url)
        await rival.commit()
    with pytest.raises(RequestInvalid) as mistake:
        await waiting
    assert set(mistake.value.errors) == {"subdomain"}
    assert await rows_in(filled_db) == [1, 0, 0, 1]


async def wait_for_a_blocked_session(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as watcher, asyncio.timeout(10):
        while True:
            found = await watcher.execute(
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            if found.rowcount:
                return
            await asyncio.sleep(0.01)


async def test_a_rolled_back_organization_frees_its_name_and_its_peoples_emails(
    db: Database, acme: Organization, form: Form
) -> None:
    for status in (S.PROVISIONING, S.FAILED, S.ROLLING_BACK, S.ROLLED_BACK):
        await move(db, acme.id, status, actor="sam")
    assert (await onboard(db, form())).id != acme.id


async def test_a_repetition_is_numbered_and_audited(db: Database, acme: Organization) -> None:
    assert await next_attempt(db, acme.id, actor="sam", reason="the vendor is back") == 2
    assert await next_attempt(db, acme.id, actor="sam", reason="once more") == 3
    entry = (await list_audit(db, acme.id))[-1]
    assert (entry.actor, entry.action, entry.reason, entry.details) == (
        "sam",
        "attempt_requested",
        "once more",
        {"attempt": 3},
    )
    with pytest.raises(NoSuchTenant, match="has no onboarding request"):
        await next_attempt(db, uuid4(), actor="sam", reason="")


async def test_a_person_retries_a_part_alone_and_of_two_at_once_one_does(db: Database, acme: Organization) -> None:
    with pytest.raises(LifecycleError, match="is requested: only what has failed can be tried again"):
        await retry(db, acme.id, actor="sam")
    for status in (S.PROVISIONING, S.FAILED):
        await move(db, acme.id, status, actor="run")

    first, second = await asyncio.gather(
        retry(db, acme.id, actor="sam", selection=["reports/a"]),
        retry(db, acme.id, actor="kim"),
        return_exceptions=True,
    )

    assert {type(first), type(second)} == {int, LifecycleError}
    entry = (await list_audit(db, acme.id))[-2]
    assert (entry.actor, entry.action) == ("sam" if first == 2 else "kim", "attempt_requested")


async def test_the_selection_belongs_to_its_attempt_alone(db: Database, acme: Organization) -> None:
    for status in (S.PROVISIONING, S.FAILED):
        await move(db, acme.id, status, actor="run")
    await retry(db, acme.id, actor="sam", selection=["reports/a", "dns_record"])
    (work,) = await list_work(db)
    assert (work.status, work.selection) == (S.PROVISIONING, ("reports/a", "dns_record"))
    assert (await list_audit(db, acme.id))[-2].details == {"attempt": 2, "only": ["reports/a", "dns_record"]}

    await next_attempt(db, acme.id, actor="run_failure_sensor", reason="the rest")

    assert (await list_work(db))[0].selection == ()


async def test_nothing_is_retried_that_is_to_be_rolled_back(db: Database, acme: Organization) -> None:
    for status in (S.PROVISIONING, S.FAILED):
        await move(db, acme.id, status, actor="run")
    async with db.connection() as connection:
        await connection.execute(
            "update organizations set rollback_requested_at = now(), rollback_requested_by = 'kim', rollback_attempt = 1"
        )
    with pytest.raises(LifecycleError, match="is to be rolled back"):
        await retry(db, acme.id, actor="sam")


async def test_work_lists_what_is_not_finished_with_its_claim(
    db: Database, acme: Organization, other: Organization
) -> None:
    await claim(db, other.id, "run 1", actor="sensor")
    await next_attempt(db, other.id, actor="sam", reason="")
    assert [(work.subdomain, work.attempt, work.status, work.claimed_by_run) for work in await list_work(db)] == [
        ("acme", 1, S.REQUESTED, None),
        ("other", 2, S.PROVISIONING, "run 1"),
    ]
    assert (await list_work(db))[0].providers == acme.providers
    await move(db, other.id, S.FAILED, actor="run 1")
    assert [work.status for work in await list_work(db)] == [S.REQUESTED, S.FAILED]
    await move(db, other.id, S.PROVISIONING, actor="run 1")
    await move(db, other.id, S.PENDING_QA, actor="run 1")
    assert [work.organization_id for work in await list_work(db)] == [acme.id]


OWN = {
    "kind": "bring_your_own",
    "workspace_url": "https://app.fabric.microsoft.com/groups/3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "connection_string": "Server=x.datawarehouse.fabric.microsoft.com;Database=sales;Password=hunter2",
}
KINDS = tuple(DataStoreKind)


async def test_a_connection_string_is_encrypted_as_it_arrives_and_no_row_has_it_in_the_clear(
    filled_db: Database, form: Form
) -> None:
    vault = Vault(generate_key())
    organization = await submit(
        filled_db, form(data_store=OWN), requested_by="sam", default_domain="x.example", offered=KINDS, vault=vault
    )

    sealed = await get_connection(filled_db, organization.id)
    assert sealed is not None
    assert vault.decrypt(sealed, organization.id, "data_store_connection") == OWN["connection_string"]
    read = await get_form(filled_db, organization.id)
    assert read.own_data_store == OwnDataStore(OWN["workspace_url"])
    async with filled_db.connection() as connection:
        rows = await connection.execute(
            "select form::text as text from onboarding_requests union all select to_jsonb(a)::text from audit_log a"
        )
        assert not [row for row in [row["text"] async for row in rows] if "hunter2" in row or "sales" in row]


async def test_a_connection_string_that_nothing_can_encrypt_leaves_no_row(filled_db: Database, form: Form) -> None:
    with pytest.raises(SetupError, match="SECRETS_KEY"):
        await submit(filled_db, form(data_store=OWN), requested_by="sam", default_domain="x.example", offered=KINDS)

    assert await rows_in(filled_db) == [0, 0, 0, 0]


async def test_a_kind_that_is_not_offered_is_refused(filled_db: Database, form: Form) -> None:
    with pytest.raises(RequestInvalid, match="Choose one of: lakehouse"):
        await onboard(filled_db, form(data_store="warehouse"))
