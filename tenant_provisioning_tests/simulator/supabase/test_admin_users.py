"""What an administrator does with users, through the vendor's own client."""

import uuid

import pytest
from supabase import AuthApiError, AuthWeakPasswordError

ACME = {"organization_id": "9d0f3f60-0000-4000-8000-000000000001"}


def test_the_caller_may_choose_a_users_id_and_its_claims(admin):
    chosen = str(uuid.uuid5(uuid.NAMESPACE_DNS, "ada@acme.example"))
    made = admin.auth.admin.create_user({
        "id": chosen, "email": "Ada@Acme.example", "email_confirm": True,
        "app_metadata": ACME, "user_metadata": {"first_name": "Ada"},
    }).user  # fmt: skip
    assert (made.id, made.email) == (chosen, "ada@acme.example")
    assert made.app_metadata == {"provider": "email", "providers": ["email"], **ACME}
    assert made.user_metadata["first_name"] == "Ada"
    assert made.email_confirmed_at is not None
    assert admin.auth.admin.get_user_by_id(chosen).user == made


def test_an_address_in_use_is_refused_in_any_case(admin):
    admin.auth.admin.create_user({"email": "ada@acme.example"})
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.create_user({"email": "ADA@acme.example"})
    assert (refused.value.status, refused.value.code) == (422, "email_exists")
    assert refused.value.message == "A user with this email address has already been registered"


def test_an_id_in_use_breaks_the_vendors_database_constraint(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example"}).user
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.create_user({"id": made.id, "email": "other@acme.example"})
    assert (refused.value.status, refused.value.message) == (500, "Database error creating new user")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"email": "no address"},
        {"email": "ada@acme.example", "password": "x" * 73},
        {"email": "ada@acme.example", "id": "not-a-uuid"},
        {"email": "ada@acme.example", "ban_duration": "24 hours"},
    ],
)
def test_a_user_with_mistakes_is_not_made(admin, attributes):
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.create_user(attributes)
    assert (refused.value.status, refused.value.code) == (400, "validation_failed")
    assert admin.auth.admin.list_users() == []


def test_users_are_listed_newest_first_a_page_at_a_time(admin, auth_api):
    for number in range(5):
        admin.auth.admin.create_user({"email": f"user{number}@acme.example"})
    pages = [[user.email for user in admin.auth.admin.list_users(page=page, per_page=2)] for page in (1, 2, 3, 4)]
    assert pages == [
        ["user4@acme.example", "user3@acme.example"],
        ["user2@acme.example", "user1@acme.example"],
        ["user0@acme.example"],
        [],
    ]
    answer = auth_api.get("/admin/users", params={"per_page": 2})
    assert answer.headers["x-total-count"] == "5"
    assert 'rel="next"' in answer.headers["link"]


def test_the_filter_finds_a_part_of_an_address_in_lower_case_only(admin, auth_api):
    for email in ("ada@acme.example", "ada@acme.example.org", "bob@acme.example"):
        admin.auth.admin.create_user({"email": email})
    found = auth_api.get("/admin/users", params={"filter": "ada@acme.example"}).json()["users"]
    assert {user["email"] for user in found} == {"ada@acme.example", "ada@acme.example.org"}
    assert auth_api.get("/admin/users", params={"filter": "ADA@acme.example"}).json()["users"] == []


def test_an_update_merges_metadata_and_null_removes_a_key(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example", "app_metadata": {**ACME, "plan": "gold"}}).user
    changed = admin.auth.admin.update_user_by_id(made.id, {"app_metadata": {"plan": None, "seats": 3}}).user
    assert changed.app_metadata == {"provider": "email", "providers": ["email"], **ACME, "seats": 3}


def test_strength_of_a_password_is_checked_on_update_but_not_on_create(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example", "password": "short"}).user
    with pytest.raises(AuthWeakPasswordError) as refused:
        admin.auth.admin.update_user_by_id(made.id, {"password": "short"})
    assert refused.value.reasons == ["length"]


def test_an_update_to_an_address_in_use_fails_without_a_reason(admin):
    admin.auth.admin.create_user({"email": "ada@acme.example"})
    bob = admin.auth.admin.create_user({"email": "bob@acme.example"}).user
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.update_user_by_id(bob.id, {"email": "ada@acme.example"})
    assert (refused.value.status, refused.value.message) == (500, "Error updating user")


def test_a_changed_address_frees_the_old_one(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example"}).user
    admin.auth.admin.update_user_by_id(made.id, {"email": "lovelace@acme.example"})
    assert admin.auth.admin.create_user({"email": "ada@acme.example"}).user.id != made.id


def test_deleting_twice_is_not_found(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example"}).user
    admin.auth.admin.delete_user(made.id)
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.delete_user(made.id)
    assert (refused.value.status, refused.value.code) == (404, "user_not_found")


def test_a_soft_deleted_user_stays_without_its_address(admin):
    made = admin.auth.admin.create_user({"email": "ada@acme.example"}).user
    admin.auth.admin.delete_user(made.id, should_soft_delete=True)
    left = admin.auth.admin.get_user_by_id(made.id).user
    assert left.deleted_at
    assert "ada" not in left.email
    assert admin.auth.admin.create_user({"email": "ada@acme.example"}).user.id != made.id


def test_an_id_that_is_no_uuid_is_a_validation_error(auth_api):
    answer = auth_api.get("/admin/users/ada")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "validation_failed")


def test_an_invitation_is_mailed_until_it_is_confirmed(admin, simulator):
    first = admin.auth.admin.invite_user_by_email("ada@acme.example", {"data": {"first_name": "Ada"}}).user
    again = admin.auth.admin.invite_user_by_email("ada@acme.example").user
    assert first.id == again.id
    assert again.user_metadata == {"first_name": "Ada"}
    mails = simulator.world.supabase.snapshot()["mails"]
    assert [(mail["recipient"], mail["kind"]) for mail in mails] == [("ada@acme.example", "invite")] * 2
    admin.auth.admin.update_user_by_id(first.id, {"email_confirm": True})
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.invite_user_by_email("ada@acme.example")
    assert (refused.value.status, refused.value.code) == (422, "email_exists")


def test_thirty_mails_an_hour_and_no_more(admin, simulator):
    for number in range(30):
        admin.auth.admin.invite_user_by_email(f"user{number}@acme.example")
    with pytest.raises(AuthApiError) as refused:
        admin.auth.admin.invite_user_by_email("late@acme.example")
    assert (refused.value.status, refused.value.code) == (429, "over_email_send_rate_limit")
    simulator.world.advance(3601)
    assert admin.auth.admin.invite_user_by_email("late@acme.example").user.email == "late@acme.example"
