"""How people get in and are kept out: passwords, claims, refresh tokens, bans."""

import jwt
import pytest
from supabase import AuthApiError, AuthWeakPasswordError

ACME = {"organization_id": "9d0f3f60-0000-4000-8000-000000000001"}
CREDENTIALS = {"email": "ada@acme.example", "password": "correct horse"}
JWT_SECRET = "simulated-jwt-secret-with-at-least-32-characters"


@pytest.fixture
def ada(admin):
    """A confirmed user of Acme with a password."""
    return admin.auth.admin.create_user({**CREDENTIALS, "email_confirm": True, "app_metadata": ACME}).user


def test_the_access_token_carries_the_claims_that_row_level_security_reads(simulator, person, ada):
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    claims = jwt.decode(session.access_token, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    assert claims["sub"] == ada.id
    assert claims["role"] == "authenticated"
    assert claims["app_metadata"]["organization_id"] == ACME["organization_id"]
    assert claims["iss"] == f"{simulator.url}/auth/v1"
    assert claims["exp"] - claims["iat"] == session.expires_in == 3600
    assert claims["amr"][0]["method"] == "password"


def test_a_user_without_the_claim_signs_in_without_it(admin, person):
    admin.auth.admin.create_user({**CREDENTIALS, "email_confirm": True, "app_metdata": ACME})
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    claims = jwt.decode(session.access_token, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    assert "organization_id" not in claims["app_metadata"]


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"email": "nobody@acme.example"}])
def test_a_wrong_password_and_an_unknown_address_look_the_same(person, ada, wrong):
    with pytest.raises(AuthApiError) as refused:
        person.auth.sign_in_with_password({**CREDENTIALS, **wrong})
    assert (refused.value.status, refused.value.code) == (400, "invalid_credentials")


def test_a_user_without_a_password_of_its_own_cannot_sign_in_with_one(admin, person):
    admin.auth.admin.create_user({"email": CREDENTIALS["email"], "email_confirm": True})
    with pytest.raises(AuthApiError, match="Invalid login credentials"):
        person.auth.sign_in_with_password(CREDENTIALS)


def test_an_unconfirmed_address_does_not_get_in(admin, person):
    admin.auth.admin.create_user(CREDENTIALS)
    with pytest.raises(AuthApiError) as refused:
        person.auth.sign_in_with_password(CREDENTIALS)
    assert (refused.value.status, refused.value.code) == (400, "email_not_confirmed")


def test_a_ban_keeps_a_user_out_until_it_ends_or_is_lifted(simulator, admin, person, ada):
    admin.auth.admin.update_user_by_id(ada.id, {"ban_duration": "1h30m"})
    with pytest.raises(AuthApiError) as refused:
        person.auth.sign_in_with_password(CREDENTIALS)
    assert (refused.value.status, refused.value.code) == (400, "user_banned")
    simulator.world.advance(5401)
    assert person.auth.sign_in_with_password(CREDENTIALS).session
    admin.auth.admin.update_user_by_id(ada.id, {"ban_duration": "876000h"})
    admin.auth.admin.update_user_by_id(ada.id, {"ban_duration": "none"})
    assert person.auth.sign_in_with_password(CREDENTIALS).session


def test_a_banned_user_cannot_refresh_its_session(admin, person, ada):
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    admin.auth.admin.update_user_by_id(ada.id, {"ban_duration": "24h"})
    with pytest.raises(AuthApiError) as refused:
        person.auth.refresh_session(session.refresh_token)
    assert refused.value.code == "user_banned"


def test_a_refresh_token_works_once_and_its_successor_after_it(simulator, person, ada):
    first = person.auth.sign_in_with_password(CREDENTIALS).session
    second = person.auth.refresh_session(first.refresh_token).session
    assert second.refresh_token != first.refresh_token
    assert person.auth.refresh_session(first.refresh_token).session.refresh_token == second.refresh_token
    simulator.world.advance(11)
    with pytest.raises(AuthApiError) as refused:
        person.auth.refresh_session(first.refresh_token)
    assert (refused.value.status, refused.value.code) == (400, "refresh_token_already_used")
    with pytest.raises(AuthApiError, match="Already Used"):  # and the whole family is revoked by that
        person.auth.refresh_session(second.refresh_token)


