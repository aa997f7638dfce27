"""The way to the database: clear words when it cannot be reached, and transactions that are whole."""

import socket
from collections.abc import Iterator

import pytest
from psycopg.pq import TransactionStatus

from tenant_provisioning.model.errors import DatabaseUnavailable, SetupError
from tenant_provisioning.store import database
from tenant_provisioning.store.database import Database, acting, open_database
from tenant_provisioning.store.migrate import migrate


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound and on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def refusal(url: str) -> str:
    with pytest.raises(SetupError) as refused:
        async with open_database(url):
            pass
    with pytest.raises(SetupError, match="DATABASE_URL"):
        await migrate(url)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    return str(refused.value)


async def test_a_database_that_does_not_answer_is_named_without_its_password(closed_port: int) -> None:
    said = await refusal(f"postgresql://me:hunter2@127.0.0.1:{closed_port}/platform")
    assert f"127.0.0.1:{closed_port}" in said
    assert "nothing answers" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("password", ["hunter2", "hunt@er2", "hunter2/x"])
async def test_no_part_of_a_password_is_told_even_of_a_wrongly_written_address(server: object, password: str) -> None:
    port = server.port  # type: ignore[attr-defined]
    for host in ("127.0.0.1", "no-such-host.invalid"):
        said = await refusal(f"postgresql://postgres:{password}@{host}:{port}/postgres")
        assert "hunt" not in said
        assert "er2" not in said


async def test_a_wrong_password_is_told_as_such(server: object) -> None:
    said = await refusal(server.url(password="wrong"))  # type: ignore[attr-defined]
    assert "the user or the password is wrong" in said


async def test_what_is_no_address_is_told_as_such() -> None:
    assert "not a PostgreSQL address" in await refusal("mysql:hunter2")


async def test_a_block_is_one_transaction(filled_db: Database) -> None:
    async def add(key: str) -> None:
        async with filled_db.connection() as connection:
            await connection.execute("insert into providers values ('lms', %s, 'x')", (key,))
            if key == "BAD":
                raise KeyError(key)

    await add("GOOD")
    with pytest.raises(KeyError):
        await add("BAD")
    async with filled_db.connection() as connection:
        rows = await connection.execute("select key from providers where key in ('GOOD', 'BAD')")
        assert await rows.fetchall() == [{"key": "GOOD"}]


async def test_who_acts_is_known_within_the_transaction_only(database_url: str) -> None:
    asked = "select current_setting('app.actor', true) as actor, current_setting('app.reason', true) as reason"
    async with open_database(database_url, max_size=1) as db:
        async with acting(db, "sam", "because") as connection:
            assert await (await connection.execute(asked)).fetchone() == {"actor": "sam", "reason": "because"}
        async with db.connection() as connection:
            assert await (await connection.execute(asked)).fetchone() == {"actor": "", "reason": ""}


async def test_a_resting_connection_that_the_server_ended_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECK_AFTER", 0.0)
    async with open_database(database_url, max_size=2) as db:
        async with db.connection() as first:
            async with db.connection() as second:
                resting = second.info.backend_pid
            await first.execute("select pg_terminate_backend(%s)", (resting,))
        for _ in range(2):
            async with db.statement() as connection:
                await connection.execute("select 1")


async def test_a_connection_that_is_lost_between_two_statements_is_told_of_once_and_replaced(database_url: str) -> None:
    async with open_database(database_url, max_size=1) as db, open_database(database_url) as other:
        async with db.statement() as connection:
            at_work = connection.info.backend_pid
        async with other.statement() as connection:
            await connection.execute("select pg_terminate_backend(%s, 5000)", (at_work,))
        with pytest.raises(DatabaseUnavailable, match="may be done again"):
            async with db.statement() as connection:
                await connection.execute("select 1")
        async with db.statement() as connection:
            assert connection.info.backend_pid != at_work


async def test_a_single_statement_is_there_for_everybody_at_once_and_is_one_exchange_with_the_server(
    filled_db: Database,
) -> None:
    async with filled_db.statement() as connection, filled_db.statement() as other:
        await connection.execute("insert into providers values ('lms', 'ALONE', 'x')")
        rows = await other.execute("select key from providers where key = 'ALONE'")
        assert await rows.fetchall() == [{"key": "ALONE"}]
        assert connection.info.transaction_status is TransactionStatus.IDLE
