"""A DNS server that answers from GoDaddy's zones, over UDP and TCP, in the simulator's own event loop.

Names at Vercel's DNS targets resolve too. Anything else is refused: this server is no resolver.
"""

import asyncio
import socket
from collections.abc import Iterator

from dnslib import AAAA, CNAME, MX, NS, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSError, DNSRecord

from tenant_provisioning.simulator.godaddy.records import Record
from tenant_provisioning.simulator.world import World

HOST = "127.0.0.1"
UDP_BYTES = 1232
LONGEST_CHAIN = 8
NEGATIVE_TTL = 5
VERCEL_SUFFIXES = tuple(f".vercel-dns{ending}" for ending in (".com", "-0.com", "-016.com", "-017.com"))
ADDRESS = "127.0.0.1"  # where parked names and Vercel's targets lead: nothing may be reached outside this machine
VERCEL_TTL = 60


class DnsServer:
    """Both listeners; `port` is known once `start` has returned."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on the port of the loopback address, UDP and TCP alike; 0 chooses a free one."""
        self._tcp = await asyncio.start_server(self._serve_tcp, HOST, port)
        self.port = int(self._tcp.sockets[0].getsockname()[1])
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind((HOST, self.port))
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._world), sock=listener)

    def close(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = answer_packet(self._world, await reader.readexactly(length), longest=None)
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a datagram endpoint has this kind

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = answer_packet(self._world, data, longest=UDP_BYTES)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


def answer_packet(world: World, packet: bytes, longest: int | None) -> bytes | None:
    """The reply to a DNS packet, truncated if it would be longer; None to what is no DNS query."""
    try:
        query = DNSRecord.parse(packet)
    except DNSError:
        return None
    reply = query.reply(aa=1, ra=0)
    _fill(world, reply, str(query.q.qname).lower().rstrip("."), QTYPE.get(query.q.qtype))
    packed: bytes = reply.pack()
    if longest is not None and len(packed) > longest:
        # dnslib's own truncate() drops the question, and clients then wait for a better answer
        reply.rr, reply.auth, reply.ar, reply.header.tc = [], [], [], 1
        packed = reply.pack()
    return packed


def _fill(world: World, reply: DNSRecord, name: str, kind: str) -> None:
    if not name.endswith(VERCEL_SUFFIXES) and world.godaddy.zone_of(name) is None:
        reply.header.rcode, reply.header.aa = RCODE.REFUSED, 0
        return
    found = list(_chain(world, name, kind))
    if found:
        reply.add_answer(*found)
        return
    zone, inside = world.godaddy.zone_of(name) or (name.split(".", 1)[1], "")
    server = f"ns01.{zone}"
    reply.add_auth(
        RR(zone, QTYPE.SOA, rdata=SOA(server, f"dns.{zone}", (1, 60, 60, 600, NEGATIVE_TTL)), ttl=NEGATIVE_TTL)
    )
    if inside and not world.godaddy.name_exists(zone, inside):
        reply.header.rcode = RCODE.NXDOMAIN  # otherwise the name is there, without data of this type


def _chain(world: World, name: str, kind: str) -> Iterator[RR]:
    """The records that answer the question, aliases first, as far as this server knows them."""
    for _ in range(LONGEST_CHAIN):
        if name.endswith(VERCEL_SUFFIXES):
            if kind in {"A", "ANY"}:
                yield RR(name, QTYPE.A, rdata=A(ADDRESS), ttl=VERCEL_TTL)
            return
        found = world.godaddy.zone_of(name)
        if found is None:
            return
        zone, inside = found
        said = world.godaddy.published(zone, kind, inside) or _wildcard(world, zone, kind, inside)
        if said:
            yield from (_resource(name, kind, record, zone) for record in said)
            return
        aliases = world.godaddy.published(zone, "CNAME", inside) or _wildcard(world, zone, "CNAME", inside)
        if not aliases:
            return
        yield _resource(name, "CNAME", aliases[0], zone)
        name = zone if aliases[0].data == "@" else aliases[0].data.rstrip(".").lower()


def _wildcard(world: World, zone: str, kind: str, inside: str) -> tuple[Record, ...]:
    if inside == "@" or world.godaddy.name_exists(zone, inside):
        return ()
    _, _, rest = inside.partition(".")
    return world.godaddy.published(zone, kind, f"*.{rest}" if rest else "*")


def _resource(name: str, kind: str, record: Record, zone: str) -> RR:
    data = zone if record.data == "@" else record.data.rstrip(".")
    match kind:
        case "A":
            rdata = A(ADDRESS if data == "Parked" else data)
        case "AAAA":
            rdata = AAAA(data)
        case "MX":
            rdata = MX(data, record.priority or 0)
        case "SRV":
            rdata = SRV(record.priority or 0, record.weight or 0, record.port or 0, data)
        case "TXT":
            rdata = TXT([record.data[at : at + 255] for at in range(0, len(record.data), 255)])
        case "NS":
            rdata = NS(data)
        case _:
            rdata = CNAME(data)
    return RR(name, getattr(QTYPE, kind), rdata=rdata, ttl=record.ttl)
