"""Tokens: against the simulator's Entra over TLS, and how a client's requests are signed with them."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._http import VendorHttp
from tenant_provisioning.vendors.microsoft import FABRIC_SCOPE, POWERBI_SCOPE, EntraTokens

pytestmark = pytest.mark.usefixtures("no_waiting")
TENANT, CLIENT, SECRET = (
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "simulated-client-secret",
)


def entra(simulator: Any, **options: Any) -> EntraTokens:
    asked = {"secret": SECRET, "ca_file": simulator.ca_file, **options}
    return EntraTokens(simulator.url, TENANT, CLIENT, **asked)


def token_requests(simulator: Any) -> int:
    return sum(seen["operation"] == "token" for seen in simulator.requests())


async def test_a_secret_gets_a_token_for_the_scope_it_is_asked_for(simulator: Any) -> None:
    token = await entra(simulator).token(POWERBI_SCOPE)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["appid"]) == ("https://analysis.windows.net/powerbi/api", CLIENT)


@pytest.mark.parametrize("key_first", [True, False])
async def test_a_certificate_gets_a_token_too(simulator: Any, tmp_path: Path, key_first: bool) -> None:
    key_pem, certificate_pem = key_and_certificate()
    simulator.control("PUT", f"/entra/clients/{CLIENT}", {"certificate": certificate_pem})
    file = tmp_path / "client.pem"
    file.write_text(key_pem + certificate_pem if key_first else certificate_pem + key_pem)
    assert await entra(simulator, secret=None, certificate=file).token(FABRIC_SCOPE)


async def test_one_token_a_scope_is_asked_for_however_many_calls_need_it_at_once(simulator: Any) -> None:
    tokens = entra(simulator)
    got = await asyncio.gather(*(tokens.token(scope) for scope in [FABRIC_SCOPE, POWERBI_SCOPE] * 10))
    assert (len(set(got)), token_requests(simulator)) == (2, 2)


async def test_a_token_about_to_expire_is_replaced_before_a_vendor_complains(simulator: Any) -> None:
    simulator.control("PATCH", "/knobs/entra", {"token_lifetime": 1})
    tokens = entra(simulator)
    first = await tokens.token(FABRIC_SCOPE)
    await asyncio.sleep(0.95)
    assert await tokens.token(FABRIC_SCOPE) != first


async def test_a_thrown_away_token_is_not_handed_out_again_and_of_many_complaints_the_first_counts(
    simulator: Any,
) -> None:
    tokens = entra(simulator)
    stale = await tokens.token(FABRIC_SCOPE)
    for _ in range(3):
        tokens.discard(FABRIC_SCOPE, stale)
        assert await tokens.token(FABRIC_SCOPE) != stale
    assert token_requests(simulator) == 2


async def test_throwing_a_token_away_does_not_wait_for_a_fetch_that_is_under_way(simulator: Any) -> None:
    tokens = entra(simulator)
    stale = await tokens.token(FABRIC_SCOPE)
    simulator.fault("entra", "token", "slow", seconds=0.5)
    fetching = asyncio.create_task(tokens.token(POWERBI_SCOPE))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    tokens.discard(FABRIC_SCOPE, stale)
    assert time.monotonic() - began < 0.1
    await fetching


async def test_an_environment_full_of_other_authorities_does_not_lead_it_astray(
    simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "/etc/ssl/certs/ca-certificates.crt")
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await entra(simulator).token(FABRIC_SCOPE)


async def test_a_vendor_under_an_unknown_authority_gets_no_credentials(simulator: Any) -> None:
    with pytest.raises(VendorUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await entra(simulator, ca_file=None).token(FABRIC_SCOPE)
    assert simulator.requests() == []


async def test_a_wrong_secret_is_refused_in_words_that_say_what_to_check_and_without_the_secret(simulator: Any) -> None:
    with pytest.raises(VendorRejected, match="ENTRA_CLIENT_SECRET") as caught:
        await entra(simulator, secret="not-the-secret").token(FABRIC_SCOPE)
    assert caught.value.code == "invalid_client"
    assert "not-the-secret" not in str(caught.value)


async def test_an_unknown_directory_is_refused_in_words_that_say_what_to_check(simulator: Any) -> None:
    tokens = EntraTokens(
        simulator.url, "99999999-9999-4999-8999-999999999999", CLIENT, secret=SECRET, ca_file=simulator.ca_file
    )
    with pytest.raises(VendorRejected, match="ENTRA_TENANT_ID"):
        await tokens.token(FABRIC_SCOPE)


@pytest.mark.parametrize("kind", ["error_before", "reset", "malformed", "throttle"])
@pytest.mark.parametrize("operation", ["token", "openid_configuration"])
async def test_entra_out_of_order_is_worth_another_attempt_which_really_asks_again(
    simulator: Any, kind: str, operation: str
) -> None:
    simulator.fault("entra", operation, kind)
    tokens = entra(simulator)
    with pytest.raises(VendorUnavailable):
        await tokens.token(FABRIC_SCOPE)
    assert await tokens.token(FABRIC_SCOPE)


async def test_no_credential_at_all_or_an_unusable_file_is_a_mistake_in_the_settings(
    simulator: Any, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="ENTRA_CLIENT_SECRET"):
        entra(simulator, secret=None)
    with pytest.raises(SetupError, match="No such file"):
        await entra(simulator, secret=None, certificate=tmp_path / "absent.pem").token(FABRIC_SCOPE)
    (tmp_path / "half.pem").write_text(key_and_certificate()[0])
    with pytest.raises(SetupError, match="private key and the certificate"):
        await entra(simulator, secret=None, certificate=tmp_path / "half.pem").token(FABRIC_SCOPE)


FABRIC_SAYS = httpx.Response(401, headers={"x-ms-public-api-error-code": "TokenExpired"})
POWERBI_SAYS = httpx.Response(403, json={"error": {"code": "TokenExpired", "message": "Access token has expired"}})
AZURE_SAYS = httpx.Response(401, json={"error": {"code": "ExpiredAuthenticationToken", "message": "It has expired."}})


@pytest.mark.parametrize("expired", [FABRIC_SAYS, POWERBI_SAYS, AZURE_SAYS], ids=["Fabric", "Power BI", "Azure"])
async def test_an_expired_token_is_renewed_and_even_a_create_is_sent_again(
    simulator: Any, expired: httpx.Response
) -> None:
    answers, seen = [expired, httpx.Response(201, json={})], list[tuple[str, bytes]]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Authorization"], request.content))
        return answers.pop(0)

    async with signed(simulator, answer) as http:
        await http.call("create", "POST", "/things", json={"name": "a"})
    assert [body for _, body in seen] == [b'{"name":"a"}'] * 2
    assert seen[0][0] != seen[1][0]


async def test_a_token_that_is_expired_again_is_not_renewed_for_ever(simulator: Any) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return FABRIC_SAYS

    async with signed(simulator, answer) as http:
        with pytest.raises(VendorRejected) as caught:
            await http.call("read", "GET", "/things")
    assert (len(seen), caught.value.code) == (2, "TokenExpired")


@pytest.mark.parametrize("refusal", [httpx.Response(401, json={"errorCode": "Unauthorized"}), httpx.Response(403)])
async def test_any_other_refusal_costs_no_second_token(simulator: Any, refusal: httpx.Response) -> None:
    async with signed(simulator, lambda _request: refusal) as http:
        with pytest.raises(VendorRejected):
            await http.call("read", "GET", "/things")
    assert token_requests(simulator) == 1


async def test_a_create_waits_out_an_entra_that_is_down_because_nothing_was_done_yet(simulator: Any) -> None:
    simulator.fault("entra", "token", "error_before", times=2)
    async with signed(simulator, lambda _request: httpx.Response(201, json={})) as http:
        assert (await http.call("create", "POST", "/things")).status_code == 201


def signed(simulator: Any, answer: Any) -> VendorHttp:
    """A vendor that answers as told, called with tokens of the simulator's Entra."""
    auth = entra(simulator).auth(FABRIC_SCOPE)
    return VendorHttp("Vendor", "https://vendor.test", auth=auth, transport=httpx.MockTransport(answer))


def key_and_certificate() -> tuple[str, str]:
    """A private key and a certificate for it that it signed itself, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provisioner")])
    start = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    certificate = builder.not_valid_after(start + timedelta(days=1)).sign(key, hashes.SHA256())
    form = serialization.Encoding.PEM
    told = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return told.decode(), certificate.public_bytes(form).decode()
