"""An organization's row: claims of runs, ids, the encrypted connection string."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, ProvisioningError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.audit import list_audit
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.organizations import (
    claim,
    claimed,
    find_by_subdomain,
    get_connection,
    get_organization,
    list_organizations,
    move,
    record_ids,
    release,
    save_connection,
)
from tenant_provisioning.store.requests import submit

S = DeploymentStatus
PATHS: dict[DeploymentStatus, list[DeploymentStatus]] = {
    S.REQUESTED: [],
    S.PROVISIONING: [S.PROVISIONING],
    S.FAILED: [S.PROVISIONING, S.FAILED],
    S.PENDING_QA: [S.PROVISIONING, S.PENDING_QA],
    S.ACTIVE: [S.PROVISIONING, S.PENDING_QA, S.ACTIVE],
    S.SUSPENDED: [S.PROVISIONING, S.PENDING_QA, S.ACTIVE, S.SUSPENDED],
    S.ROLLING_BACK: [S.PROVISIONING, S.PENDING_QA, S.ROLLING_BACK],
    S.ROLLED_BACK: [S.PROVISIONING, S.PENDING_QA, S.ROLLING_BACK, S.ROLLED_BACK],
}


async def bring_to(db: Database, organization: Organization, status: DeploymentStatus) -> None:
    for wanted in PATHS[status]:
        await move(db, organization.id, wanted, actor="test")


async def test_an_organization_is_found_by_id_and_by_subdomain(db: Database, acme: Organization) -> None:
    assert await get_organization(db, acme.id) == acme
    assert await find_by_subdomain(db, "acme") == acme
    assert await find_by_subdomain(db, "nobody") is None
    with pytest.raises(NoSuchTenant, match="there is no organization"):
        await get_organization(db, uuid4())


async def test_a_subdomain_finds_the_living_organization_and_else_the_one_rolled_back_last(
    db: Database, acme: Organization, form: Callable[..., dict[str, Any]]
) -> None:
    await bring_to(db, acme, S.ROLLED_BACK)
    again = await submit(db, form(), requested_by="sam", default_domain="yourplatform.com")
    assert await find_by_subdomain(db, "acme") == again
    await bring_to(db, again, S.ROLLED_BACK)
    found = await find_by_subdomain(db, "acme")
    assert found
    assert found.id == again.id
    third = await submit(db, form(), requested_by="sam", default_domain="yourplatform.com")
    assert await find_by_subdomain(db, "acme") == third


async def test_organizations_are_listed_by_status_oldest_first(
    db: Database, acme: Organization, other: Organization
) -> None:
    await bring_to(db, other, S.PENDING_QA)
    assert [organization.subdomain for organization in await list_organizations(db)] == ["acme", "other"]
    assert [organization.subdomain for organization in await list_organizations(db, statuses=[S.PENDING_QA])] == [
        "other"
    ]
    assert await list_organizations(db, statuses=[]) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.REQUESTED, S.PROVISIONING),
        (S.FAILED, S.PROVISIONING),
        *((same, same) for same in (S.PROVISIONING, S.PENDING_QA, S.ACTIVE)),
    ],
)
async def test_a_claim_begins_provisioning_or_leaves_the_status_as_it_is(
    db: Database, acme: Organization, before: DeploymentStatus, after: DeploymentStatus
) -> None:
    await bring_to(db, acme, before)
    got = await claim(db, acme.id, "run 1", actor="sensor")
    assert (got.status, got.claimed_by_run) == (after, "run 1")
    assert await get_organization(db, acme.id) == got


@pytest.mark.parametrize("status", [S.SUSPENDED, S.ROLLING_BACK, S.ROLLED_BACK])
async def test_no_run_claims_an_organization_that_is_beyond_provisioning(
    db: Database, acme: Organization, status: DeploymentStatus
) -> None:
    await bring_to(db, acme, status)
    with pytest.raises(LifecycleError, match=f"acme is {status}"):
        await claim(db, acme.id, "run 1", actor="sensor")
    assert await claimed(db) == []


async def test_a_run_that_holds_the_claim_claims_again_and_nothing_more_is_recorded(
    db: Database, acme: Organization
) -> None:
    first = await claim(db, acme.id, "run 1", actor="sensor")
    entries = await list_audit(db, acme.id)
    assert await claim(db, acme.id, "run 1", actor="sensor") == first
    assert await list_audit(db, acme.id) == entries
    assert [(entry.action, entry.actor) for entry in entries[1:]] == [("claimed", "sensor"), ("moved", "sensor")]


async def test_another_run_is_refused_by_name_until_it_is_released_or_known_as_abandoned(
    db: Database, acme: Organization
) -> None:
    await claim(db, acme.id, "run 1", actor="sensor")
    with pytest.raises(LifecycleError, match="run 1"):
        await claim(db, acme.id, "run 2", actor="sensor", abandoned=["run 0"])
    assert (await claim(db, acme.id, "run 2", actor="sensor", abandoned=["run 0", "run 1"])).claimed_by_run == "run 2"
    await release(db, acme.id, "run 1")
    assert [(organization.id, run) for organization, run in await claimed(db)] == [(acme.id, "run 2")]
    await release(db, acme.id, "run 2")
    assert await claimed(db) == []
    assert (await claim(db, acme.id, "run 3", actor="sensor")).claimed_by_run == "run 3"


async def test_of_runs_that_claim_at_the_same_time_one_wins(db: Database, acme: Organization) -> None:
    runs = [f"run {number}" for number in range(8)]
    got = await asyncio.gather(*(claim(db, acme.id, run, actor=run) for run in runs), return_exceptions=True)
    won = [answer for answer in got if isinstance(answer, Organization)]
    assert len(won) == 1
    assert [type(answer) for answer in got if not isinstance(answer, Organization)] == [LifecycleError] * 7
    assert (await claimed(db))[0][1] == won[0].claimed_by_run
    assert [entry.action for entry in await list_audit(db, acme.id)].count("claimed") == 1


async def test_of_runs_that_take_over_an_abandoned_claim_at_the_same_time_one_wins(
    db: Database, acme: Organization
) -> None:
    await claim(db, acme.id, "dead", actor="dead")
    runs = [f"run {number}" for number in range(4)]
    got = await asyncio.gather(
        *(claim(db, acme.id, run, actor=run, abandoned=["dead"]) for run in runs), return_exceptions=True
    )
    assert sum(isinstance(answer, Organization) for answer in got) == 1


async def test_ids_are_added_to_the_row_one_by_one(db: Database, acme: Organization) -> None:
    await record_ids(db, acme.id, host="acme.yourplatform.com", dataset_id="d1")
    await record_ids(db, acme.id, fabric_workspace_id="f1", dataset_id="d2")
    async with db.connection() as connection:
        rows = await connection.execute(
            "select host, fabric_workspace_id, data_store_id, powerbi_workspace_id, dataset_id from organizations"
        )
        assert await rows.fetchone() == {
            "host": "acme.yourplatform.com", "fabric_workspace_id": "f1", "data_store_id": None,
            "powerbi_workspace_id": None, "dataset_id": "d2",
        }  # fmt: skip
    with pytest.raises(NoSuchTenant, match="there is no organization"):
        await record_ids(db, uuid4(), host="h")


async def test_the_encrypted_connection_string_is_kept(db: Database, acme: Organization) -> None:
    assert await get_connection(db, acme.id) is None
    ciphertext = f"v1.k1.{base64.b64encode(b'sealed').decode()}"
    await save_connection(db, acme.id, ciphertext)
    assert await get_connection(db, acme.id) == ciphertext


async def test_a_connection_string_in_the_clear_is_refused_without_being_repeated(
    db: Database, acme: Organization
) -> None:
    with pytest.raises(ProvisioningError, match="is not encrypted") as refusal:
        await save_connection(db, acme.id, "Server=s;Password=hunter2")
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert await get_connection(db, acme.id) is None
