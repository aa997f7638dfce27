"""Tokens of Microsoft Entra ID for Fabric, Power BI, Azure and Key Vault: one a scope, for a service principal.

MSAL speaks the protocol (client secret or certificate); this module gives it threads to block in and a wire it cannot
be led astray on. What is called with a token is the business of `fabric`, `powerbi` and the like.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx

from tenant_provisioning.model.errors import SetupError, VendorRejected
from tenant_provisioning.vendors._answers import NothingDone, json_body, refusal, retry_after, vendor_code
from tenant_provisioning.vendors._http import is_loopback, trust

VENDOR, OPERATION = "Microsoft Entra", "get a token"
FABRIC_SCOPE = "https://api.fabric.microsoft.com/.default"
POWERBI_SCOPE = "https://analysis.windows.net/powerbi/api/.default"
ARM_SCOPE = "https://management.azure.com/.default"
SQL_SCOPE = "https://database.windows.net/.default"
KEY_VAULT_SCOPE = "https://vault.azure.net/.default"


class EntraTokens:
    """The service principal's tokens, each kept until it nearly expires; safe to share by threads and event loops.

    Nothing is asked of Entra before the first token is needed. Give `secret` or `certificate`: a PEM file with key and
    certificate, or the text of one; `certificate_password` opens an encrypted key.
    """

    def __init__(
        self,
        authority_url: str,
        tenant_id: str,
        client_id: str,
        *,
        secret: str | None = None,
        certificate: Path | str | None = None,
        certificate_password: str | None = None,
        ca_file: Path | None = None,
        timeout: float = 30,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not secret and not certificate:
            raise SetupError(
                "none of ENTRA_CLIENT_SECRET, ENTRA_CLIENT_CERTIFICATE and ENTRA_CLIENT_CERTIFICATE_PATH is set: "
                "one of them is needed"
            )
        self._authority, self._client_id = f"{authority_url.rstrip('/')}/{tenant_id}", client_id
        self._secret, self._certificate, self._password = secret, certificate, certificate_password
        self._ca_file, self._timeout, self._transport = ca_file, timeout, transport
        self._asking, self._keeping = threading.Lock(), threading.Lock()
        self._kept: dict[str, tuple[str, float]] = {}

    async def token(self, scope: str) -> str:
        """A bearer token. Raises VendorRejected (our credentials), VendorUnavailable, SetupError (certificate file)."""
        kept = self._fresh(scope)
        return await asyncio.to_thread(self._acquire, scope) if kept is None else kept

    async def object_id(self) -> str:
        """The object id of the service principal, as its own token tells it."""
        import jwt

        token = await self.token(POWERBI_SCOPE)
        try:
            # nothing is decided by it that the vendor would not check
            return str(jwt.decode(token, options={"verify_signature": False})["oid"])
        except (jwt.InvalidTokenError, KeyError):
            raise VendorRejected(
                VENDOR, OPERATION, "the token does not tell the service principal's object id"
            ) from None

    def blocking_token(self, scope: str) -> tuple[str, float]:
        """The same for who may block: the token, and when it ends in seconds since the epoch."""
        token = self._fresh(scope) or self._acquire(scope)
        return token, self._kept.get(scope, ("", 0.0))[1]

    def discard(self, scope: str, token: str) -> None:
        """Throw the token away because a vendor calls it expired; the next `token` is a new one.

        Of many calls that failed with the same token only the first throws it away.
        """
        with self._keeping:
            if self._kept.get(scope, ("", 0.0))[0] == token:
                del self._kept[scope]

    def auth(self, scope: str) -> httpx.Auth:
        """What signs requests with this scope's token, and once more with a new one when told TokenExpired."""
        return _Bearer(self, scope)

    def _fresh(self, scope: str) -> str | None:
        token, until = self._kept.get(scope, ("", 0.0))
        return token if time.time() < until else None

    def _acquire(self, scope: str) -> str:
        """A token from MSAL, in a thread of its own; those who ask meanwhile wait for it and take the same one."""
        with self._asking:
            if kept := self._fresh(scope):
                return kept
            answer = self._ask(scope)
            token, seconds = str(answer["access_token"]), float(answer.get("expires_in", 0))
            with self._keeping:
                self._kept[scope] = (token, time.time() + 0.9 * seconds)
            return token

    def _ask(self, scope: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._application().acquire_token_for_client(scopes=[scope])
        except (ValueError, TypeError) as error:
            # MSAL's own words for a discovery that answers HTTP 4xx; anything else is about the certificate's key
            if self._certificate and "authority" not in str(error):
                raise SetupError(
                    f"{self._certificate_setting()}: its private key cannot be read: "
                    "check ENTRA_CLIENT_CERTIFICATE_PASSWORD, and that it is an RSA key in PEM"
                ) from None
            raise VendorRejected(
                VENDOR, OPERATION, "it does not know this directory: check ENTRA_TENANT_ID and ENTRA_AUTHORITY_URL"
            ) from error
        if "access_token" not in answer:
            raise _refused(answer)
        return answer

    def _application(self) -> Any:
        """The MSAL application; building it already asks Entra for its configuration.

        One for each token: MSAL keeps tokens a vendor has thrown out, and failures for a minute, and would serve them
        again.
        """
        from msal import ConfidentialClientApplication

        return ConfidentialClientApplication(
            self._client_id,
            client_credential=self._credential(),
            authority=self._authority,
            instance_discovery=False,
            http_client=Wire(trust(self._ca_file), self._timeout, self._transport),
        )

    def _credential(self) -> str | dict[str, str]:
        if not self._certificate:
            return self._secret or ""
        pem = certificate_text(self._certificate)
        if "PRIVATE KEY-----" not in pem or "BEGIN CERTIFICATE-----" not in pem:
            raise SetupError(
                f"{self._certificate_setting()} must hold the private key and the certificate, both as PEM"
            )
        # with a passphrase MSAL decodes the key itself; without one it hands the text on
        opened = {"passphrase": self._password} if self._password else {}
        return {"private_key": pem, "public_certificate": pem, **opened}

    def _certificate_setting(self) -> str:
        if isinstance(self._certificate, Path):
            return f"ENTRA_CLIENT_CERTIFICATE_PATH: {self._certificate}"
        return "ENTRA_CLIENT_CERTIFICATE"


def certificate_text(certificate: Path | str) -> str:
    """The PEM text of a certificate that is given as such or as a file; SetupError when the file cannot be read."""
    if isinstance(certificate, str):
        return certificate
    try:
        return certificate.read_text()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not PEM"
        raise SetupError(f"ENTRA_CLIENT_CERTIFICATE_PATH: {certificate}: {told}") from error


class _Bearer(httpx.Auth):
    """Signs requests. TokenExpired means that the vendor did nothing, so even a create is sent again, once."""

    def __init__(self, tokens: EntraTokens, scope: str) -> None:
        self._tokens, self._scope = tokens, scope

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.token(self._scope)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if await _says_expired(response):
            self._tokens.discard(self._scope, token)
            request.headers["Authorization"] = f"Bearer {await self._tokens.token(self._scope)}"
            yield request


async def _says_expired(response: httpx.Response) -> bool:
    """Fabric says it with 401 and a header, Power BI with 403 and a body, Azure's Resource Manager with a word of its own."""
    if response.status_code not in {401, 403}:
        return False
    await response.aread()
    told = response.headers.get("x-ms-public-api-error-code") or vendor_code(json_body(response))
    return told in {"TokenExpired", "ExpiredAuthenticationToken"}


def _refused(answer: dict[str, Any]) -> VendorRejected:
    """Entra's refusal; its description goes on with trace ids and times."""
    code = str(answer.get("error", "")) or None
    said = str(answer.get("error_description", "")).partition(" Trace ID:")[0].strip() or "no token was given"
    hint = {
        "invalid_client": ": check ENTRA_CLIENT_SECRET or the certificate",
        "unauthorized_client": ": check ENTRA_CLIENT_ID",
    }
    return VendorRejected(
        VENDOR,
        OPERATION,
        " ".join(said.split())[:300] + hint.get(code or "", ""),
        code=code,
        request_id=answer.get("correlation_id"),
    )


class Wire:
    """The HTTP client MSAL asks for. Its CA is ours to choose: MSAL's default lets REQUESTS_CA_BUNDLE override it."""

    def __init__(self, verify: ssl.SSLContext, timeout: float, transport: httpx.BaseTransport | None) -> None:
        self._verify, self._timeout, self._transport = verify, timeout, transport

    def get(self, url: str, **request: Any) -> httpx.Response:
        return self._request("GET", url, **request)

    def post(self, url: str, data: dict[str, Any] | None = None, **request: Any) -> httpx.Response:
        # MSAL gives a certificate's assertion as bytes, which httpx would write as b'…'
        form = {name: value.decode() if isinstance(value, bytes) else value for name, value in (data or {}).items()}
        return self._request("POST", url, data=form, **request)

    def close(self) -> None:
        """Nothing is kept open: a token is asked for once an hour."""

    def _request(self, method: str, url: str, **request: Any) -> httpx.Response:
        """Entra's answer; NothingDone where there is none, or none that MSAL could tell from a refusal."""
        loopback = is_loopback(httpx.URL(url))
        try:
            with httpx.Client(
                verify=self._verify, timeout=self._timeout, transport=self._transport, trust_env=not loopback
            ) as client:
                response = client.request(method, url, **request)
        except httpx.RequestError as error:
            raise NothingDone(VENDOR, OPERATION, f"cannot be reached: {error}") from error
        body = json_body(response)
        if response.status_code == 429 or response.status_code >= 500:
            refused = refusal(VENDOR, OPERATION, response)
            wait = retry_after(response.headers, body)
            raise NothingDone(
                VENDOR, OPERATION, refused.message, status=refused.status, code=refused.code, retry_after=wait
            )
        if body is None:
            raise NothingDone(VENDOR, OPERATION, "the answer cannot be read", status=response.status_code)
        return response
