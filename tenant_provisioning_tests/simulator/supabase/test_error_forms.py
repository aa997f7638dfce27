"""Who may call, and how Supabase says no: two forms of one error, told apart by a header."""

import pytest

SERVICE = {"Authorization": "Bearer simulated-service-role-key"}


def test_an_error_has_the_old_form_for_a_caller_that_names_no_version(auth_api):
    answer = auth_api.get("/admin/users/7d1f5b5e-0000-4000-8000-000000000000")
    assert answer.status_code == 404
    assert answer.json() == {"code": 404, "error_code": "user_not_found", "msg": "User not found"}
    assert answer.headers["x-sb-error-code"] == "user_not_found"
    assert "x-supabase-api-version" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "answered"), [("2024-01-01", True), ("2026-05-05", True), ("2023-01-01", False), ("x", False)]
)
def test_an_error_has_the_new_form_from_version_2024_on(auth_api, asked, answered):
    answer = auth_api.get(
        "/admin/users/7d1f5b5e-0000-4000-8000-000000000000", headers={"X-Supabase-Api-Version": asked}
    )
    if answered:
        assert answer.json() == {"code": "user_not_found", "message": "User not found"}
        assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    else:
        assert answer.json()["code"] == 404


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, "no_authorization"),
        ({"Authorization": "Bearer nonsense"}, 403, "bad_jwt"),
        ({"Authorization": "Bearer simulated-anon-key"}, 403, "not_admin"),
    ],
)
def test_administration_is_for_the_service_role(auth_api, headers, status, code):
    answer = auth_api.get("/admin/users", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_the_gateway_wants_a_key_of_the_project(auth_api):
    assert auth_api.get("/admin/users", headers={"apikey": "of-another-project"}).json()["message"] == "Invalid API key"
    unknown = auth_api.build_request("GET", "/admin/users")
    del unknown.headers["apikey"]
    answer = auth_api.send(unknown)
    assert (answer.status_code, answer.json()["message"]) == (401, "No API key found in request")


@pytest.mark.parametrize("body", ["", "{", "[]", '{"email": 5}', '{"email": "ada@acme.example", "app_metadata": "x"}'])
def test_a_body_that_is_not_the_json_it_should_be(auth_api, body):
    answer = auth_api.post("/admin/users", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_json")


def test_unknown_paths_and_methods_are_the_routers_business(auth_api):
    missing = auth_api.get("/admin/nothing")
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")
    assert auth_api.patch("/admin/users").status_code == 405


def test_an_unknown_grant_is_refused(auth_api):
    answer = auth_api.post("/token", params={"grant_type": "client_credentials"}, json={})
    assert (answer.status_code, answer.json()["msg"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "recovery"},
        {"token_hash": "x"},
        {"type": "recovery", "token": "123456"},
        {"type": "recovery", "token_hash": "x", "email": "ada@acme.example"},
        {"type": "telepathy", "token_hash": "x"},
    ],
)
def test_a_verification_with_too_little_or_too_much_is_refused(auth_api, body):
    answer = auth_api.post("/verify", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "validation_failed")
