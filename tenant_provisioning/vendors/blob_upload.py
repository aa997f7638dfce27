"""Putting a large file into Azure blob storage by a signed address (SAS), in blocks, each streamed from the file.

The address is a credential: no token goes with it, and it is never told. Blocks that fail are sent again one by one; a blob comes
into being only when the list of its blocks is put, so that an interrupted upload leaves nothing.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._http import VendorHttp, is_loopback

VENDOR = "Azure Storage"
STORAGE = ".blob.core.windows.net"
BLOCK_BYTES = 64 * 1024**2  # 50,000 blocks are allowed: far more than a file of 10 GB has
PIECE_BYTES = 1024**2  # what is in memory at a time


class BlobUpload:
    """Uploads by signed addresses of blob storage; or of this machine, where the API `beside` is on it too."""

    def __init__(
        self,
        beside: str,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = 30,
        attempts: int = 6,
        transport: httpx.AsyncBaseTransport | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._beside, self._block_bytes = httpx.URL(beside), block_bytes
        self._verify, self._timeout, self._attempts, self._transport = verify, timeout, attempts, transport

    async def upload(self, address: str, path: Path, *, deadline: float) -> None:
        """The file's bytes are at the address; `deadline` is in seconds for each block.

        Raises VendorRejected for an address elsewhere or one that is not valid any more, VendorUnavailable where storage is away.
        """
        url = httpx.URL(address)
        _check(url, self._beside)
        target, blocks = url.raw_path.decode(), list[str]()
        async with VendorHttp(
            VENDOR,
            str(url.copy_with(raw_path=b"/")),
            verify=self._verify,
            timeout=self._timeout,
            attempts=self._attempts,
            transport=self._transport,
        ) as http:
            size = (await asyncio.to_thread(path.stat)).st_size
            for start in range(0, size, self._block_bytes):
                length, name = min(self._block_bytes, size - start), _block_name(len(blocks))
                await http.call(
                    "upload file", "PUT", f"{target}&comp=block&blockid={quote(name)}", ok=(201,), seconds=deadline,
                    headers={"Content-Length": str(length)}, content=partial(_pieces, path, start, length),
                )  # fmt: skip
                blocks.append(name)
            whole = _listed(blocks)
            await http.call(
                "upload file", "PUT", f"{target}&comp=blocklist", ok=(201,),
                headers={"Content-Length": str(len(whole)), "Content-Type": "application/xml"}, content=_once(whole),
            )  # fmt: skip


def _block_name(number: int) -> str:
    """Base64, and of one length for all blocks of a blob."""
    return base64.b64encode(f"{number:06d}".encode()).decode()


def _listed(blocks: list[str]) -> bytes:
    names = "".join(f"<Latest>{name}</Latest>" for name in blocks)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'.encode()


def _check(url: httpx.URL, beside: httpx.URL) -> None:
    of_storage = url.host.endswith(STORAGE) and url.port is None
    if url.scheme != "https" or not url.query or not (of_storage or (is_loopback(url) and is_loopback(beside))):
        raise VendorRejected(VENDOR, "upload file", f"Power BI names {url.host} to upload to, which is no blob storage")


async def _pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length > 0:
            piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, length))
            if not piece:
                return  # the file has shrunk: httpx and storage notice that bytes are missing
            length -= len(piece)
            yield piece


def _once(content: bytes) -> Callable[[], AsyncIterator[bytes]]:
    async def whole() -> AsyncIterator[bytes]:
        yield content

    return whole
