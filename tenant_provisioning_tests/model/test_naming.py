"""Names at the vendors: legal, found again, and never shared by two things or two organizations."""

from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tenant_provisioning.model.naming import (
    DNS_LABEL,
    RESERVED_SUBDOMAINS,
    connection_name,
    dataset_name,
    fabric_workspace_name,
    host_name,
    lakehouse_name,
    owner_mark,
    powerbi_workspace_name,
    user_id,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=250)
SUBDOMAINS = st.from_regex(DNS_LABEL, fullmatch=True)
FABRIC_NAME_LENGTH = 256  # displayName of a workspace, by Fabric's OpenAPI description
CONNECTION_NAME_LENGTH = 200
LAKEHOUSE_NAME_LENGTH = 123


@given(SUBDOMAINS)
def test_a_subdomain_is_a_dns_label(subdomain: str) -> None:
    assert 1 <= len(subdomain) <= 63
    assert subdomain.isascii()
    assert subdomain == subdomain.lower()
    assert not subdomain.startswith("-")
    assert not subdomain.endswith("-")
    assert host_name(subdomain, "yourplatform.com") == f"{subdomain}.yourplatform.com"


@pytest.mark.parametrize(
    "label", ["", "-a", "a-", "a_b", "A", "a.b", "ä", "a" * 64, "a\n", "\u0661", "a b"]  # U+0661: an Arabic digit
)  # fmt: skip
def test_what_is_no_dns_label_is_told_apart(label: str) -> None:
    assert not DNS_LABEL.fullmatch(label)


def test_every_reserved_subdomain_could_otherwise_be_chosen() -> None:
    assert all(DNS_LABEL.fullmatch(reserved) for reserved in RESERVED_SUBDOMAINS)
    assert {"www", "api", "admin"} <= RESERVED_SUBDOMAINS


@given(NAMES, SUBDOMAINS)
def test_workspace_names_keep_to_the_length_that_fabric_takes(name: str, subdomain: str) -> None:
    assert len(fabric_workspace_name(name, subdomain)) <= FABRIC_NAME_LENGTH
    assert len(powerbi_workspace_name(name, subdomain)) <= FABRIC_NAME_LENGTH
    assert len(dataset_name(name)) <= FABRIC_NAME_LENGTH


def test_the_longest_workspace_names_still_fit() -> None:
    assert len(powerbi_workspace_name("n" * 200, "s" * 63)) <= FABRIC_NAME_LENGTH
    assert len(fabric_workspace_name("n" * 200, "s" * 63)) <= FABRIC_NAME_LENGTH


@given(NAMES, NAMES, SUBDOMAINS, SUBDOMAINS)
def test_two_workspaces_never_have_the_same_name(name: str, other: str, subdomain: str, another: str) -> None:
    names = {fabric_workspace_name(name, subdomain).casefold(), powerbi_workspace_name(name, subdomain).casefold()}
    assert len(names) == 2

    assume(subdomain != another)
    others = {fabric_workspace_name(other, another).casefold(), powerbi_workspace_name(other, another).casefold()}
    assert not names & others


@given(NAMES, SUBDOMAINS)
def test_a_workspace_name_tells_the_customer(name: str, subdomain: str) -> None:
    assert fabric_workspace_name(name, subdomain).startswith(name[:150])
    assert f"({subdomain})" in powerbi_workspace_name(name, subdomain)


@given(SUBDOMAINS, SUBDOMAINS)
def test_lakehouse_names_are_legal_and_differ(subdomain: str, another: str) -> None:
    name = lakehouse_name(subdomain)

    assert name[0].isalpha()
    assert name.replace("_", "").isalnum()
    assert len(name) <= LAKEHOUSE_NAME_LENGTH
    assert (name == lakehouse_name(another)) == (subdomain == another)


@given(st.uuids(), st.uuids())
def test_marks_and_connection_names_tell_organizations_and_workspaces_apart(one: UUID, other: UUID) -> None:
    assert (owner_mark(one) == owner_mark(other)) == (one == other)
    assert (connection_name(str(one)) == connection_name(str(other))) == (one == other)
    assert str(one) in connection_name(str(one))
    assert len(connection_name(str(one))) <= CONNECTION_NAME_LENGTH


def test_a_users_id_never_changes() -> None:
    acme = UUID("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")

    # a constant: another value would orphan every user that exists
    assert user_id(acme, "jo@acme.example") == UUID("9147f8e3-59a7-517e-aa0a-ffa0d29dce9e")


@given(st.uuids(), st.uuids(), st.emails(), st.emails())
def test_a_users_id_depends_on_organization_and_email_alone(one: UUID, other: UUID, email: str, another: str) -> None:
    assert user_id(one, f" {email.upper()} ") == user_id(one, email.upper().lower())
    assert (user_id(one, email) == user_id(other, email)) == (one == other)
    assert (user_id(one, email) == user_id(one, another)) == (email.lower() == another.lower())
