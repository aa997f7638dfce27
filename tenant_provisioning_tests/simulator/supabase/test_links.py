"""One-time links: made by the platform, opened by a person, worth nothing the second time."""

from hashlib import sha224
from urllib.parse import parse_qs, urlsplit

import pytest
from supabase import AuthApiError

EMAIL = "ada@acme.example"
ACME = {"organization_id": "9d0f3f60-0000-4000-8000-000000000001"}
WELCOME = "https://acme.yourplatform.com/welcome"


@pytest.fixture
def ada(admin):
    """A confirmed user of Acme."""
    return admin.auth.admin.create_user({"email": EMAIL, "email_confirm": True, "app_metadata": ACME}).user


def link_of(admin, kind: str, redirect_to: str = WELCOME, **more):
    return admin.auth.admin.generate_link(
        {"type": kind, "email": EMAIL, "options": {"redirect_to": redirect_to}, **more}
    )


def opened(auth_api, link: str) -> tuple[str, dict[str, str]]:
    """Where a browser ends up after opening the link, and what the fragment tells it."""
    answer = auth_api.get(link, headers={"apikey": "", "Authorization": ""})
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    said = {name: values[0] for name, values in parse_qs(place.fragment).items()}
    return f"{place.scheme}://{place.netloc}{place.path}", said


def test_a_link_is_given_to_the_caller_and_not_mailed(simulator, admin, ada):
    made = link_of(admin, "recovery")
    assert made.user.id == ada.id
    assert made.properties.hashed_token == sha224(f"{EMAIL}{made.properties.email_otp}".encode()).hexdigest()
    assert made.properties.verification_type == "recovery"
    assert made.properties.redirect_to == WELCOME
    query = parse_qs(urlsplit(made.properties.action_link).query)
    assert query == {"token": [made.properties.hashed_token], "type": ["recovery"], "redirect_to": [WELCOME]}
    assert simulator.world.supabase.snapshot()["mails"] == []


def test_an_action_link_signs_in_once_and_leads_to_the_redirect(admin, person, auth_api, ada):
    link = link_of(admin, "recovery").properties.action_link
    place, said = opened(auth_api, link)
    assert place == WELCOME
    assert said["type"] == "recovery"
    assert person.auth.get_user(said["access_token"]).user.app_metadata["organization_id"] == ACME["organization_id"]
    place, said = opened(auth_api, link)
    assert place == WELCOME
    assert said["error_code"] == "otp_expired"
    assert "access_token" not in said


def test_a_token_hash_signs_in_once(admin, person, ada):
    proof = {"type": "recovery", "token_hash": link_of(admin, "recovery").properties.hashed_token}
    assert person.auth.verify_otp(proof).session.user.id == ada.id
    with pytest.raises(AuthApiError) as refused:
        person.auth.verify_otp(proof)
    assert (refused.value.status, refused.value.code) == (403, "otp_expired")


def test_the_code_works_with_its_address_only(admin, person, ada):
    code = link_of(admin, "magiclink").properties.email_otp
    with pytest.raises(AuthApiError, match="Token has expired or is invalid"):
        person.auth.verify_otp({"type": "magiclink", "email": "bob@acme.example", "token": code})
    assert person.auth.verify_otp({"type": "email", "email": EMAIL, "token": code}).session.user.id == ada.id


def test_a_newer_link_replaces_the_older(admin, person, ada):
    older, newer = link_of(admin, "recovery").properties, link_of(admin, "magiclink").properties
    with pytest.raises(AuthApiError, match="Email link is invalid or has expired"):
        person.auth.verify_otp({"type": "recovery", "token_hash": older.hashed_token})
    assert person.auth.verify_otp({"type": "magiclink", "token_hash": newer.hashed_token}).session


def test_a_link_is_good_for_an_hour(simulator, admin, person, ada):
    proof = {"type": "recovery", "token_hash": link_of(admin, "recovery").properties.hashed_token}
    simulator.world.advance(3601)
    with pytest.raises(AuthApiError) as refused:
        person.auth.verify_otp(proof)
    assert refused.value.code == "otp_expired"


