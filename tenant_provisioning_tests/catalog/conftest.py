"""A small sound catalog that a test may spoil in one place, and the sample of 400."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.catalog.sample_pbix import pbix_bytes

CATALOG = """\
providers:
  lms:
    APTEM: Aptem
    BUD: Bud
  english_maths: {BKSB: bksb}
  crm: {HUBSPOT: HubSpot}
modules:
  learners:
    title: Learners
    features:
      learner_progress: Learner Progress
      attendance: Attendance
"""
REPORTS = """\
aptem_learner_progress:
  title: Learner Progress
  feature: learner_progress
  needs: {lms: APTEM}
  clone:
    report_id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
    version: 1
bksb_attendance:
  title: Attendance
  feature: attendance
  needs:
    english_maths: BKSB
  import:
    file: pbix/attendance.pbix
    sha256: SHA256
"""


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """The folder of a catalog without a mistake: one clone, one import."""
    folder = tmp_path / "catalog"
    (folder / "reports").mkdir(parents=True)
    (folder / "pbix").mkdir()
    package = pbix_bytes("Attendance")
    (folder / "pbix" / "attendance.pbix").write_bytes(package)
    (folder / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    reports = REPORTS.replace("SHA256", hashlib.sha256(package).hexdigest())
    (folder / "reports" / "all.yaml").write_text(reports, encoding="utf-8")
    return folder


@pytest.fixture
def spoil(sound: Path) -> Callable[..., Path]:
    """Replaces a text in a file of the sound catalog, which must be there, and returns the catalog's folder."""

    def replace(old: str, new: str, file: str = "reports/all.yaml") -> Path:
        path = sound / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return sound

    return replace


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample catalog, which tests only read."""
    folder = tmp_path_factory.mktemp("sample") / "catalog"
    write_sample(folder)
    return folder
