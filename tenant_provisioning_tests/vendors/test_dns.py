"""The resolver against a real DNS server on loopback, over UDP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dnslib import CNAME, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.dns import Resolver
from tenant_provisioning.vendors.godaddy import GoDaddy, Record

TARGET = "d433667938f5b093.vercel-dns-017.com"


class Zone(BaseResolver):
    """Answers for two names; `fault` is an RCODE to answer instead."""

    def __init__(self, fault: int | None = None) -> None:
        self.fault = fault

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:  # noqa: ARG002 - as dnslib calls it
        reply = request.reply()
        name = str(request.q.qname).lower()
        if self.fault is not None:
            reply.header.rcode = self.fault
        elif name == "acme.yourplatform.com.":
            reply.add_answer(RR(request.q.qname, QTYPE.CNAME, rdata=CNAME(TARGET.upper() + "."), ttl=5))
        elif name == "address.yourplatform.com.":
            if request.q.qtype == QTYPE.A:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("192.0.2.1"), ttl=5))
        else:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@contextmanager
def serving(zone: Zone) -> Iterator[tuple[str, int]]:
    """The address and port of a server that answers from the zone."""
    server = DNSServer(zone, address="127.0.0.1", port=0, logger=DNSLogger(logf=lambda *_: None)).server
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def nameserver() -> Iterator[tuple[str, int]]:
    with serving(Zone()) as address:
        yield address


async def test_the_target_comes_without_its_final_dot_and_in_lower_case(nameserver: tuple[str, int]) -> None:
    assert await Resolver([nameserver]).find_cname("acme.yourplatform.com") == TARGET


@pytest.mark.parametrize("host", ["nobody.yourplatform.com", "address.yourplatform.com"])
async def test_a_name_that_is_absent_or_has_no_cname_has_no_target(nameserver: tuple[str, int], host: str) -> None:
    assert await Resolver([nameserver]).find_cname(host) is None


@pytest.mark.parametrize("fault", [RCODE.SERVFAIL, RCODE.REFUSED])
async def test_a_server_that_fails_is_not_an_absent_record(fault: int) -> None:
    with serving(Zone(fault)) as failing, pytest.raises(VendorUnavailable, match=r"acme\.yourplatform\.com failed"):
        await Resolver([failing], timeout=2).find_cname("acme.yourplatform.com")


async def test_silence_ends_at_the_timeout_as_unavailable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(VendorUnavailable, match=r"within 0\.2 seconds"):
            await Resolver([silent.getsockname()], timeout=0.2).find_cname("acme.yourplatform.com")
    assert time.monotonic() - started < 1


async def test_the_second_server_answers_when_the_first_fails(nameserver: tuple[str, int]) -> None:
    with serving(Zone(RCODE.SERVFAIL)) as failing:
        assert await Resolver([failing, nameserver]).find_cname("acme.yourplatform.com") == TARGET


async def test_a_text_that_is_no_host_name_is_rejected_without_asking() -> None:
    with pytest.raises(VendorRejected, match="not a host name"):
        await Resolver([("127.0.0.1", 1)]).find_cname("acme..yourplatform.com")


def test_a_name_server_given_by_name_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(SetupError, match="“localhost” in DNS_NAMESERVERS"):
        Resolver([("localhost", 53)])


async def test_a_record_put_at_godaddy_resolves_and_stops_resolving(simulator: Any) -> None:
    resolver = Resolver([("127.0.0.1", simulator.dns_port)])
    key, secret = "simulated-key", "simulated-godaddy-secret"
    async with GoDaddy(simulator.url, key, secret, verify=simulator.trusting) as godaddy:
        assert await resolver.find_cname("acme.yourplatform.com") is None
        await godaddy.put_record("yourplatform.com", Record("CNAME", "acme", TARGET))
        assert await resolver.find_cname("acme.yourplatform.com") == TARGET
        await godaddy.delete_record("yourplatform.com", "CNAME", "acme")
        assert await resolver.find_cname("acme.yourplatform.com") is None
