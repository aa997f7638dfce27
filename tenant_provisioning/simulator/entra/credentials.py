"""How an application proves itself at the token endpoint: with its secret, or an assertion its certificate signed."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography import x509

from tenant_provisioning.simulator.entra.errors import refused
from tenant_provisioning.simulator.entra.state import SIGNATURE_ONLY, Client, thumbprint
from tenant_provisioning.simulator.http import VendorAnswer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def prove(client: Client, form: Mapping[str, str], token_endpoint: str, now: float) -> None:
    """Quiet when the form proves that it comes from the application; raises Entra's refusal otherwise."""
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise missing("client_assertion_type")
        _prove_by_certificate(client, form["client_assertion"], token_endpoint, now)
    elif not form.get("client_secret"):
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise refused(401, "invalid_client", 7000218, text)
    elif client.secret is None or form["client_secret"] != client.secret:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client.client_id}'."
        )
        raise refused(401, "invalid_client", 7000215, text)


def missing(parameter: str) -> VendorAnswer:
    """The refusal of a form without that parameter."""
    return refused(
        400, "invalid_request", 900144, f"The request body must contain the following parameter: '{parameter}'."
    )


def _prove_by_certificate(client: Client, assertion: str, token_endpoint: str, now: float) -> None:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError:
        raise refused(400, "invalid_request", 50027, "JWT token is invalid or malformed.") from None
    claims = _verified(assertion, _certificate_for(client, header), header)
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        text = "Client assertion application identifier doesn't match 'client_id' parameter."
        raise refused(401, "invalid_client", 700021, text)
    audiences = claims["aud"] if isinstance(claims.get("aud"), list) else [claims.get("aud")]
    if token_endpoint not in audiences and token_endpoint.removesuffix("/oauth2/v2.0/token") + "/v2.0" not in audiences:
        raise refused(401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
    if not float(claims.get("nbf", 0)) <= now + 300 or not now < float(claims.get("exp", 0)):
        text = "Client assertion is not within its valid time range."
        raise refused(401, "invalid_client", 700024, text)


def _certificate_for(client: Client, header: Mapping[str, Any]) -> str:
    wanted = {name: str(header[name]).rstrip("=") for name in ("x5t", "x5t#S256") if name in header}
    for pem in client.certificates:
        known = {"x5t": thumbprint(pem, "sha1"), "x5t#S256": thumbprint(pem, "sha256")}
        if wanted and all(known[name] == value for name, value in wanted.items()):
            return pem
    text = "Client assertion contains an invalid signature. [Reason - The key was not found.]"
    raise refused(401, "invalid_client", 700027, text)


def _verified(assertion: str, certificate: str, header: Mapping[str, Any]) -> dict[str, Any]:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    algorithm = header.get("alg")
    if algorithm not in {"RS256", "PS256"}:
        raise refused(
            400, "invalid_request", 5002738, f"Invalid JWT token. '{algorithm}' is not a supported signature algorithm."
        )
    try:
        return dict(jwt.decode(assertion, key, [algorithm], options=SIGNATURE_ONLY))  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        text = "Client assertion contains an invalid signature. [Reason - The provided signature value did not match.]"
        raise refused(401, "invalid_client", 700027, text) from None
