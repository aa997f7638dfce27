"""The database's table of moves is the model's, nobody gets round it, and every move is on record."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import MOVES, DeploymentStatus
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store.audit import list_audit
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.organizations import get_organization, list_organizations, move

S = DeploymentStatus
# how to get there from the start
PATHS = {
    S.REQUESTED: [],
    S.PROVISIONING: [S.PROVISIONING],
    S.FAILED: [S.PROVISIONING, S.FAILED],
    S.PENDING_QA: [S.PROVISIONING, S.PENDING_QA],
    S.ACTIVE: [S.PROVISIONING, S.PENDING_QA, S.ACTIVE],
    S.SUSPENDED: [S.PROVISIONING, S.PENDING_QA, S.ACTIVE, S.SUSPENDED],
    S.ROLLING_BACK: [S.PROVISIONING, S.FAILED, S.ROLLING_BACK],
    S.ROLLED_BACK: [S.PROVISIONING, S.FAILED, S.ROLLING_BACK, S.ROLLED_BACK],
}
INSERT = """insert into organizations
              (name, subdomain, domain, lms, english_maths, crm, data_store_kind, deployment_status)
            values ('Acme', 'acme', 'x.example', 'A', 'B', 'C', 'lakehouse', %s)"""


@pytest.fixture(scope="module")
def connection(server: Any, plain_template: str) -> Iterator[Connection[TupleRow]]:
    name = server.create(plain_template)
    with psycopg.connect(server.url(name)) as connection:
        yield connection
    server.drop(name)


@pytest.fixture
def sql(connection: Connection[TupleRow]) -> Iterator[Connection[TupleRow]]:
    """A transaction on an empty database, rolled back in the end."""
    yield connection
    connection.rollback()


def set_status(sql: Connection[TupleRow], status: DeploymentStatus) -> None:
    sql.execute("update organizations set deployment_status = %s", (status,))


def logged(sql: Connection[TupleRow]) -> list[Any]:
    return [row[0] for row in sql.execute("select to_status from audit_log order by id")]


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in product(S, S) if pair[0] != pair[1]])
def test_the_database_allows_exactly_the_models_moves(
    sql: Connection[TupleRow], current: DeploymentStatus, wanted: DeploymentStatus
) -> None:
    sql.execute(INSERT, ("requested",))
    for status in PATHS[current]:
        set_status(sql, status)
    before = logged(sql)
    if wanted in MOVES[current]:
        set_status(sql, wanted)
        assert logged(sql) == [*before, wanted]
    else:
        with pytest.raises(psycopg.errors.RaiseException, match=f"{current} cannot become {wanted}"):
            set_status(sql, wanted)


def test_writing_the_status_it_has_is_no_move(sql: Connection[TupleRow]) -> None:
    sql.execute(INSERT, ("requested",))
    set_status(sql, S.REQUESTED)
    assert logged(sql) == ["requested"]


@pytest.mark.parametrize("status", [status for status in S if status is not S.REQUESTED])
def test_an_organization_can_only_begin_as_requested(sql: Connection[TupleRow], status: DeploymentStatus) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="begins as requested"):
        sql.execute(INSERT, (status,))


def test_replication_mode_gets_round_neither_the_moves_nor_their_record(sql: Connection[TupleRow]) -> None:
    sql.execute("set local session_replication_role = replica")
    sql.execute(INSERT, ("requested",))
    set_status(sql, S.PROVISIONING)
    assert logged(sql) == ["requested", "provisioning"]
    with pytest.raises(psycopg.errors.RaiseException):
        set_status(sql, S.ACTIVE)


def test_a_caller_that_does_not_say_who_it_is_is_known_by_its_login(sql: Connection[TupleRow]) -> None:
    sql.execute(INSERT, ("requested",))
    sql.execute("set local role service_role")
    sql.execute("update organizations set deployment_status = 'provisioning', status_reason = 'because'")
    row = sql.execute("select actor, reason from audit_log order by id desc limit 1").fetchone()
    assert row == ("postgres", "because")


async def test_a_move_records_who_when_from_where_and_why(db: Database, acme: Organization) -> None:
    moved = await move(db, acme.id, S.PROVISIONING, actor="run 1", reason="the form came in")
    assert (moved.status, moved.status_reason) == (S.PROVISIONING, "the form came in")
    first, last = await list_audit(db, acme.id)
    assert (first.actor, first.action, first.from_status, first.to_status) == (
        "sam@platform.example", "requested", None, S.REQUESTED,
    )  # fmt: skip
    assert (last.actor, last.action, last.from_status, last.to_status, last.reason) == (
        "run 1", "moved", S.REQUESTED, S.PROVISIONING, "the form came in",
    )  # fmt: skip
    assert first.at <= last.at


async def test_a_refused_move_names_the_allowed_ones_and_changes_nothing(db: Database, acme: Organization) -> None:
    with pytest.raises(LifecycleError, match=r"requested cannot become active .*provisioning"):
        await move(db, acme.id, S.ACTIVE, actor="sam")
    assert (await get_organization(db, acme.id)).status is S.REQUESTED
    assert len(await list_audit(db, acme.id)) == 1


async def test_what_only_the_database_refuses_is_a_lifecycle_error_too(own_database_url: str) -> None:
    async with open_database(own_database_url) as db:
        async with db.connection() as connection:
            await connection.execute(
                """create or replace function organization_may_move(from_status text, to_status text) returns boolean
                   language sql immutable return false"""
            )
            await connection.execute(INSERT, ("requested",))
        (organization,) = await list_organizations(db)
        with pytest.raises(LifecycleError, match="requested cannot become provisioning"):
            await move(db, organization.id, S.PROVISIONING, actor="sam")


async def test_the_reason_of_a_failure_does_not_outlive_it(db: Database, acme: Organization) -> None:
    await move(db, acme.id, S.PROVISIONING, actor="run")
    await move(db, acme.id, S.FAILED, actor="run", reason="Fabric said no")
    assert (await move(db, acme.id, S.PROVISIONING, actor="run")).status_reason is None


async def test_the_first_activation_is_the_one_that_is_remembered(db: Database, acme: Organization) -> None:
    for status in PATHS[S.ACTIVE]:
        last = await move(db, acme.id, status, actor="run")
    activated = last.activated_at
    assert activated is not None
    await move(db, acme.id, S.SUSPENDED, actor="sam")
    assert (await move(db, acme.id, S.ACTIVE, actor="sam")).activated_at == activated
