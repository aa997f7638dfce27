"""The way to the platform database: the pool, and transactions that say who acts. What is asked is next door.

`async with db.connection()` is one transaction: it commits at the end of the block and rolls back when the block raises.
`async with db.statement()` is for a single statement, which is a transaction of its own: one exchange with the server, not three.
Rows arrive as dicts, and each module turns them into its own dataclasses.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from tenant_provisioning.model.errors import DatabaseUnavailable, SetupError

CONNECT_SECONDS = 10
CHECK_AFTER = 1.0  # seconds of rest: what was in use until now is lost as rarely as what is in use
# What libpq says, and what it means to the person who set DATABASE_URL. Its own text is not repeated: it can hold parts
# of the URL.
REASONS = {
    "password authentication failed": "the user or the password is wrong",
    "does not exist": "the database or the user does not exist",
    "refused": "nothing answers at this address",
    "resolve host": "the host name is not known",
    "translate host": "the host name is not known",
    "timeout": "no answer in time",
    "too many": "the server has no connection left",
    "starting up": "the server is still starting",
}
LASTING = ("password authentication failed", "does not exist", "resolve host", "translate host")  # until a person acts


class Connection(AsyncConnection[DictRow]):
    """A connection that knows when a pool was last given it back."""

    _used_at = 0.0  # of time.monotonic()

    async def rest(self) -> None:
        """It has been given back."""
        self._used_at = time.monotonic()

    async def check(self) -> None:
        """It is about to be used again: OperationalError when it has ended while it rested."""
        if time.monotonic() - self._used_at > CHECK_AFTER:
            await AsyncConnectionPool.check_connection(self)


class Database(AsyncConnectionPool[Connection]):
    """A pool whose lost connections are errors of ours, so that whoever is at work knows that it may be done again."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109 - the pool's own
        """A connection with a transaction; DatabaseUnavailable when it is lost, before the commit or after: nobody knows."""
        async with self.statement(timeout) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def statement(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109 - the pool's own
        """A connection for one statement, which commits by itself; DatabaseUnavailable as above."""
        try:
            async with super().connection(timeout) as connection:
                yield connection
        except psycopg.OperationalError as failure:
            # unchained: the driver's text can hold parts of a row
            raise DatabaseUnavailable(
                f"the platform database did not answer ({type(failure).__name__}). What was being done may be done again."
            ) from None


@asynccontextmanager
async def open_database(url: str, *, max_size: int = 4) -> AsyncIterator[Database]:
    """A pool of at most `max_size` connections, closed at the end.

    DatabaseUnavailable when the database cannot be reached now, SetupError when it never will under this address.
    """
    # one plain attempt first: the pool would go on trying for its whole timeout. What it opened is the pool's first connection.
    opened = [await connect(url, autocommit=True)]

    class Opened(Connection):
        @classmethod
        async def connect(cls, *args: Any, **options: Any) -> Any:
            return opened.pop() if opened else await super().connect(*args, **options)

    pool = Database(
        url,
        connection_class=Opened,
        kwargs={**_options(), "autocommit": True},
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=30,
        # a connection that has ended while it rested, with a restart of the server say, is replaced instead of handed out
        check=Connection.check,
        reset=Connection.rest,
        name="platform",
    )
    async with pool:
        yield pool


async def connect(url: str, *, autocommit: bool = False) -> Connection:
    """One connection outside a pool, to be closed by the caller; the same errors as `open_database`."""
    try:
        return await Connection.connect(url, autocommit=autocommit, **_options())
    except psycopg.OperationalError as failure:
        kind = SetupError if any(sign in str(failure).lower() for sign in LASTING) else DatabaseUnavailable
        raise kind(
            f"the platform database ({_address(url)}) cannot be reached: {_reason(failure)}. Check DATABASE_URL."
        ) from None
    except psycopg.ProgrammingError:
        raise SetupError(
            "DATABASE_URL is not a PostgreSQL address such as postgresql://user:password@host:5432/database."
        ) from None


@asynccontextmanager
async def acting(db: Database, actor: str, reason: str = "") -> AsyncIterator[Connection]:
    """A transaction whose changes the audit log ascribes to `actor`, for `reason`."""
    async with db.connection() as connection:
        await connection.execute(
            "select set_config('app.actor', %s, true), set_config('app.reason', %s, true)", (actor, reason)
        )
        yield connection


@asynccontextmanager
async def listening(url: str, channel: str) -> AsyncIterator[Callable[[float], Awaitable[bool]]]:
    """A function that waits so many seconds at most and tells whether the channel was notified since it was asked last.

    Through a transaction pooler nothing is ever heard: whoever waits must look by itself as well.
    """
    async with await connect(url, autocommit=True) as connection:
        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))

        async def wait(seconds: float) -> bool:
            return bool([told async for told in connection.notifies(timeout=seconds, stop_after=1)])

        yield wait


def _options() -> dict[str, Any]:
    return {
        "row_factory": dict_row,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "tenant-provisioning",
        # Supabase's pooler may give each transaction another connection, which knows no prepared statement of ours
        "prepare_threshold": None,
    }


def _address(url: str) -> str:
    parts = conninfo_to_dict(url)
    if any("@" in str(part) for name, part in parts.items() if name != "password"):
        # a password with an unescaped @ or / has spilt into the other parts
        return "the address cannot be told apart from the password: write @ as %40 and / as %2F"
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"


def _reason(failure: psycopg.OperationalError) -> str:
    told = str(failure).lower()
    return next((meaning for sign, meaning in REASONS.items() if sign in told), "the connection could not be made")
