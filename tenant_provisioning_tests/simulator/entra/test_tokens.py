"""Tokens as MSAL gets them, and what Entra says to whoever may not have one."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
SECRET = "simulated-client-secret"
FABRIC = "https://api.fabric.microsoft.com/.default"
TOKEN_PATH = f"/{TENANT}/oauth2/v2.0/token"


@pytest.fixture
def application(simulator: Any) -> Callable[..., msal.ConfidentialClientApplication]:
    """Makes MSAL applications of the simulated directory."""

    def make(credential: Any, tenant: str = TENANT, client: str = CLIENT) -> msal.ConfidentialClientApplication:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(simulator.ca_file)
        return msal.ConfidentialClientApplication(
            client,
            client_credential=credential,
            authority=f"{simulator.url}/{tenant}",
            instance_discovery=False,
            http_client=session,
        )

    return make


def test_msal_gets_a_token_for_a_secret_and_answers_the_second_time_from_its_cache(application: Any) -> None:
    app = application(SECRET)

    first, second = app.acquire_token_for_client([FABRIC]), app.acquire_token_for_client([FABRIC])

    assert first["token_source"] == "identity_provider"
    assert second["token_source"] == "cache"
    assert second["access_token"] == first["access_token"]


def test_a_token_carries_the_claims_of_its_audience_and_is_signed_by_a_published_key(
    application: Any, http: httpx.Client
) -> None:
    token = application(SECRET).acquire_token_for_client([FABRIC])["access_token"]
    key = http.get(f"/{TENANT}/discovery/v2.0/keys").json()["keys"][0]

    claims = jwt.decode(token, jwt.PyJWK(key), ["RS256"], audience="https://api.fabric.microsoft.com")

    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    assert (claims["appid"], claims["tid"], claims["iss"]) == (CLIENT, TENANT, f"https://sts.windows.net/{TENANT}/")
    assert claims["exp"] - claims["iat"] == 3599


@pytest.mark.parametrize("by", ["thumbprint", "public_certificate"])
def test_msal_gets_a_token_for_a_registered_certificate(
    application: Any, simulator: Any, certificate: tuple[str, str], by: str
) -> None:
    key, public = certificate
    simulator.control("PUT", f"entra/clients/{CLIENT}", {"certificate": public})
    der = x509.load_pem_x509_certificate(public.encode()).public_bytes(serialization.Encoding.DER)
    shown = {"thumbprint": hashlib.sha1(der).hexdigest(), "public_certificate": public}  # noqa: S324 - x5t is SHA-1

    answer = application({"private_key": key, by: shown[by]}).acquire_token_for_client([FABRIC])

    assert answer["token_type"] == "Bearer", answer


def test_a_certificate_that_is_not_registered_is_refused(application: Any, certificate: tuple[str, str]) -> None:
    key, public = certificate

    answer = application({"private_key": key, "public_certificate": public}).acquire_token_for_client([FABRIC])

    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [700027])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": "https://elsewhere.example/token"}, 700023),
        ({"exp": 1}, 700024),
        ({"sub": "33333333-3333-4333-8333-000000000000"}, 700021),
    ],
)
def test_an_assertion_for_something_else_is_refused(
    simulator: Any, http: httpx.Client, certificate: tuple[str, str], change: dict[str, Any], code: int
) -> None:
    key, public = certificate
    simulator.control("PUT", f"entra/clients/{CLIENT}", {"certificate": public})
    claims = {"aud": f"{simulator.url}{TOKEN_PATH}", "iss": CLIENT, "sub": CLIENT, "exp": 4_000_000_000, "nbf": 0}

    answer = http.post(TOKEN_PATH, data=assertion_form({**claims, **change}, key, public))

    assert (answer.status_code, answer.json()["error_codes"]) == (401, [code])


def test_an_assertion_signed_with_another_key_is_refused(
    simulator: Any, http: httpx.Client, certificate: tuple[str, str], another_certificate: tuple[str, str]
) -> None:
    _, public = certificate
    another_key, _ = another_certificate
    simulator.control("PUT", f"entra/clients/{CLIENT}", {"certificate": public})
    claims = {"aud": f"{simulator.url}{TOKEN_PATH}", "iss": CLIENT, "sub": CLIENT, "exp": 4_000_000_000}

    answer = http.post(TOKEN_PATH, data=assertion_form(claims, another_key, public))

    assert (answer.status_code, answer.json()["error_codes"]) == (401, [700027])


def test_an_assertion_that_names_no_certificate_is_refused(
    simulator: Any, http: httpx.Client, certificate: tuple[str, str]
) -> None:
    key, public = certificate
    simulator.control("PUT", f"entra/clients/{CLIENT}", {"certificate": public})
    claims = {"aud": f"{simulator.url}{TOKEN_PATH}", "iss": CLIENT, "sub": CLIENT, "exp": 4_000_000_000}
    form = assertion_form(claims, key, public) | {"client_assertion": jwt.encode(claims, key, "PS256")}

    answer = http.post(TOKEN_PATH, data=form)

    assert (answer.status_code, answer.json()["error_codes"]) == (401, [700027])


def assertion_form(claims: dict[str, Any], key: str, public: str) -> dict[str, str]:
    der = x509.load_pem_x509_certificate(public.encode()).public_bytes(serialization.Encoding.DER)
    header = {"x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode()}
    return {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": FABRIC,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, "PS256", headers=header),
    }


def test_a_wrong_secret_is_told_as_msal_reports_it(application: Any) -> None:
    answer = application("wrong").acquire_token_for_client([FABRIC])

    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])
    assert answer["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")


def test_a_tenant_that_is_not_there_is_refused_before_anything_else(http: httpx.Client) -> None:
    answer = http.get("/99999999-9999-4999-8999-999999999999/v2.0/.well-known/openid-configuration")

    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


GOOD = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": FABRIC}


@pytest.mark.parametrize(
    ("form", "status", "error", "code"),
    [
        ({**GOOD, "client_id": "44444444-0000-4000-8000-000000000000"}, 400, "unauthorized_client", 700016),
        ({**GOOD, "client_secret": ""}, 401, "invalid_client", 7000218),
        ({**GOOD, "grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({**GOOD, "scope": "https://api.fabric.microsoft.com/Workspace.Read.All"}, 400, "invalid_scope", 1002012),
        ({**GOOD, "scope": "https://nobody.example/.default"}, 400, "invalid_resource", 500011),
        ({name: value for name, value in GOOD.items() if name != "scope"}, 400, "invalid_request", 900144),
        ({}, 400, "invalid_request", 900144),
    ],
)
def test_a_form_that_is_not_right_gets_its_own_error(
    http: httpx.Client, form: dict[str, str], status: int, error: str, code: int
) -> None:
    answer = http.post(TOKEN_PATH, data=form)

    told = answer.json()
    assert (answer.status_code, told["error"], told["error_codes"]) == (status, error, [code])
    assert {"trace_id", "correlation_id", "timestamp"} <= told.keys()


def test_a_body_that_is_no_form_and_a_wrong_method_are_refused(http: httpx.Client) -> None:
    assert http.post(TOKEN_PATH, json=GOOD).json()["error_codes"] == [900144]
    assert http.get(TOKEN_PATH).json()["error_codes"] == [900561]


def test_discovery_names_the_simulators_own_endpoints(http: httpx.Client, simulator: Any) -> None:
    told = http.get(f"/{TENANT}/v2.0/.well-known/openid-configuration").json()

    assert told["token_endpoint"] == f"{simulator.url}{TOKEN_PATH}"
    assert told["jwks_uri"] == f"{simulator.url}/{TENANT}/discovery/v2.0/keys"


def test_a_token_lasts_as_long_as_the_knob_says(application: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/entra", {"token_lifetime": 7})

    assert application(SECRET).acquire_token_for_client([FABRIC])["expires_in"] == 7


def test_vendors_see_whether_a_token_is_theirs_good_and_still_valid(simulator: Any, tokens: Any) -> None:
    entra, token = simulator.world.entra, tokens("fabric")
    fabric, arm = "https://api.fabric.microsoft.com", "https://management.azure.com"

    assert entra.check(token, fabric).client_id == CLIENT
    assert entra.check(token, (arm, fabric)).client_id == CLIENT
    assert reason(entra, token, arm) == "audience"
    assert reason(entra, None, fabric) == "missing"
    assert reason(entra, token[:-8] + "AAAAAAAA", fabric) == "invalid"
    assert reason(entra, jwt.encode({"aud": fabric}, "k" * 32, "HS256"), fabric) == "invalid"
    simulator.control("POST", "clock", {"advance": 3600})
    assert reason(entra, token, fabric) == "expired"


def reason(entra: Any, token: str | None, audience: str) -> str:
    with pytest.raises(Exception, match="the token is") as problem:
        entra.check(token, audience)
    return str(problem.value.reason)
