"""A package is read without trusting it: whatever it holds, there are facts or a reason, soon and in little memory."""

import hashlib
import io
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tenant_provisioning.catalog.pbix import MAX_LAYOUT_BYTES, PbixFacts, PbixInvalid, inspect_pbix
from tenant_provisioning.catalog.sample_pbix import pbix_bytes, write_pbix

LAYOUT = json.dumps({"sections": [{}, {}]}).encode("utf-16-le")
PARTS = {"[Content_Types].xml": b"<Types/>", "Version": "1.28".encode("utf-16-le"), "Report/Layout": LAYOUT}
Reason = Callable[[bytes], str]


def package(changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A package of PARTS with some added, replaced, or (None) left out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as file:
        for name, data in {**PARTS, **changes}.items():
            if data is not None:
                file.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def reason(tmp_path: Path) -> Reason:
    """Why these bytes are refused."""

    def refused(data: bytes) -> str:
        path = tmp_path / "x.pbix"
        path.write_bytes(data)
        with pytest.raises(PbixInvalid) as caught:
            inspect_pbix(path)
        return str(caught.value)

    return refused


def facts(tmp_path: Path, data: bytes) -> PbixFacts:
    path = tmp_path / "x.pbix"
    path.write_bytes(data)
    return inspect_pbix(path)


def test_a_written_package_is_sound_and_brings_its_own_dataset(tmp_path: Path) -> None:
    path = tmp_path / "progress.pbix"

    write_pbix(path, "Learner Progress (Äptem)")

    data = path.read_bytes()
    assert inspect_pbix(path) == PbixFacts(len(data), hashlib.sha256(data).hexdigest(), "1.28", 1, has_model=True)


def test_a_written_package_holds_what_power_bi_expects_of_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(pbix_bytes("Learner Progress", table="learners"))) as file:
        assert file.testzip() is None
        assert file.namelist()[0] == "[Content_Types].xml"
        assert file.read("Version") == b"1\x00.\x002\x008\x00"
        layout = json.loads(file.read("Report/Layout").decode("utf-16-le"))
        model = json.loads(file.read("DataModelSchema").decode("utf-16-le"))
        json.loads(file.read("Settings").decode("utf-16-le"))
        json.loads(file.read("Metadata").decode("utf-16-le"))
    [page] = layout["sections"]
    [visual] = page["visualContainers"]
    assert page["displayName"] == "Learner Progress"
    assert json.loads(visual["config"])["singleVisual"]["visualType"] == "card"
    assert [table["name"] for table in model["model"]["tables"]] == ["learners"]


def test_the_same_title_gives_the_same_bytes_and_another_title_others(tmp_path: Path) -> None:
    assert pbix_bytes("One") == pbix_bytes("One") != pbix_bytes("Two")


def test_a_package_without_a_model_brings_no_dataset(tmp_path: Path) -> None:
    assert not facts(tmp_path, package({"Connections": b"{}"})).has_model
    assert facts(tmp_path, package({"DataModel": b"\x00" * 10})).has_model


def test_a_layout_with_a_byte_order_mark_and_compression_is_read(tmp_path: Path) -> None:
    data = package({"Report/Layout": b"\xff\xfe" + LAYOUT}, zipfile.ZIP_DEFLATED)

    assert facts(tmp_path, data).pages == 2


