"""Listening: the application over TLS, the DNS server and the data stores' SQL, in one event loop, on loopback only."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn

from tenant_provisioning.simulator.app import Simulator
from tenant_provisioning.simulator.dns import DnsServer
from tenant_provisioning.simulator.tds.server import TdsServer
from tenant_provisioning.simulator.tls import server_context, sql_context
from tenant_provisioning.simulator.world import World

HOST = "127.0.0.1"
BACKLOG = 2048


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers, telling when it listens."""

    started_listening: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.started_listening()


async def serve(
    world: World,
    *,
    ca_file: Path,
    port: int = 0,
    dns_port: int = 0,
    tds_port: int = 0,
    ready: Callable[[str, int, int], None],
    stop: asyncio.Event,
) -> None:
    """Serve the world until `stop` is set; `ready` is called with the URL, the DNS port and the TDS port once all listen."""
    listener = _listener(port)
    dns = DnsServer(world)
    await dns.start(dns_port)
    server = _Server(_config(world, server_context(ca_file)))
    tds = TdsServer(world, sql_context(ca_file))
    await tds.start(tds_port)
    url = f"https://localhost:{listener.getsockname()[1]}"
    server.started_listening = lambda: ready(url, dns.port, tds.port)
    watching = asyncio.create_task(_stop_when_told(server, stop))
    try:
        await server._serve([listener])
    finally:
        watching.cancel()
        # closing politely would wait for what clients with idle connections never say
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        dns.close()
        tds.close()
        listener.close()


def _listener(port: int) -> socket.socket:
    # asyncio switches off Nagle's delay, 40 ms a call, only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(BACKLOG)
    return listener


def _config(world: World, context: ssl.SSLContext) -> uvicorn.Config:
    config = uvicorn.Config(
        Simulator(world),
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = context
    return config


async def _stop_when_told(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
    # calls that hang or take their time are not waited for
    await asyncio.sleep(0.3)
    server.force_exit = True
