"""What every vendor's routes share: one wrapped operation a call, the vendor's errors as exceptions, strict bodies.

Which error form a vendor uses is in its `errors.py`, a module of the shape of `ErrorForms`. What a call does is in its
state, and nothing here knows any vendor.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tenant_provisioning.simulator import following
from tenant_provisioning.simulator.faults import UNANSWERED_KINDS, Fault
from tenant_provisioning.simulator.world import RequestSeen, World

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

HANG_SECONDS = 3600.0
SLOW_SECONDS = 5.0
THROTTLE_SECONDS = 1


class VendorAnswer(Exception):
    """An answer that ends the handler at once, mostly one of the vendor's errors."""

    def __init__(self, status: int, body: object = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"answer {status}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The same as an HTTP response; no body when it is None."""
        return answer(self.body, self.status, self.headers)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request body."""

    path: str  # such as definition.parts.0.path; empty for the body itself
    kind: Literal["missing", "unknown", "invalid"]
    message: str


class BadBody(Exception):
    """A request body that the vendor does not take; `kind` says at which stage it was found."""

    def __init__(
        self, kind: Literal["media_type", "syntax", "properties"], message: str, problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.problems = problems


class ErrorForms(Protocol):
    """What a vendor's `errors.py` offers: the vendor's words for what can go wrong with any of its calls."""

    def error(self, status: int, code: str | None, message: str | None, retry_after: int | None) -> VendorAnswer:
        """Any error, as a fault asks for it; code and message of the vendor's usual one where None."""

    def throttled(self, retry_after: int) -> VendorAnswer:
        """Too many requests."""

    def no_route(self, method: str, path: str) -> VendorAnswer:
        """There is nothing at this path."""

    def wrong_method(self, method: str, path: str, allowed: list[str]) -> VendorAnswer:
        """The path is right, the method is not."""

    def bad_body(self, problem: BadBody) -> VendorAnswer:
        """The body has the wrong media type, is no JSON, or misses or exceeds what the call takes."""


class Body(BaseModel):
    """A JSON request body: nothing unknown, nothing missing, nothing of a wrong type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


B = TypeVar("B", bound=BaseModel)


def answer(body: object = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response; an empty one without content type when the body is None."""
    if body is None:
        return Response(b"", status, headers)
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(content, status, headers, "application/json; charset=utf-8")


async def read_body(request: Request, model: type[B], media_types: tuple[str, ...] = ("application/json",)) -> B:
    """The request's JSON body as the model; BadBody, which `operation` turns into the vendor's error, otherwise."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in media_types:
        raise BadBody("media_type", f"media type {media_type or '(none)'} is not one of {', '.join(media_types)}")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as mistakes:
        raise _bad_body(mistakes) from None


def bearer(request: Request) -> str | None:
    """The token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def origin(request: Request) -> str:
    """`https://host:port` by which the caller reached the simulator."""
    return f"https://{request.headers.get('host', 'localhost')}"


def world_of(request: Request) -> World:
    """The world that the request reached; its vendors' states are new after each reset, so keep none."""
    world: World = request.scope["world"]
    return world


def identify(request: Request, identity: str) -> None:
    """Tell the request log who is calling (a client id or a key's name, never a secret)."""
    request.scope["identity"] = identity


def operation(vendor: str, name: str, handler: Handler) -> Handler:
    """The handler as the vendor's operation: logged, slowed, struck by faults, its errors in the vendor's form."""

    async def carry_out(request: Request) -> Response:
        world = world_of(request)
        started, clock, fault = world.now(), time.perf_counter(), None
        status, call = 0, None
        pause = world.latency.of(f"{vendor}.{name}") / 2  # half before the effect, half before the answer
        try:
            if world.followed is not None:
                call = await following.begin(f"{vendor}.{name}", 2 * pause, started, request)
                world.followed.append(call)
            if pause:
                await asyncio.sleep(pause)
            if world.recorder is not None:
                await request.body()  # cached, so that the handler reads it again
            if world.faults.concern(vendor, name):
                fault = world.faults.strike(vendor, name, await _text_of(request))
            response = await (_struck(request, handler, fault) if fault else _answered(request, handler))
            world.commit()
            effect = world.now()
            if pause:
                await asyncio.sleep(pause)
            if call is not None:
                following.answered(call, response, effect, world.now())
            if fault is not None and fault.plan.kind in UNANSWERED_KINDS:
                return response
            status = response.status_code
            if world.recorder is not None:
                await world.recorder.add(vendor, name, request, response, fault.plan.kind if fault else None)
            return response
        finally:
            world.log.append(
                RequestSeen(
                    vendor,
                    name,
                    request.method,
                    request.scope["path"],
                    status,
                    request.scope.get("identity", ""),
                    started,
                    time.perf_counter() - clock,
                    fault.plan.kind if fault else None,
                )
            )

    carry_out.__name__ = f"{vendor}.{name}"
    return carry_out


async def _answered(request: Request, handler: Handler) -> Response:
    forms: ErrorForms = request.scope["errors"]
    try:
        return await handler(request)
    except VendorAnswer as said:
        return said.response()
    except BadBody as problem:
        return forms.bad_body(problem).response()
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except Exception:
        logger.exception("%s %s", request.method, request.scope["path"])
        return forms.error(500, None, None, None).response()


async def _struck(request: Request, handler: Handler, fault: Fault) -> Response:
    plan, forms = fault.plan, request.scope["errors"]
    match plan.kind:
        case "throttle":
            wait = plan.retry_after if plan.retry_after is not None else THROTTLE_SECONDS
            response: Response = forms.throttled(wait).response()
        case "error_before" | "refuse":
            usual = 500 if plan.kind == "error_before" else 403
            response = forms.error(plan.status or usual, plan.code, plan.message, plan.retry_after).response()
        case "malformed":
            whole = await _answered(request, handler)
            status = 200 if whole.status_code == 204 else whole.status_code  # which may not have a body at all
            response = Response(
                bytes(whole.body)[: len(whole.body) // 2] + b'{"', status, media_type="application/json"
            )
        case "slow" | "hang":
            usual_seconds = SLOW_SECONDS if plan.kind == "slow" else HANG_SECONDS
            await _while_connected(request, usual_seconds if plan.seconds is None else plan.seconds)
            response = await _answered(request, handler) if plan.kind == "slow" else _NoAnswer(status_code=500)
        case "lost_response" | "hang_after":
            await _answered(request, handler)
            if plan.kind == "hang_after":  # the effect is there, and the answer never comes
                await _while_connected(request, HANG_SECONDS if plan.seconds is None else plan.seconds)
            response = _NoAnswer(status_code=500)
        case _:
            response = _NoAnswer(status_code=500)
    return response


async def _while_connected(request: Request, seconds: float) -> None:
    """Wait, but not longer than the caller does; the request's body has been read before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass


class _NoAnswer(Response):
    """What is sent when nothing is: the connection is reset, after the call has been logged and its effect kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["abort"] is None:  # called in process: there is no connection to reset
            await super().__call__(scope, receive, send)
            return
        scope["abort"]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while (await receive())["type"] != "http.disconnect":
                    pass


async def _text_of(request: Request) -> str:
    """What a fault's match looks at: path, query and body as one text."""
    query = unquote_plus(request.scope["query_string"].decode())
    return f"{request.scope['path']}?{query}\n{(await request.body()).decode(errors='replace')}"


def _bad_body(mistakes: ValidationError) -> BadBody:
    kinds: dict[str, Literal["missing", "unknown"]] = {"missing": "missing", "extra_forbidden": "unknown"}
    found: list[Problem] = []
    for mistake in mistakes.errors(include_input=False, include_url=False):
        if mistake["type"] == "json_invalid":
            return BadBody("syntax", mistake["msg"])
        path = ".".join(str(part) for part in mistake["loc"])
        found.append(Problem(path, kinds.get(mistake["type"], "invalid"), mistake["msg"]))
    return BadBody("properties", "; ".join(f"{problem.path}: {problem.message}" for problem in found), tuple(found))
