"""DNS says what the zone holds, asked with dnspython over UDP and TCP."""

from typing import Any

import dns.message
import dns.query
import dns.rcode
import dns.resolver
import httpx
import pytest

RECORDS = "/v1/domains/yourplatform.com/records"


@pytest.fixture
def resolver(simulator: Any) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port, made.lifetime = ["127.0.0.1"], simulator.dns_port, 3
    return made


@pytest.fixture
def godaddy(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = "sso-key simulated-key:simulated-godaddy-secret"
    return http


def put(client: httpx.Client, kind: str, name: str, *data: str) -> None:
    body = [{"data": one, "ttl": 600} for one in data]
    assert client.put(f"{RECORDS}/{kind}/{name}", json=body).status_code == 200


def test_a_record_is_answered_from_the_moment_it_is_put_until_it_is_deleted(
    godaddy: httpx.Client, resolver: Any
) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("acme.yourplatform.com", "CNAME")

    put(godaddy, "CNAME", "acme", "abc.vercel-dns-017.com")
    found = resolver.resolve("acme.yourplatform.com", "CNAME")
    godaddy.delete(f"{RECORDS}/CNAME/acme")

    assert [str(record.target) for record in found] == ["abc.vercel-dns-017.com."]
    assert found.rrset.ttl == 600
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("acme.yourplatform.com", "CNAME")


def test_an_alias_is_followed_to_vercels_address(godaddy: httpx.Client, resolver: Any) -> None:
    put(godaddy, "CNAME", "acme", "abc.vercel-dns-017.com.")

    assert [record.address for record in resolver.resolve("ACME.yourplatform.com", "A")] == ["127.0.0.1"]


def test_a_name_without_data_of_the_type_is_no_answer_and_a_strange_zone_is_refused(
    simulator: Any, resolver: Any
) -> None:
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("yourplatform.com", "MX")
    strange = dns.query.udp(
        dns.message.make_query("elsewhere.com", "A"), "127.0.0.1", port=simulator.dns_port, timeout=3
    )
    assert strange.rcode() == dns.rcode.REFUSED


def test_what_does_not_fit_a_datagram_comes_over_tcp(godaddy: httpx.Client, simulator: Any, resolver: Any) -> None:
    put(godaddy, "TXT", "long", *(f"{number}-" + "x" * 200 for number in range(12)))
    query = dns.message.make_query("long.yourplatform.com", "TXT")

    _, by_tcp = dns.query.udp_with_fallback(query, "127.0.0.1", port=simulator.dns_port, timeout=3)

    assert by_tcp
    assert len(list(resolver.resolve("long.yourplatform.com", "TXT"))) == 12


def test_a_wildcard_answers_only_for_names_that_are_not_there(godaddy: httpx.Client, resolver: Any) -> None:
    put(godaddy, "A", "*", "192.0.2.9")
    put(godaddy, "TXT", "acme", "here")

    assert resolver.resolve("anything.yourplatform.com", "A")[0].address == "192.0.2.9"
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("acme.yourplatform.com", "A")


def test_while_a_change_propagates_dns_says_what_it_said_before(
    godaddy: httpx.Client, simulator: Any, resolver: Any
) -> None:
    put(godaddy, "A", "acme", "192.0.2.1")
    simulator.control("PATCH", "knobs/godaddy", {"zone_change_seconds": 5})
    put(godaddy, "A", "acme", "192.0.2.2")

    assert resolver.resolve("acme.yourplatform.com", "A")[0].address == "192.0.2.1"
    simulator.control("POST", "clock", {"advance": 6})
    assert resolver.resolve("acme.yourplatform.com", "A")[0].address == "192.0.2.2"
    godaddy.delete(f"{RECORDS}/A/acme")
    assert resolver.resolve("acme.yourplatform.com", "A")[0].address == "192.0.2.2"
    simulator.control("POST", "clock", {"advance": 6})
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("acme.yourplatform.com", "A")
