"""What is done to this process's own side of the wire: commits that are counted and cut off, and the moment of dying.

The vendors' side is `world`. Neither touches the product's code: the driver psycopg, httpx and aiosmtplib are wrapped.
"""

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import aiosmtplib
import httpx
import psycopg
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg.pq import TransactionStatus

STORE, ELSEWHERE = "tenant_provisioning.store.", "elsewhere"
WRITES = re.compile(r"\b(insert|update|delete)\b|^\s*select \w+\(", re.IGNORECASE)  # a function may write as well


def die() -> None:
    """As kill -9 would have it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Commits:
    """Every COMMIT that this process sends, by the function of the store that is at work; one of them can be struck.

    A statement that commits by itself is one too.
    """

    def __init__(self) -> None:
        self.record: list[tuple[str, bool]] | None = None  # function, and whether it wrote anything
        self.struck = False
        self._target: tuple[str, int, str] | None = None
        self._met = 0

    def strike(self, function: str, nth: int, kind: str) -> None:
        """The n-th commit of the function from now on is struck."""
        self._target, self._met, self.struck = (function, nth, kind), 0, False

    def calm(self) -> None:
        """All goes well from now on."""
        self._target = None

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """What is committed meanwhile is neither counted nor struck."""
        kept, self.record, self._target = (self.record, self._target), None, None
        try:
            yield
        finally:
            self.record, self._target = kept

    def around(
        self, connection: BaseConnection[Any], writes: Callable[[], bool], send: Callable[[], Generator[Any, Any, Any]]
    ) -> Any:
        """The COMMIT, or what becomes of it."""
        function = _function()
        if self.record is not None:
            self.record.append((function, writes()))
        kind = self._due(function)
        if kind == "kill_before":
            die()
        if kind == "lost_before":
            _cut(connection)
        result = yield from send()
        if kind == "kill_after":
            die()
        if kind == "lost_after":
            _cut(connection)
            connection.pgconn.finish()
            raise psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly")
        return result

    def _due(self, function: str) -> str:
        if self._target is None or self._target[0] != function:
            return ""
        self._met += 1
        if self._met != self._target[1]:
            return ""
        self.struck = True
        return self._target[2]


COMMITS = Commits()


class Deaths:
    """While `armed`, this process dies of the first broken exchange with a vendor: the world has seen to when that is."""

    armed = False


def install() -> None:
    """Wrap the libraries, once a process."""
    _wrap_the_driver()
    _wrap_what_calls()


def _wrap_the_driver() -> None:
    command_of, execute = BaseConnection._exec_command, BaseCursor._execute_gen

    def committed(self: Any, command: Any, *arguments: Any) -> Any:
        def send() -> Any:
            return command_of(self, command, *arguments)

        def writes() -> bool:
            return self.pgconn.exec_(b"select pg_current_xact_id_if_assigned()").get_value(0, 0) is not None

        return (yield from (COMMITS.around(self, writes, send) if command == b"COMMIT" else send()))

    def executed(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        connection = self._conn
        is_alone = connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE

        def send() -> Any:
            return execute(self, query, *arguments, **options)

        def writes() -> bool:
            text = query if isinstance(query, str | bytes) else query.as_string(connection)
            return WRITES.search(text.decode() if isinstance(text, bytes) else text) is not None

        # an empty one asks whether the connection still stands; what is said elsewhere is the laboratory's own
        is_commit = is_alone and query and _function() != ELSEWHERE
        return (yield from (COMMITS.around(connection, writes, send) if is_commit else send()))

    BaseConnection._exec_command = committed  # type: ignore[method-assign]
    BaseCursor._execute_gen = executed  # type: ignore[method-assign]


def _wrap_what_calls() -> None:
    smtp = aiosmtplib.SMTP.sendmail
    asynchronous, blocking = httpx.AsyncHTTPTransport.handle_async_request, httpx.HTTPTransport.handle_request

    async def asked(self: Any, request: httpx.Request) -> httpx.Response:
        try:
            return await asynchronous(self, request)
        except httpx.TransportError:
            _die_if_armed()
            raise

    def asked_blocking(self: Any, request: httpx.Request) -> httpx.Response:
        try:
            return blocking(self, request)
        except httpx.TransportError:
            _die_if_armed()
            raise

    async def mailed(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return await smtp(self, *arguments, **options)
        except (aiosmtplib.SMTPException, OSError):
            _die_if_armed()
            raise

    httpx.AsyncHTTPTransport.handle_async_request = asked  # type: ignore[method-assign]
    httpx.HTTPTransport.handle_request = asked_blocking  # type: ignore[method-assign]
    aiosmtplib.SMTP.sendmail = mailed  # type: ignore[method-assign]


def _die_if_armed() -> None:
    if Deaths.armed:
        die()


def _function() -> str:
    """The innermost function of the store on the way here, as "artifacts.intend"."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(STORE) and module != STORE + "database":
            return f"{module.removeprefix(STORE)}.{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return ELSEWHERE


def _cut(connection: BaseConnection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as wire:
        wire.shutdown(socket.SHUT_RDWR)
