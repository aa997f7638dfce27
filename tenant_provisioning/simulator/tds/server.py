"""The TDS server: one port for every data store, as Azure's gateways are; which one is meant, the sign-in says.

TLS begins inside PRELOGIN packets and everything after it is encrypted. Sign-in is by a token of Entra and by nothing else.
"""

import asyncio
import contextlib
import ssl
import time

from tenant_provisioning.simulator.entra.state import SQL_AUDIENCE, TokenProblem
from tenant_provisioning.simulator.tds import wire
from tenant_provisioning.simulator.tds.places import Place, find_place
from tenant_provisioning.simulator.tds.statements import SqlError, carry_out
from tenant_provisioning.simulator.world import RequestSeen, World

LOGIN_FAILED = (18456, "Login failed for user '<token-identified principal>'.")
CANNOT_OPEN = 4060
UNAVAILABLE = 40613


class TdsServer:
    """Listens on loopback for the world's data stores."""

    def __init__(self, world: World, context: ssl.SSLContext) -> None:
        self._world, self._context = world, context
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; 0 chooses a free port."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(wire.NotTds, OSError, asyncio.IncompleteReadError, ssl.SSLError):
            kind, _ = await wire.read_message(reader)
            if kind != wire.PRELOGIN:
                raise wire.NotTds
            writer.write(wire.packets(wire.REPLY, wire.prelogin_answer()))
            channel = await _Channel.open(reader, writer, self._context)
            kind, content = await channel.read()
            if kind != wire.LOGIN:
                raise wire.NotTds
            place = await self._sign_in(channel, wire.read_sign_in(content))
            while place is not None:
                kind, content = await channel.read()
                if kind != wire.SQL_BATCH or not await self._batch(channel, place, wire.batch_text(content)):
                    break
        writer.close()

    async def _sign_in(self, channel: "_Channel", asked: wire.SignIn) -> Place | None:
        """The place that was asked for; None when the caller may not in, or there is none."""
        try:
            caller = self._world.entra.check(asked.token, SQL_AUDIENCE)
        except TokenProblem:
            await channel.answer(wire.refused(LOGIN_FAILED))
            return None
        place = find_place(self._world, asked.server, asked.database)
        if place is None or not place.admits(caller.object_id):
            message = f'Cannot open database "{asked.database}" requested by the login. The login failed.'
            await channel.answer(wire.refused((CANNOT_OPEN, message), LOGIN_FAILED))
            return None
        await channel.answer(wire.signed_in(asked.database))
        return place

    async def _batch(self, channel: "_Channel", place: Place, text: str) -> bool:
        """Whether the connection goes on after this batch."""
        started, clock = self._world.now(), time.perf_counter()
        fault = self._world.faults.strike("sql", "batch", text)
        kind = fault.plan.kind if fault else None
        if kind in {None, "lost_response"}:
            try:
                done = carry_out(text, place.content())
            except SqlError as refusal:
                answer = wire.refused((refusal.number, refusal.message))
            else:
                place.keep(done.content)
                self._world.commit()
                answer = wire.rows_answer(done.column, done.rows) if done.column else wire.DONE
        else:
            answer = wire.refused((UNAVAILABLE, "The database is not currently available. Please retry later."))
        path = f"/{place.server}/{place.database}"
        seconds = time.perf_counter() - clock
        self._world.log.append(RequestSeen("sql", "batch", "TDS", path, 200, "", started, seconds, kind))
        if kind == "lost_response":
            return False
        await channel.answer(answer)
        return True


class _Channel:
    """Messages over TLS that was agreed upon inside PRELOGIN packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._reader, self._writer = reader, writer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._plain = asyncio.StreamReader()

    @classmethod
    async def open(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> "_Channel":
        """The channel once both sides have agreed."""
        channel = cls(reader, writer, context)
        while True:
            try:
                channel._tls.do_handshake()
            except ssl.SSLWantReadError:
                channel._hand_over()
                _, content = await wire.read_message(reader)
                channel._in.write(content)
            else:
                channel._hand_over()
                return channel

    def _hand_over(self) -> None:
        said = self._out.read()
        if said:
            self._writer.write(wire.packets(wire.PRELOGIN, said))

    async def read(self) -> tuple[int, bytes]:
        """The next message."""
        pumping = asyncio.create_task(self._pump())
        try:
            return await wire.read_message(self._plain)
        finally:
            pumping.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, ssl.SSLError):
                await pumping

    async def _pump(self) -> None:
        """Decrypt what comes, until nothing comes any more."""
        while True:
            try:
                self._plain.feed_data(self._tls.read(65536))
            except ssl.SSLWantReadError:
                received = await self._reader.read(65536)
                if not received:
                    self._plain.feed_eof()
                    return
                self._in.write(received)
            except ssl.SSLError:
                self._plain.feed_eof()
                return

    async def answer(self, tokens: bytes) -> None:
        """Send these tokens as one message."""
        self._tls.write(wire.packets(wire.REPLY, tokens))
        self._writer.write(self._out.read())
        await self._writer.drain()
