"""Every request and its answer as lines of JSON, for checking both against the vendors' specifications.

Off unless a file is given. It keeps no headers of requests and masks what is secret by its name; bodies that are no
JSON are kept as their length only. The request log that the control API shows is in `world.py`.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

SECRET = re.compile(r"secret|password|credentials$|token(_hash)?$|otp$|action_link$|assertion", re.IGNORECASE)
MASK = "(masked)"
KEPT_HEADERS = (
    "location",
    "retry-after",
    "azure-asyncoperation",
    "x-ms-operation-id",
    "content-type",
    "www-authenticate",
)


class Recorder:
    """Appends to one file; each line is whole before the answer is sent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    async def add(self, vendor: str, operation: str, request: Request, response: Response, fault: str | None) -> None:
        """Record one exchange; the request's body must have been read before its handler ran."""
        line = {
            "vendor": vendor,
            "operation": operation,
            "fault": fault,
            "request": {
                "method": request.method,
                "path": request.scope["path"],
                "query": parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True),
                **_content(request.headers.get("content-type", ""), await request.body()),
            },
            "response": {
                "status": response.status_code,
                "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
                **_content(response.headers.get("content-type", ""), bytes(getattr(response, "body", b""))),
            },
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _content(content_type: str, body: bytes) -> dict[str, Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    told: dict[str, Any] = {"content_type": media_type or None, "bytes": len(body)}
    if media_type.endswith("json") and body:
        try:
            return {**told, "json": _masked(json.loads(body))}
        except ValueError:
            return told
    if media_type == "application/x-www-form-urlencoded":
        return {**told, "form": _masked(dict(parse_qsl(body.decode(errors="replace"))))}
    return told


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    return MASK if isinstance(value, str) and SECRET.search(name) else value
