"""`python -m tenant_provisioning_tests.bench.door ADDRESS READY_FILE tcp:PORT… udp:PORT…`: loopback's ports at another address.

Who has gone without a word is noticed within some fifteen seconds, as by a database server whose tcp_keepalives_* are set for it.
"""

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import uvloop

LOOPBACK = "127.0.0.1"
ALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 3, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 15_000}


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _serve_tcp(address: str, port: int) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = writer.get_extra_info("socket")
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ALIVE.items():
            caller.setsockopt(socket.IPPROTO_TCP, option, value)
        try:
            answers, questions = await asyncio.open_connection(LOOPBACK, port)
            outwards = asyncio.create_task(_carry(answers, writer))
            await _carry(reader, questions)
            questions.close()
            await outwards
        except OSError:
            pass
        finally:
            writer.close()

    await asyncio.start_server(pass_on, address, port, backlog=1000)


class _Udp(asyncio.DatagramProtocol):
    """Questions and answers of one datagram each, as DNS has them."""

    def __init__(self, port: int) -> None:
        self._port, self._asked = port, set[asyncio.Task[None]]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._ask(data, addr))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _ask(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()

        class Once(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
                if not answer.done():
                    answer.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Once, remote_addr=(LOOPBACK, self._port))
        transport.sendto(data)
        with contextlib.suppress(TimeoutError):
            self._transport.sendto(await asyncio.wait_for(answer, 10), addr)  # type: ignore[attr-defined]
        transport.close()


async def main(address: str, ready: Path, *ports: str) -> None:
    """Never returns."""
    for name in ports:
        kind, _, port = name.partition(":")
        if kind == "tcp":
            await _serve_tcp(address, int(port))
        else:
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda number=int(port): _Udp(number), local_addr=(address, int(port)))
    await asyncio.to_thread(ready.touch)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
