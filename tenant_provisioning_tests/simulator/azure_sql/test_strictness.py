"""Calls that ARM refuses before Azure SQL sees them, the original design's `POST …/databases/{name}` among them."""

import pytest


def error_of(answer) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def test_a_database_is_put_and_not_posted(arm):
    answer = arm.call("POST", "acme", json={"location": "westeurope"})
    assert error_of(answer) == (405, "HttpMethodNotAllowed")


def test_every_call_names_its_version(arm):
    arm.http.params = {}
    assert error_of(arm.call("GET", "template")) == (400, "MissingApiVersionParameter")
    unknown = arm.call("GET", "template", params={"api-version": "latest"})
    assert error_of(unknown) == (400, "NoRegisteredProviderFound")


def test_a_location_is_required(arm):
    assert error_of(arm.call("PUT", "acme", json={"properties": {}})) == (400, "LocationRequired")


@pytest.mark.parametrize(
    "body",
    [
        {"location": "westeurope", "createMode": "Copy"},
        {"location": "westeurope", "properties": {"sourceDatabase": "template"}},
        {"location": "westeurope", "sku": "S0"},
    ],
)
def test_an_unknown_or_wrong_property_is_refused(arm, body):
    assert error_of(arm.call("PUT", "acme", json=body)) == (400, "InvalidRequestContent")


def test_a_body_must_say_that_it_is_json(arm):
    answer = arm.call("PUT", "acme", content="{}", headers={"Content-Type": "text/plain"})
    assert error_of(answer) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (
            "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/training-platform",
            "SubscriptionNotFound",
        ),
        ("/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/elsewhere", "ResourceGroupNotFound"),
    ],
)
def test_the_parents_must_exist(arm, path, code):
    assert error_of(arm.http.get(f"{path}/providers/Microsoft.Sql/servers/training-platform-sql/databases")) == (
        404,
        code,
    )


def test_the_server_must_exist(arm):
    assert error_of(arm.http.get(f"{arm.server}-2/databases/template")) == (404, "ParentResourceNotFound")


def test_paths_are_found_without_regard_to_case(arm):
    assert arm.http.get(f"{arm.server.upper()}/DATABASES/Template").json()["name"] == "template"


def test_a_request_without_a_token_is_not_authenticated(arm, http):
    answer = http.get(f"{arm.server}/databases/template", params={"api-version": "2025-01-01"})
    assert error_of(answer) == (401, "AuthenticationFailed")
    assert "authorization_uri" in answer.headers["www-authenticate"]


def test_a_token_for_another_audience_is_refused(arm, signed_in):
    answer = signed_in("powerbi").get(f"{arm.server}/databases/template", params={"api-version": "2025-01-01"})
    assert error_of(answer) == (401, "InvalidAuthenticationTokenAudience")


def test_an_expired_token_is_told_so(simulator, arm):
    simulator.world.advance(3600)
    assert error_of(arm.call("GET", "template")) == (401, "ExpiredAuthenticationToken")


def test_throttling_has_azure_sqls_own_words(simulator, arm):
    simulator.add_fault("azure_sql", "throttle", retry_after=9)
    answer = arm.copy("acme")
    assert error_of(answer) == (429, "SubscriptionTooManyCreateUpdateRequests")
    assert answer.headers["retry-after"] == "9"


def test_an_unknown_operation_is_not_found(arm):
    place = "/subscriptions/88888888-8888-4888-8888-888888888888/providers/Microsoft.Sql/locations/westeurope"
    assert error_of(arm.http.get(f"{place}/databaseAzureAsyncOperation/x")) == (404, "OperationIdNotFound")
