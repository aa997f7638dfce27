"""Who may call GoDaddy, how often, and in which words a refusal is told."""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.simulator.godaddy import errors
from tenant_provisioning.simulator.godaddy.limits import Allowance
from tenant_provisioning.simulator.godaddy.records import CannotStandTogether, NoSuchDomain, ZoneIsChanging
from tenant_provisioning.simulator.http import Handler, VendorAnswer, identify
from tenant_provisioning.simulator.world import GODADDY_ACCESS_TOKEN, GODADDY_KEY, GODADDY_SECRET, World

KEY = f"{GODADDY_KEY}:{GODADDY_SECRET}"


def guarded(world: World, handler: Handler, *, tokens_only: bool = False) -> Handler:
    """The handler for callers who may: known, within their requests a minute, with an account that may use the API."""

    async def carry_out(request: Request) -> Response:
        credential = _credential_of(request, tokens_only)
        if credential is None:
            raise (
                errors.refused_v3(401, "UNAUTHORIZED", "Not authenticated")
                if tokens_only
                else errors.not_authenticated()
            )
        identify(request, credential)
        allowance = _count(world, credential)
        if allowance.wait is not None:
            raise _with(errors.throttled(allowance.wait), allowance)
        try:
            response = await _answered(world, handler, request)
        except VendorAnswer as said:
            raise _with(said, allowance) from None
        response.headers.update(allowance.headers())
        return response

    return carry_out


async def _answered(world: World, handler: Handler, request: Request) -> Response:
    if not world.godaddy.knobs.account_may_use_dns_api:
        raise errors.access_denied()
    try:
        return await handler(request)
    except NoSuchDomain:
        raise errors.unknown_domain() from None
    except ZoneIsChanging:
        raise errors.zone_is_changing() from None
    except CannotStandTogether as conflict:
        raise errors.duplicate_record(f"Record conflicts with another record: {conflict}") from None


def _credential_of(request: Request, tokens_only: bool) -> str | None:
    """The name of the credential that was shown and is right; a personal access token works in both versions."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), GODADDY_ACCESS_TOKEN.encode()):
        return "access-token"
    if not tokens_only and scheme.lower() == "sso-key" and hmac.compare_digest(shown.encode(), KEY.encode()):
        return GODADDY_KEY
    return None


def _count(world: World, credential: str) -> Allowance:
    knobs, latency = world.godaddy.knobs, world.latency
    instant = latency.profile == "instant"
    enforced = not instant if knobs.limit_requests is None else knobs.limit_requests
    return world.godaddy.requests.take(
        credential,
        knobs.requests_per_minute,
        now=world.now(),
        length=knobs.minute * (1.0 if instant else latency.scale),
        enforced=enforced,
    )


def _with(said: VendorAnswer, allowance: Allowance) -> VendorAnswer:
    return VendorAnswer(said.status, said.body, {**said.headers, **allowance.headers()})
