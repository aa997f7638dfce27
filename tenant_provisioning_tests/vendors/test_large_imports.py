"""Files too large for a call's body: uploaded in blocks to a temporary place, streamed, and imported from there."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tenant_provisioning.catalog.sample_pbix import write_pbix
from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.blob_upload import BlobUpload
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.powerbi import PowerBI

pytestmark = pytest.mark.usefixtures("no_waiting")
MB = 1024**2


@pytest.fixture
async def powerbi(simulator: Any, tokens: EntraTokens) -> AsyncIterator[PowerBI]:
    """A client for which two kilobytes are too large for a body, and a block has one."""
    tls = trust(simulator.ca_file)
    async with PowerBI(
        f"{simulator.url}/v1.0/myorg", tokens, verify=tls, timeout=60, attempts=3, largest_body=2048, block_bytes=1024
    ) as client:
        yield client


async def test_a_large_file_is_imported_by_way_of_a_temporary_place(
    powerbi: PowerBI, simulator: Any, acme: Any, tmp_path: Path
) -> None:
    path = tmp_path / "large.pbix"
    write_pbix(path, "Large")
    assert path.stat().st_size > 2048

    done = await powerbi.import_pbix(acme.workspace, "Large", path, deadline=20)

    assert [report.name for report in done.reports] == ["Large"]
    asked = [one["operation"] for one in simulator.requests() if one["vendor"] in {"powerbi", "storage"}]
    blocks = -(-path.stat().st_size // 1024)
    assert asked == ["create_upload_location", *["upload_blob"] * (blocks + 1), "import", "get_import"]


async def test_a_small_file_goes_in_the_body(powerbi: PowerBI, simulator: Any, acme: Any, tmp_path: Path) -> None:
    (tmp_path / "small.pbix").write_bytes(b"PK")

    with pytest.raises(VendorRejected):
        await powerbi.import_pbix(acme.workspace, "Small", tmp_path / "small.pbix", deadline=20)

    assert "create_upload_location" not in {one["operation"] for one in simulator.requests()}


@pytest.mark.parametrize("kind", ["error_before", "lost_response"])
async def test_a_block_that_fails_is_sent_again_and_the_file_is_whole(
    kind: str, powerbi: PowerBI, simulator: Any, acme: Any, tmp_path: Path
) -> None:
    write_pbix(tmp_path / "large.pbix", "Large")
    simulator.fault("storage", "upload_blob", kind, nth=2, **({"status": 503} if kind == "error_before" else {}))

    done = await powerbi.import_pbix(acme.workspace, "Large", tmp_path / "large.pbix", deadline=20)

    assert [report.name for report in done.reports] == ["Large"]


async def test_no_token_goes_with_the_file_and_none_anywhere_but_blob_storage(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201)

    (tmp_path / "file").write_bytes(b"x" * 10)
    upload = BlobUpload("https://api.powerbi.com/v1.0/myorg", transport=httpx.MockTransport(answer), block_bytes=4)
    storage = "https://wabi.blob.core.windows.net/c/f.pbix?sv=1&sig=s%2Fs"
    await upload.upload(storage, tmp_path / "file", deadline=5)

    assert len(seen) == 4
    assert all(
        "authorization" not in request.headers and request.url.host == "wabi.blob.core.windows.net" for request in seen
    )
    assert all(request.url.query.startswith(b"sv=1&sig=s%2Fs&comp=block") for request in seen)
    assert [request.headers["content-length"] for request in seen[:3]] == ["4", "4", "2"]
    for elsewhere in (
        "https://evil.example/f?sig=s", "http://wabi.blob.core.windows.net/f?sig=s", "https://127.0.0.1/f?sig=s",
        "https://blob.core.windows.net.evil.example/f?sig=s", "https://wabi.blob.core.windows.net:8443/f?sig=s",
    ):  # fmt: skip
        with pytest.raises(VendorRejected) as refusal:
            await upload.upload(elsewhere, tmp_path / "file", deadline=5)
        assert "sig" not in str(refusal.value)


class Swallowing(httpx.AsyncBaseTransport):
    """A place that counts what comes and keeps nothing."""

    received = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            self.received += len(piece)
        return httpx.Response(201)


async def test_a_file_of_over_a_gigabyte_is_never_in_memory(tmp_path: Path) -> None:
    path, place = tmp_path / "sparse", Swallowing()
    with path.open("wb") as file:
        file.truncate(1024 * MB + 1)  # a hole: takes no room
    upload = BlobUpload("https://api.powerbi.com/v1.0/myorg", transport=place)
    tracemalloc.start()
    try:
        await upload.upload("https://wabi.blob.core.windows.net/c/f.pbix?sig=s", path, deadline=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert place.received > 1024 * MB
    assert peak < 8 * MB, f"{peak / MB:.1f} MB at once"
