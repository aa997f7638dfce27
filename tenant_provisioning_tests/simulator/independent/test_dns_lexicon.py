"""dns-lexicon keeps records at the simulated GoDaddy; its DNS server then answers what the zone holds."""

import functools
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import dns.rcode
import lexicon._private.providers.godaddy as lexicon_godaddy
import pytest
import tldextract
from lexicon.client import Client
from lexicon.config import ConfigResolver
from lexicon.exceptions import LexiconError

from tenant_provisioning.simulator.world import DOMAIN, GODADDY_KEY, GODADDY_SECRET

TARGET = "cname.vercel-dns-0.com"


@pytest.fixture
def zone(simulator: Any, trusted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Lexicon's operations on our domain."""
    made = lexicon_godaddy.Provider.__init__

    def elsewhere(provider: Any, config: Any) -> None:
        made(provider, config)
        provider.api_endpoint = f"{simulator.url}/v1"

    monkeypatch.setattr(lexicon_godaddy.Provider, "__init__", elsewhere)
    # tldextract would otherwise ask the internet for the newest list of public suffixes first
    monkeypatch.setattr(tldextract, "TLDExtract", functools.partial(tldextract.TLDExtract, suffix_list_urls=()))
    monkeypatch.setattr(tldextract.tldextract, "TLD_EXTRACTOR", tldextract.TLDExtract(cache_dir=None))
    config = {
        "provider_name": "godaddy",
        "domain": DOMAIN,
        "ttl": 600,
        "godaddy": {"auth_key": GODADDY_KEY, "auth_secret": GODADDY_SECRET},
    }
    with Client(ConfigResolver().with_dict(config)) as operations:
        yield operations


@pytest.fixture
def resolve(simulator: Any) -> Any:
    """The texts of the answers that the simulated name server gives."""

    def answers(name: str, kind: str) -> list[str]:
        question = dns.message.make_query(f"{name}.{DOMAIN}", kind)
        replied = dns.query.udp(question, "127.0.0.1", port=simulator.dns_port, timeout=5)
        return [str(record) for group in replied.answer for record in group if group.name == question.question[0].name]

    return answers


def contents(zone: Any, kind: str, name: str | None = None) -> list[tuple[str, str]]:
    """Names and contents of the records that Lexicon lists."""
    return sorted((record["name"], record["content"]) for record in zone.list_records(kind, name))


def test_a_created_record_is_listed_and_resolves(zone: Any, resolve: Any) -> None:
    zone.create_record("CNAME", "acme", TARGET)

    assert contents(zone, "CNAME", "acme") == [(f"acme.{DOMAIN}", TARGET)]
    assert resolve("acme", "CNAME") == [f"{TARGET}."]
    assert zone.list_records("CNAME", "acme")[0]["ttl"] == 600


def test_creating_the_same_record_again_changes_nothing(zone: Any, requests_seen: Any) -> None:
    zone.create_record("CNAME", "acme", TARGET)
    zone.create_record("CNAME", "acme", TARGET)

    assert contents(zone, "CNAME", "acme") == [(f"acme.{DOMAIN}", TARGET)]
    assert requests_seen("godaddy").count("put_records") == 1


def test_a_record_that_is_not_there_is_an_empty_list_and_no_error(zone: Any) -> None:
    assert zone.list_records("CNAME", "nobody") == []


def test_a_name_exists_as_long_as_there_is_anything_below_it(zone: Any, simulator: Any) -> None:
    def answered(name: str) -> str:
        question = dns.message.make_query(f"{name}.{DOMAIN}", "A")
        return dns.rcode.to_text(dns.query.udp(question, "127.0.0.1", port=simulator.dns_port, timeout=5).rcode())

    zone.create_record("TXT", "www.acme", "deep")
    with_it = answered("acme")
    zone.delete_record(rtype="TXT", name="www.acme")

    assert (with_it, answered("acme")) == ("NOERROR", "NXDOMAIN")


def test_two_records_of_one_name_and_type_stand_together(zone: Any, resolve: Any) -> None:
    zone.create_record("TXT", "_vercel", "vc-domain-verify=one")
    zone.create_record("TXT", "_vercel", "vc-domain-verify=two")

    assert resolve("_vercel", "TXT") == ['"vc-domain-verify=one"', '"vc-domain-verify=two"']


def test_an_update_by_type_and_name_replaces_the_content(zone: Any, resolve: Any) -> None:
    zone.create_record("CNAME", "acme", TARGET)

    zone.update_record(rtype="CNAME", name="acme", content="cname.vercel-dns-1.com")

    assert resolve("acme", "CNAME") == ["cname.vercel-dns-1.com."]


def test_an_update_by_identifier_reaches_that_record_only(zone: Any) -> None:
    zone.create_record("TXT", "notes", "first")
    zone.create_record("TXT", "notes", "second")
    first = next(record["id"] for record in zone.list_records("TXT", "notes") if record["content"] == "first")

    zone.update_record(first, content="changed")

    assert contents(zone, "TXT", "notes") == [(f"notes.{DOMAIN}", "changed"), (f"notes.{DOMAIN}", "second")]


def test_deleting_one_record_leaves_the_others_of_its_type(zone: Any, resolve: Any) -> None:
    before = contents(zone, "CNAME")
    zone.create_record("CNAME", "acme", TARGET)
    zone.create_record("CNAME", "borealis", TARGET)

    zone.delete_record(rtype="CNAME", name="acme")

    assert resolve("acme", "CNAME") == []
    assert contents(zone, "CNAME") == sorted([*before, (f"borealis.{DOMAIN}", TARGET)])


def test_deleting_the_last_record_of_a_type_empties_it(zone: Any) -> None:
    zone.create_record("TXT", "only", "one")
    for record in zone.list_records("TXT"):
        zone.delete_record(record["id"])

    assert zone.list_records("TXT") == []


def test_deleting_what_is_not_there_is_lexicons_own_error(zone: Any) -> None:
    with pytest.raises(LexiconError, match="Could not find record matching type: CNAME, name: nobody"):
        zone.delete_record(rtype="CNAME", name="nobody")


def test_a_zone_that_is_changing_is_waited_for(zone: Any, simulator: Any) -> None:
    simulator.add_fault("godaddy", "refuse", operation="put_records", nth=1, status=409, code="CONFLICT")

    zone.create_record("CNAME", "acme", TARGET)

    assert contents(zone, "CNAME", "acme") == [(f"acme.{DOMAIN}", TARGET)]
