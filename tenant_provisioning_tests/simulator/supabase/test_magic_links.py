"""A link by mail: the vendor's own library asks, a real SMTP server receives, and the code fits the asker alone."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from supabase import AuthApiError

from tenant_provisioning.embedded.mailbox import MailSink

EMAIL = "sam@yourplatform.com"
BACK = "http://127.0.0.1:8400/sign-in/link"
OPTIONS = {"email_redirect_to": BACK, "should_create_user": False}


@pytest.fixture
def mailbox(simulator, tmp_path) -> Iterator[MailSink]:
    """Where the project's own mails arrive."""
    with MailSink(tmp_path / "mail") as sink:
        simulator.world.smtp_port = sink.smtp_port
        yield sink
        simulator.world.smtp_port = 0


@pytest.fixture
def sam(admin):
    """A confirmed user."""
    return admin.auth.admin.create_user({"email": EMAIL, "email_confirm": True}).user


def ask(client, email: str = EMAIL, **options):
    return client.auth.sign_in_with_otp({"email": email, "options": OPTIONS | options})


def link_in(mailbox: MailSink) -> str:
    """The link in the newest mail."""
    text = mailbox.mails.message(mailbox.mails.listed()[0].id).get_content()
    return next(word for word in text.split() if word.startswith("https://"))


def followed(auth_api, link: str) -> tuple[str, dict[str, list[str]]]:
    """Where a browser ends up, and what the query tells it."""
    answer = auth_api.get(link, headers={"apikey": "", "Authorization": ""})
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    return f"{place.scheme}://{place.netloc}{place.path}", parse_qs(place.query)


def test_the_link_in_the_mail_leads_to_a_code_that_signs_in_whoever_asked(person, auth_api, mailbox, sam):
    ask(person)
    assert mailbox.mails.listed()[0].recipients == EMAIL
    place, said = followed(auth_api, link_in(mailbox))
    assert place == BACK
    session = person.auth.exchange_code_for_session({"auth_code": said["code"][0]}).session
    assert session.user.id == sam.id


def test_a_code_works_once_and_so_does_its_link(person, auth_api, mailbox, sam):
    ask(person)
    link = link_in(mailbox)
    code = followed(auth_api, link)[1]["code"][0]
    assert followed(auth_api, link)[1]["error_code"] == ["otp_expired"]
    person.auth.exchange_code_for_session({"auth_code": code})
    with pytest.raises(AuthApiError) as refusal:
        person.auth.exchange_code_for_session({"auth_code": code, "code_verifier": "x" * 50})
    assert (refusal.value.status, refusal.value.code) == (404, "flow_state_not_found")


def test_a_code_is_worth_nothing_to_somebody_else(person, client_with, auth_api, mailbox, sam):
    ask(person)
    code = followed(auth_api, link_in(mailbox))[1]["code"][0]
    with pytest.raises(AuthApiError) as refusal:
        client_with("simulated-anon-key").auth.exchange_code_for_session(
            {"auth_code": code, "code_verifier": "somebody else's, forty-three characters or more"}
        )
    assert (refusal.value.status, refusal.value.code) == (400, "bad_code_verifier")


def test_a_code_lasts_five_minutes_from_following_the_link(simulator, person, auth_api, mailbox, sam):
    ask(person)
    simulator.control("POST", "clock", {"advance": 3000})
    code = followed(auth_api, link_in(mailbox))[1]["code"][0]
    simulator.control("POST", "clock", {"advance": 301})
    with pytest.raises(AuthApiError) as refusal:
        person.auth.exchange_code_for_session({"auth_code": code})
    assert (refusal.value.status, refusal.value.code) == (403, "flow_state_expired")


def test_nobody_gets_two_links_within_a_minute(simulator, person, mailbox, sam):
    ask(person)
    with pytest.raises(AuthApiError) as refusal:
        ask(person)
    assert (refusal.value.status, refusal.value.code) == (429, "over_email_send_rate_limit")
    simulator.control("POST", "clock", {"advance": 61})
    ask(person)
    assert len(mailbox.mails.listed()) == 2


def test_who_has_no_account_gets_none_when_the_asker_wants_it_so(person, mailbox):
    with pytest.raises(AuthApiError) as refusal:
        ask(person, "stranger@nowhere.example")
    assert (refusal.value.status, refusal.value.code) == (422, "otp_disabled")
    assert mailbox.mails.listed() == []


def test_otherwise_an_account_is_made_and_the_link_confirms_it(person, auth_api, mailbox):
    ask(person, "new@nowhere.example", should_create_user=True)
    assert mailbox.mails.listed()[0].subject == "Confirm Your Signup"
    code = followed(auth_api, link_in(mailbox))[1]["code"][0]
    user = person.auth.exchange_code_for_session({"auth_code": code}).user
    assert user.email == "new@nowhere.example"
    assert user.email_confirmed_at is not None


def test_without_a_challenge_the_link_gives_the_session_itself(auth_api, mailbox, sam):
    assert auth_api.post("/otp", json={"email": EMAIL}).json() == {}
    answer = auth_api.get(link_in(mailbox), headers={"apikey": "", "Authorization": ""})
    assert "access_token=" in urlsplit(answer.headers["location"]).fragment


def test_a_mail_server_that_is_away_is_told(simulator, auth_api, sam):
    simulator.world.smtp_port = 9
    answer = auth_api.post("/otp", json={"email": EMAIL})
    simulator.world.smtp_port = 0
    assert (answer.status_code, answer.json()["msg"]) == (500, "Error sending magic link email")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "One of email or phone must be set"),
        ({"email": EMAIL, "phone": "123"}, "Only an email address or phone number should be provided"),
        ({"email": EMAIL, "code_challenge": "x" * 43}, "PKCE flow requires code_challenge_method and code_challenge"),
        (
            {"email": EMAIL, "code_challenge": "x", "code_challenge_method": "s256"},
            "code challenge has to be between 43 and 128 characters",
        ),
    ],
)
def test_what_the_server_does_not_take(auth_api, body, said):
    answer = auth_api.post("/otp", json=body)
    assert (answer.status_code, answer.json()["msg"]) == (400, said)