def test_a_link_of_one_type_does_not_pass_for_another(admin, person, ada):
    with pytest.raises(AuthApiError) as refused:
        person.auth.verify_otp({"type": "invite", "token_hash": link_of(admin, "recovery").properties.hashed_token})
    assert refused.value.code == "otp_expired"


def test_a_banned_user_cannot_use_its_link(admin, person, ada):
    proof = {"type": "recovery", "token_hash": link_of(admin, "recovery").properties.hashed_token}
    admin.auth.admin.update_user_by_id(ada.id, {"ban_duration": "24h"})
    with pytest.raises(AuthApiError) as refused:
        person.auth.verify_otp(proof)
    assert (refused.value.status, refused.value.code) == (403, "user_banned")


def test_an_invitation_makes_the_user_and_can_be_repeated_until_confirmed(admin, person):
    first, again = link_of(admin, "invite"), link_of(admin, "invite")
    assert first.user.id == again.user.id
    assert again.user.email_confirmed_at is None
    proved = person.auth.verify_otp({"type": "invite", "token_hash": again.properties.hashed_token})
    assert proved.user.email_confirmed_at is not None
    with pytest.raises(AuthApiError) as refused:
        link_of(admin, "invite")
    assert (refused.value.status, refused.value.code) == (422, "email_exists")


def test_a_recovery_for_an_unknown_address_is_not_found(admin):
    with pytest.raises(AuthApiError) as refused:
        link_of(admin, "recovery")
    assert (refused.value.status, refused.value.code) == (404, "user_not_found")


def test_a_magic_link_for_an_unknown_address_signs_it_up(admin):
    made = link_of(admin, "magiclink")
    assert made.properties.verification_type == "signup"
    assert made.user.email == EMAIL


def test_a_signup_needs_a_password(admin):
    with pytest.raises(AuthApiError) as refused:
        link_of(admin, "signup")
    assert (refused.value.status, refused.value.code) == (400, "validation_failed")
    assert link_of(admin, "signup", password="correct horse").user.email == EMAIL


def test_a_link_of_an_unknown_type_is_refused(admin, ada):
    with pytest.raises(AuthApiError) as refused:
        link_of(admin, "welcome")
    assert (refused.value.status, refused.value.code) == (400, "validation_failed")


@pytest.mark.parametrize("target", ["https://evil.example/welcome", "https://yourplatform.com.evil.example", ""])
def test_a_redirect_that_the_project_does_not_allow_leads_to_its_own_site(admin, auth_api, ada, target):
    made = link_of(admin, "recovery", target).properties
    assert made.redirect_to == "https://app.yourplatform.com"
    place, _ = opened(auth_api, made.action_link)
    assert place == "https://app.yourplatform.com"


def test_a_new_address_counts_after_both_mailboxes_have_agreed(admin, person, ada):
    current = link_of(admin, "email_change_current", new_email="lovelace@acme.example").properties
    new = link_of(admin, "email_change_new", new_email="lovelace@acme.example").properties
    half = person.auth._request(  # the client has no word for an answer that is no session
        "POST", "verify", body={"type": "email_change", "token_hash": current.hashed_token}
    )
    assert half.json()["msg"].startswith("Confirmation link accepted")
    assert admin.auth.admin.get_user_by_id(ada.id).user.email == EMAIL
    proved = person.auth.verify_otp({"type": "email_change", "token_hash": new.hashed_token})
    assert proved.user.email == "lovelace@acme.example"


def test_a_used_link_and_a_new_password_void_every_other_link(admin, person):
    invited = link_of(admin, "invite").properties
    recovered = link_of(admin, "recovery").properties
    assert person.auth.verify_otp({"type": "recovery", "token_hash": recovered.hashed_token}).session
    with pytest.raises(AuthApiError, match="Email link is invalid or has expired"):
        person.auth.verify_otp({"type": "invite", "token_hash": invited.hashed_token})
    open_link = link_of(admin, "recovery")
    admin.auth.admin.update_user_by_id(open_link.user.id, {"password": "battery staple"})
    with pytest.raises(AuthApiError, match="Email link is invalid or has expired"):
        person.auth.verify_otp({"type": "recovery", "token_hash": open_link.properties.hashed_token})