def test_an_unknown_refresh_token_is_refused(person):
    with pytest.raises(AuthApiError) as refused:
        person.auth.refresh_session("abcdefghijkl")
    assert (refused.value.status, refused.value.code) == (400, "refresh_token_not_found")


def test_a_signed_in_user_sees_itself_until_its_token_expires(simulator, person, ada):
    token = person.auth.sign_in_with_password(CREDENTIALS).session.access_token
    assert person.auth.get_user(token).user.id == ada.id
    simulator.world.advance(3601)
    with pytest.raises(AuthApiError) as refused:
        person.auth.get_user(token)
    assert (refused.value.status, refused.value.code) == (403, "bad_jwt")


def test_a_user_changes_its_own_password_and_not_its_claims(simulator, person, auth_api, ada):
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    with pytest.raises(AuthApiError) as refused:
        person.auth.update_user({"password": CREDENTIALS["password"]})
    assert refused.value.code == "same_password"
    with pytest.raises(AuthWeakPasswordError):
        person.auth.update_user({"password": "short"})
    person.auth.update_user({"password": "battery staple", "data": {"first_name": "Ada"}})
    assert (
        person.auth.sign_in_with_password({**CREDENTIALS, "password": "battery staple"}).user.user_metadata[
            "first_name"
        ]
        == "Ada"
    )
    own = {"Authorization": f"Bearer {session.access_token}"}
    answer = auth_api.put("/user", json={"app_metadata": {"organization_id": "another"}}, headers=own)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "not_admin")


def test_a_new_password_ends_the_users_other_sessions(client_with, ada):
    here, elsewhere = client_with("simulated-anon-key"), client_with("simulated-anon-key")
    other = elsewhere.auth.sign_in_with_password(CREDENTIALS).session
    here.auth.sign_in_with_password(CREDENTIALS)
    here.auth.update_user({"password": "battery staple"})
    assert here.auth.get_user().user.id == ada.id
    with pytest.raises(AuthApiError) as refused:
        elsewhere.auth.get_user(other.access_token)
    assert (refused.value.status, refused.value.code) == (403, "session_not_found")


def test_after_signing_out_the_token_is_worth_nothing(person, admin, ada):
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    admin.auth.admin.sign_out(session.access_token)
    with pytest.raises(AuthApiError, match="Session from session_id claim"):
        person.auth.get_user(session.access_token)


def test_a_deleted_users_token_is_worth_nothing(person, admin, ada):
    session = person.auth.sign_in_with_password(CREDENTIALS).session
    admin.auth.admin.delete_user(ada.id)
    with pytest.raises(AuthApiError) as refused:
        person.auth.get_user(session.access_token)
    assert (refused.value.status, refused.value.code) == (403, "user_not_found")


async def test_the_async_client_does_the_same(async_client_with):
    admin, person = await async_client_with("simulated-service-role-key"), await async_client_with("simulated-anon-key")
    made = (await admin.auth.admin.create_user({**CREDENTIALS, "email_confirm": True, "app_metadata": ACME})).user
    signed_in = await person.auth.sign_in_with_password(CREDENTIALS)
    assert signed_in.user.id == made.id
    link = (await admin.auth.admin.generate_link({"type": "recovery", "email": CREDENTIALS["email"]})).properties
    proved = await person.auth.verify_otp({"type": "recovery", "token_hash": link.hashed_token})
    assert proved.session.user.id == made.id
    await admin.auth.admin.delete_user(made.id)
    with pytest.raises(AuthApiError, match="User not found"):
        await admin.auth.admin.get_user_by_id(made.id)