def test_the_newer_report_format_is_read(tmp_path: Path) -> None:
    report = {f"Report/definition/pages/{page}/page.json": b"{}" for page in "abc"}

    data = package({"Report/Layout": None, "Report/definition/report.json": b"{}", **report})

    assert facts(tmp_path, data).pages == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"[Content_Types].xml": None}, "no [Content_Types].xml"),
        ({"Version": None}, "no Version"),
        ({"Report/Layout": None}, "no report layout"),
        ({"Report/Layout": b"{}"}, "not JSON"),
        ({"Report/Layout": b"{"}, "damaged"),
        ({"Report/Layout": "[]".encode("utf-16-le")}, "not a JSON object"),
        ({"Report/Layout": "{}".encode("utf-16-le")}, "the report has no page"),
        ({"Report/Layout": '{"sections": 3}'.encode("utf-16-le")}, "the report has no page"),
        ({"Report/Layout": ("[" * 200_000).encode("utf-16-le")}, "not JSON"),
        ({"Version": b"1." * 4000}, "“Version” unpacks to over 1 kB"),
    ],
)
def test_a_package_that_is_no_report_is_refused(reason: Reason, changes: dict[str, bytes | None], said: str) -> None:
    assert said in reason(package(changes))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not begin like a zip"),
        (b"%PDF-1.7", "does not begin like a zip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        (package({})[:-30], "damaged"),
        (package({})[:200], "damaged"),
        (package({}).replace(LAYOUT, LAYOUT[::-1]), "damaged"),
    ],
)
def test_a_file_that_is_no_sound_zip_is_refused(reason: Reason, data: bytes, said: str) -> None:
    assert said in reason(data)


def with_directory_field(data: bytes, offset: int, value: bytes) -> bytes:
    """The package with a field overwritten in every entry of its central directory."""
    changed = bytearray(data)
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        changed[at + offset : at + offset + len(value)] = value
    return bytes(changed)


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [
        (8, struct.pack("<H", 1), "damaged"),  # flag: encrypted
        (10, struct.pack("<H", 99), "damaged"),  # a compression method that nobody knows
        (24, struct.pack("<L", 0xFFFFFFF0), "unpacks to over 10 GB"),  # unpacked size
        (42, struct.pack("<L", 0x00FFFFFF), "damaged"),  # where the member begins
    ],
)
def test_a_directory_that_lies_is_refused(reason: Reason, offset: int, value: bytes, said: str) -> None:
    assert said in reason(with_directory_field(package({}), offset, value))


def test_two_members_of_one_name_are_refused(reason: Reason) -> None:
    data = package({"Versioo": b"other"}).replace(b"Versioo", b"Version")

    assert "two members named “Version”" in reason(data)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(reason: Reason) -> None:
    bomb = package({"Report/Layout": bytes(MAX_LAYOUT_BYTES * 2)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        said = reason(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "“Report/Layout” unpacks to over 65536 kB" in said
    assert peak < 1.5 * MAX_LAYOUT_BYTES


def test_too_many_members_are_refused(reason: Reason) -> None:
    assert "more than 2000" in reason(package({f"m{number}": b"" for number in range(2000)}))


def test_a_directory_that_is_itself_a_bomb_is_refused_unread(reason: Reason) -> None:
    data = package({f"{number:0>200}": b"" for number in range(5000)})
    started = time.process_time()

    assert "the package's directory is over 1024 kB" in reason(data)
    assert time.process_time() - started < 1


def test_a_file_over_ten_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.pbix"
    with path.open("wb") as big:
        big.truncate(10 * 1024**3 + 1)  # a hole: takes no room

    with pytest.raises(PbixInvalid, match="over 10 GB"):
        inspect_pbix(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PbixInvalid, match="cannot be read: No such file"):
        inspect_pbix(tmp_path / "none.pbix")


SOUND = package({"DataModel": b"model"}, zipfile.ZIP_DEFLATED)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(4, len(SOUND) - 1), piece=st.binary(min_size=1, max_size=4))
@example(at=SOUND.index(b"PK\x05\x06") + 20, piece=b"\xff\xff")
def test_a_damaged_package_gives_facts_or_a_reason_and_nothing_else(tmp_path: Path, at: int, piece: bytes) -> None:
    path = tmp_path / "x.pbix"
    path.write_bytes(SOUND[:at] + piece + SOUND[at + len(piece) :])
    try:
        found = inspect_pbix(path)
    except PbixInvalid:
        return
    assert found.pages > 0
