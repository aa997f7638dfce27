"""MSAL gets tokens from the simulated Entra: with a secret, with a certificate, and from its cache."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tenant_provisioning.simulator.world import CLIENT_ID, CLIENT_SECRET, TENANT_ID

FABRIC = ["https://api.fabric.microsoft.com/.default"]
POWERBI = ["https://analysis.windows.net/powerbi/api/.default"]

Application = Callable[..., msal.ConfidentialClientApplication]


@pytest.fixture
def application(simulator: Any) -> Iterator[Application]:
    """Makes confidential clients that look for Entra at the simulator."""
    with requests.Session() as session:
        # an environment that names a CA bundle would otherwise win over verify
        session.trust_env, session.verify = False, str(simulator.ca_file)

        def make(credential: Any = CLIENT_SECRET, **more: Any) -> msal.ConfidentialClientApplication:
            where = {"authority": f"{simulator.url}/{TENANT_ID}", "instance_discovery": False, **more}
            return msal.ConfidentialClientApplication(
                CLIENT_ID, client_credential=credential, http_client=session, **where
            )

        yield make


@pytest.fixture(scope="module")
def certificate() -> dict[str, str]:
    """A certificate of our own, as MSAL takes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provisioner")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "private_key": key.private_bytes(serialization.Encoding.PEM, form, plain).decode(),
        "public_certificate": made.public_bytes(serialization.Encoding.PEM).decode(),
        "thumbprint": made.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - what MSAL calls thumbprint is SHA-1
    }


def claims(answer: dict[str, Any]) -> dict[str, Any]:
    """The claims of the token in an answer."""
    return dict(jwt.decode(answer["access_token"], options={"verify_signature": False}))


def test_a_secret_gets_a_token_for_the_audience(application: Application) -> None:
    answer = application().acquire_token_for_client(FABRIC)

    assert (answer["token_type"], answer["token_source"]) == ("Bearer", "identity_provider")
    assert claims(answer)["aud"] == "https://api.fabric.microsoft.com"
    assert claims(answer)["appid"] == CLIENT_ID


def test_a_token_is_verified_with_the_keys_that_discovery_names(application: Application, http: Any) -> None:
    answer = application().acquire_token_for_client(FABRIC)

    metadata = http.get(f"/{TENANT_ID}/v2.0/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(http.get(metadata["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(answer["access_token"])["kid"]]
    assert jwt.decode(answer["access_token"], key, ["RS256"], audience="https://api.fabric.microsoft.com")


def test_the_second_token_comes_from_the_cache(application: Application, requests_seen: Any) -> None:
    app = application()

    first, second = (app.acquire_token_for_client(FABRIC) for _ in range(2))

    assert second["token_source"] == "cache"
    assert second["access_token"] == first["access_token"]
    assert requests_seen("entra").count("token") == 1


def test_each_scope_has_a_token_of_its_own(application: Application) -> None:
    app = application()

    audiences = {claims(app.acquire_token_for_client(scope))["aud"] for scope in (FABRIC, POWERBI)}

    assert audiences == {"https://api.fabric.microsoft.com", "https://analysis.windows.net/powerbi/api"}


def test_a_cache_outlives_the_application(application: Application, requests_seen: Any) -> None:
    kept = msal.SerializableTokenCache()
    application(token_cache=kept).acquire_token_for_client(FABRIC)
    read = msal.SerializableTokenCache()
    read.deserialize(kept.serialize())

    assert application(token_cache=read).acquire_token_for_client(FABRIC)["token_source"] == "cache"
    assert requests_seen("entra").count("token") == 1


def test_a_token_about_to_expire_is_fetched_anew(application: Application, simulator: Any, requests_seen: Any) -> None:
    simulator.control("PATCH", "knobs/entra", {"token_lifetime": 240})
    app = application()

    answers = [app.acquire_token_for_client(FABRIC) for _ in range(2)]

    assert [answer["token_source"] for answer in answers] == ["identity_provider"] * 2
    assert requests_seen("entra").count("token") == 2


def test_a_wrong_secret_is_told_as_entra_tells_it(application: Application) -> None:
    answer = application("wrong").acquire_token_for_client(FABRIC)

    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])
    assert "AADSTS7000215: Invalid client secret provided." in answer["error_description"]


def test_a_resource_that_is_not_there_is_refused(application: Application) -> None:
    answer = application().acquire_token_for_client(["https://nowhere.example.com/.default"])

    assert (answer["error"], answer["error_codes"]) == ("invalid_resource", [500011])


@pytest.mark.parametrize("which", [("private_key", "thumbprint"), ("private_key", "public_certificate")])
def test_a_registered_certificate_gets_a_token(
    application: Application, simulator: Any, certificate: dict[str, str], which: tuple[str, str]
) -> None:
    simulator.control("PUT", f"entra/clients/{CLIENT_ID}", {"certificate": certificate["public_certificate"]})

    answer = application({name: certificate[name] for name in which}).acquire_token_for_client(FABRIC)

    assert claims(answer)["appid"] == CLIENT_ID


def test_a_certificate_that_is_not_registered_is_refused(application: Application, certificate: dict[str, str]) -> None:
    which = {name: certificate[name] for name in ("private_key", "public_certificate")}

    answer = application(which).acquire_token_for_client(FABRIC)

    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [700027]


def test_being_told_to_wait_is_remembered_without_another_request(
    application: Application, simulator: Any, requests_seen: Any
) -> None:
    simulator.add_fault("entra", "throttle", operation="token", nth=1, retry_after=60)
    app = application()

    first, second = (app.acquire_token_for_client(FABRIC) for _ in range(2))

    assert first.get("error")
    assert second == first
    assert requests_seen("entra").count("token") == 1
