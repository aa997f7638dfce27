"""Following the calls of one tenant closely enough to say what had to wait for what: which ids each named, which it was told.

Off until the control API asks for it. Ids are kept as digests, so that no token and no address of a customer stays here. What
follows from it is `bound`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field

from starlette.requests import Request
from starlette.responses import Response

UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TOKEN = rb"eyJ[\w-]+\.[\w-]+\.[\w-]+"
HOST = rb"(?:[a-z0-9-]+\.){2,}[a-z]{2,}"
IDS = re.compile(b"|".join((UUID, TOKEN, HOST)), re.IGNORECASE)
PACKED = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")


@dataclass(frozen=True)
class Process:
    """Work that goes on in the background, such as an import."""

    name: str
    seconds: float


@dataclass
class Call:
    """One call: when it began, took effect and was answered (epoch seconds), and what it should take by the latency profile."""

    operation: str  # such as fabric.create_workspace
    method: str
    path: str
    latency: float
    began: float
    named: frozenset[bytes]
    effect: float = 0.0
    ended: float = 0.0
    status: int = 0
    told: frozenset[bytes] = frozenset()
    processes: list[Process] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Without the ids: for the control API."""
        told = asdict(self)
        return {name: told[name] for name in told if name not in ("named", "told")}


# the call that is being served in this task, if calls are followed
SERVED: ContextVar[Call | None] = ContextVar("served", default=None)


def begins(name: str, seconds: float) -> None:
    """The call that is being served begins this process."""
    if (call := SERVED.get()) is not None:
        call.processes.append(Process(name, seconds))


async def begin(operation: str, latency: float, began: float, request: Request) -> Call:
    """The call that has just arrived."""
    said = [request.scope["raw_path"], request.scope["query_string"], await request.body()]
    authorization = request.headers.get("authorization", "").encode()
    call = Call(operation, request.method, request.scope["path"], latency, began, ids([*said, authorization]))
    SERVED.set(call)
    return call


def answered(call: Call, response: Response, effect: float, ended: float) -> None:
    """The same call, now that it is answered."""
    headers = [value for name, value in response.raw_headers if name != b"content-type"]
    call.told = ids([bytes(getattr(response, "body", b"")), *headers])
    call.status, call.effect, call.ended = response.status_code, effect, ended
    SERVED.set(None)


def ids(texts: Iterable[bytes]) -> frozenset[bytes]:
    """Digests of every id, access token and host name in these texts, those in base64 within them included."""
    found: set[bytes] = set()
    for text in texts:
        for part in (text, *_unpacked(text)):
            found.update(hashlib.blake2b(one.lower(), digest_size=8).digest() for one in IDS.findall(part))
    return frozenset(found)


def _unpacked(text: bytes) -> Iterable[bytes]:
    for packed in PACKED.findall(text):
        try:
            yield base64.b64decode(packed, validate=True)
        except binascii.Error:
            continue
