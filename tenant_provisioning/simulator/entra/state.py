"""Who may ask for tokens, how tokens are signed, and whether a token that a vendor was shown is good.

Access tokens are real RS256 JWTs of the v1.0 shape that the Microsoft APIs get. No HTTP here.
"""

import base64
import functools
import hashlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options
from pydantic import BaseModel, ConfigDict, Field

from tenant_provisioning.simulator.world import CLIENT_ID, CLIENT_SECRET, TENANT_ID

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

POWERBI_AUDIENCE = "https://analysis.windows.net/powerbi/api"
FABRIC_AUDIENCE = "https://api.fabric.microsoft.com"
ARM_AUDIENCE = "https://management.azure.com"
KEY_VAULT_AUDIENCE = "https://vault.azure.net"
STORAGE_AUDIENCE = "https://storage.azure.com"
SQL_AUDIENCE = "https://database.windows.net"
RESOURCES = frozenset(
    {POWERBI_AUDIENCE, FABRIC_AUDIENCE, ARM_AUDIENCE, KEY_VAULT_AUDIENCE, STORAGE_AUDIENCE, SQL_AUDIENCE}
)

# audience and times are checked by the world's own clock and each vendor's own audience
SIGNATURE_ONLY: Options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
CHECKED_TOKENS = 20_000  # verifying a signature costs more than the rest of a call


class EntraKnobs(BaseModel):
    """What a test may change about Entra."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_lifetime: int = Field(default=3599, ge=1, description="seconds; Entra gives 3599")


@dataclass(frozen=True, slots=True)
class Client:
    """A registered application with its service principal; certificates are PEM."""

    client_id: str
    object_id: str
    secret: str | None
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, as a vendor sees it after the token was found good."""

    client_id: str
    object_id: str
    tenant_id: str
    expires_at: float
    token_id: str


class TokenProblem(Exception):
    """Why a token is not accepted."""

    def __init__(self, reason: Literal["missing", "invalid", "expired", "audience"]) -> None:
        super().__init__(f"the token is {reason}")
        self.reason = reason


class EntraState:
    """The directory of one tenant."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = EntraKnobs()
        self._clients = world.table("entra.clients", Client)
        self._checked: dict[str, tuple[Identity, str]] = {}
        keys = world.table("entra.signing_key", str, kept=True)
        pem = keys.get("current") or keys.put("current", _new_key())
        self._key = _loaded(pem)
        self._public_key = self._key.public_key()
        self.key_id = hashlib.sha256(pem.encode()).hexdigest()[:27]

    def seed(self) -> None:
        """The provisioner's application, with its secret."""
        self.register(CLIENT_ID, secret=CLIENT_SECRET)

    def snapshot(self) -> dict[str, Any]:
        """The registered applications, without their credentials."""
        return {"clients": [client.client_id for client in self._clients.values()]}

    def register(self, client_id: str, *, secret: str | None = None, certificate: str | None = None) -> Client:
        """Register an application, or give the known one another secret or a further certificate (PEM)."""
        known = self._clients.get(client_id) or Client(client_id, object_id_of(client_id), None)
        if certificate is not None:
            x509.load_pem_x509_certificate(certificate.encode())
            known = replace(known, certificates=(*known.certificates, certificate))
        return self._clients.put(client_id, replace(known, secret=secret or known.secret))

    def client(self, client_id: str) -> Client | None:
        """The application with that id, or None."""
        return self._clients.get(client_id)

    def issue(self, client: Client, audience: str, issuer: str) -> tuple[str, int]:
        """An access token of the application for the audience, and the seconds it is valid."""
        now, lifetime = int(self._world.now()), self.knobs.token_lifetime
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "appid": client.client_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": client.object_id,
            "sub": client.object_id,
            "tid": TENANT_ID,
            "uti": self._world.new_id(),
            "ver": "1.0",
        }
        headers = {"kid": self.key_id, "x5t": self.key_id}
        return jwt.encode(claims, self._key, "RS256", headers=headers), lifetime

    def check(self, token: str | None, audience: str | Collection[str]) -> Identity:
        """Who the token stands for; raises TokenProblem unless it is ours, for the audience, and not expired."""
        if token is None:
            raise TokenProblem("missing")
        identity, given = self._checked.get(token) or self._verify(token)
        accepted = (audience,) if isinstance(audience, str) else audience
        if given.rstrip("/") not in accepted:
            raise TokenProblem("audience")
        if identity.expires_at <= self._world.now():
            raise TokenProblem("expired")
        return identity

    def public_key(self) -> dict[str, Any]:
        """The signing key as a JSON Web Key."""
        known = jwt.algorithms.RSAAlgorithm.to_jwk(self._public_key, as_dict=True)
        return {**known, "use": "sig", "kid": self.key_id, "x5t": self.key_id, "key_ops": ["verify"]}

    def _verify(self, token: str) -> tuple[Identity, str]:
        try:
            claims = jwt.decode(token, self._public_key, ["RS256"], options=SIGNATURE_ONLY)
        except jwt.InvalidTokenError:
            raise TokenProblem("invalid") from None
        if len(self._checked) >= CHECKED_TOKENS:
            self._checked.clear()
        identity = Identity(claims["appid"], claims["oid"], claims["tid"], float(claims["exp"]), claims["uti"])
        self._checked[token] = identity, claims["aud"]
        return self._checked[token]


def object_id_of(client_id: str) -> str:
    """The object id of the application's service principal."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"service-principal:{client_id}"))


def thumbprint(certificate: str, algorithm: Literal["sha1", "sha256"]) -> str:
    """The certificate's thumbprint as `x5t` and `x5t#S256` carry it, without padding."""
    der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(serialization.Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.new(algorithm, der).digest()).decode().rstrip("=")


@functools.lru_cache(maxsize=8)
def _loaded(pem: str) -> rsa.RSAPrivateKey:
    """The key; reading it checks its primes, 50 ms that every reset would wait for."""
    return cast("rsa.RSAPrivateKey", serialization.load_pem_private_key(pem.encode(), None))


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
