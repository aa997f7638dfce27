"""The onboarding form: what is valid goes through unchanged, what is not is told all at once, field by field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.catalog import Provider
from tenant_provisioning.model.errors import RequestInvalid
from tenant_provisioning.model.naming import DNS_LABEL, RESERVED_SUBDOMAINS
from tenant_provisioning.model.tenant import DataStoreKind, OnboardingForm, SuperUser, validate_form

PROVIDERS = (
    Provider("APTEM", "lms", "Aptem"),
    Provider("BUD", "lms", "Bud"),
    Provider("BKSB", "english_maths", "bksb"),
    Provider("HUBSPOT", "crm", "HubSpot"),
    Provider("CASCADE", "hr", "Cascade"),
)
TAKEN_SUBDOMAIN, TAKEN_EMAIL = "taken", "taken@other.co.uk"
JO = {"email": "jo@acme.co.uk", "first_name": "Jo", "last_name": "Bloggs"}
ACME: dict[str, Any] = {
    "name": "Acme Training",
    "subdomain": "acme",
    "lms": "APTEM",
    "english_maths": "BKSB",
    "crm": "HUBSPOT",
    "super_users": [JO],
}


def validated(raw: object) -> OnboardingForm:
    return validate_form(
        raw,
        providers=PROVIDERS,
        taken_subdomains={TAKEN_SUBDOMAIN},
        taken_emails={TAKEN_EMAIL},
        default_domain="yourplatform.com",
    )


def mistakes_in(raw: object) -> dict[str, tuple[str, ...]]:
    with pytest.raises(RequestInvalid) as refused:
        validated(raw)
    return dict(refused.value.errors)


def as_request(form: OnboardingForm) -> dict[str, Any]:
    people = [
        {"email": person.email, "first_name": person.first_name, "last_name": person.last_name}
        for person in form.super_users
    ]
    return {
        "name": form.name,
        "subdomain": form.subdomain,
        "domain": form.domain,
        "data_store": {"kind": form.data_store.value},
        **form.providers,
        "super_users": people,
    }


def test_a_valid_request_becomes_a_form() -> None:
    assert validated(ACME) == OnboardingForm(
        "Acme Training",
        "acme",
        "yourplatform.com",
        {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"},
        DataStoreKind.LAKEHOUSE,
        (SuperUser("jo@acme.co.uk", "Jo", "Bloggs"),),
    )


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "M", "N"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)
EMAILS = st.from_regex(r"[a-z][a-z0-9.]{0,10}[a-z]@[a-z]{1,10}\.(com|co\.uk)", fullmatch=True).filter(
    lambda email: ".." not in email and email != TAKEN_EMAIL
)
REQUESTS = st.fixed_dictionaries(
    {
        "name": st.lists(WORDS, min_size=1, max_size=4).map(" ".join),
        "subdomain": st.from_regex(DNS_LABEL, fullmatch=True).filter(
            lambda label: label not in RESERVED_SUBDOMAINS and label != TAKEN_SUBDOMAIN
        ),
        "lms": st.sampled_from(["APTEM", "BUD"]),
        "english_maths": st.just("BKSB"),
        "crm": st.just("HUBSPOT"),
        "super_users": st.lists(
            st.fixed_dictionaries({"email": EMAILS, "first_name": WORDS, "last_name": WORDS}),
            min_size=1,
            max_size=4,
            unique_by=lambda person: person["email"],
        ),
    },
    optional={
        "hr": st.sampled_from(["CASCADE", "", None]),
        "domain": st.sampled_from(["example.org", "training.example.org", "", None]),
        "data_store": st.sampled_from(["lakehouse", {"kind": "lakehouse"}, None]),
    },
)


@given(REQUESTS)
def test_a_valid_request_survives_a_round_trip(raw: dict[str, Any]) -> None:
    form = validated(raw)

    assert form.name == raw["name"]
    assert [person.email for person in form.super_users] == [person["email"] for person in raw["super_users"]]
    assert validated(as_request(form)) == form


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.text("\ud800\x00\u202e\n")
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=12,
)
FIELDS = st.sampled_from([*ACME, "hr", "domain", "data_store"])


@given(JSON)
def test_any_json_is_a_form_or_is_refused_by_field(raw: object) -> None:
    mistakes = mistakes_in(raw)

    assert mistakes
    assert all(sentences and all(sentences) for sentences in mistakes.values())


@given(st.dictionaries(FIELDS, JSON, min_size=1))
def test_any_json_in_any_fields_is_a_form_or_is_refused_in_those_fields(changes: dict[str, object]) -> None:
    try:
        form = validated({**ACME, **changes})
    except RequestInvalid as refused:
        assert {field.partition(".")[0] for field in refused.errors} <= set(changes)  # noqa: PT017
        str(refused).encode()  # can be shown and stored
    else:
        assert validated(as_request(form)) == form


@given(st.dictionaries(st.sampled_from(["email", "first_name", "last_name", "role"]), JSON, min_size=1))
def test_any_json_in_a_super_user_is_refused_in_its_fields(changes: dict[str, object]) -> None:
    try:
        form = validated({**ACME, "super_users": [{**JO, **changes}]})
    except RequestInvalid as refused:
        assert set(refused.errors) <= {f"super_users.0.{field}" for field in changes}  # noqa: PT017
    else:
        assert "role" not in changes
        assert validated(as_request(form)) == form


@given(st.sets(st.sampled_from([*ACME]), min_size=1))
def test_every_missing_field_is_told(missing: set[str]) -> None:
    assert set(mistakes_in({field: value for field, value in ACME.items() if field not in missing})) == missing


def test_every_mistake_is_told_at_once() -> None:
    mistakes = mistakes_in({
        "nmae": "Acme",
        "subdomain": "-acme",
        "domain": "nodots",
        "lms": "MOODLE",
        "english_maths": "",
        "crm": ["HUBSPOT"],
        "hr": "APTEM",
        "data_store": {"kind": "spreadsheet", "connection_string": "Server=x;Password=hunter2"},
        "super_users": [
            JO,
            {**JO, "email": "JO@Acme.co.uk", "first_name": " "},
            {**JO, "email": "no address"},
            {**JO, "email": TAKEN_EMAIL.upper(), "phone": "1"},
            "jo",
        ],
    })  # fmt: skip

    assert set(mistakes) == {
        "nmae", "name", "subdomain", "domain", "lms", "english_maths", "crm", "hr", "data_store",
        "data_store.connection_string", "super_users.1.email", "super_users.1.first_name", "super_users.2.email",
        "super_users.3.email", "super_users.3.phone", "super_users.4",
    }  # fmt: skip
    assert "hunter2" not in str(mistakes)
    assert "APTEM, BUD" in mistakes["lms"][0]


@pytest.mark.parametrize(
    ("subdomain", "said"),
    [
        ("www", "is reserved"),
        ("taken", "is taken"),
        ("Acme", "lower-case"),
        ("acme.training", "lower-case"),
        ("a" * 64, "at most 63"),
        (7, "must be text"),
        (" ", "required"),
    ],
)
def test_a_subdomain_is_a_free_dns_label(subdomain: object, said: str) -> None:
    [sentence] = mistakes_in({**ACME, "subdomain": subdomain})["subdomain"]

    assert said in sentence


@pytest.mark.parametrize(
    "domain", ["nodots", "10.0.0.1", "-a.com", "a..com", "https://a.com", "a.com.", "a." * 100 + "b"]
)
def test_a_domain_is_a_domain_name_that_leaves_room_for_the_subdomain(domain: str) -> None:
    assert set(mistakes_in({**ACME, "domain": domain})) == {"domain"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_optional_fields_may_be_left_blank(nothing: str | None) -> None:
    form = validated({**ACME, "domain": nothing, "hr": nothing, "data_store": None})

    assert (form.domain, form.data_store) == ("yourplatform.com", DataStoreKind.LAKEHOUSE)
    assert "hr" not in form.providers


@pytest.mark.parametrize(
    "name",
    [
        "Açaí & Söhne",
        "שלום הכשרה",
        "أكاديمية التدريب",
        "می\u200cآموزد",  # Persian: a zero-width non-joiner between the parts of the word
        "ශ්\u200dරී ලංකා",  # Sinhala: a zero-width joiner inside the letter
        "訓練 株式会社",
        "O'Brien-Łukasz 🎓",
    ],
)
def test_names_of_every_script_are_taken_as_they_are(name: str) -> None:
    form = validated({**ACME, "name": name, "super_users": [{**JO, "last_name": name}]})

    assert (form.name, form.super_users[0].last_name) == (name, name)


def test_space_around_and_between_words_is_put_right() -> None:
    assert validated({**ACME, "name": "  Acme\u00a0 Training "}).name == "Acme Training"


@pytest.mark.parametrize(
    "character",
    [
        *"\x00\t\n\r\x1b\x7f\x85\u2028\u2029\ud800",
        *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",  # turn the text around
        *"\u200b\ufeff\u00ad",  # invisible
    ],
)
def test_characters_that_control_or_hide_are_refused(character: str) -> None:
    mistakes = mistakes_in({**ACME, "name": f"Ac{character}me", "super_users": [{**JO, "last_name": f"a{character}b"}]})

    assert set(mistakes) == {"name", "super_users.0.last_name"}


@pytest.mark.parametrize("name", ["\u200c", " \u200d ", "\u00a0", ""])
def test_a_name_that_cannot_be_seen_is_missing(name: str) -> None:
    assert mistakes_in({**ACME, "name": name}) == {"name": ("This field is required.",)}


def test_an_email_is_kept_in_lower_case_so_that_nobody_is_invited_twice() -> None:
    assert validated({**ACME, "super_users": [{**JO, "email": " Jo@ACME.co.uk "}]}).super_users[0].email == JO["email"]


def test_fifty_super_users_are_enough() -> None:
    many = [{**JO, "email": f"jo{number}@acme.co.uk"} for number in range(51)]

    assert len(validated({**ACME, "super_users": many[:50]}).super_users) == 50
    assert set(mistakes_in({**ACME, "super_users": many})) == {"super_users"}


@pytest.mark.parametrize("raw", [None, [], "acme", 3, True])
def test_what_is_no_object_is_refused_in_one_sentence(raw: object) -> None:
    assert list(mistakes_in(raw)) == [""]
