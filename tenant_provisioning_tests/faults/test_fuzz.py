"""A small seeded part of `make faults`' hostile input."""

from pathlib import Path

from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.faults.fuzz import Fuzz


async def test_hostile_forms_are_stored_harmless_or_refused_with_nothing_stored(platform_db: Database) -> None:
    fuzz = Fuzz(seed=20)

    await fuzz.requests(platform_db, 120)

    assert fuzz.tried.wrong == []
    assert fuzz.tried.counts["refused"] > 90


def test_hostile_files_and_packages_are_refused_without_a_crash(tmp_path: Path) -> None:
    fuzz = Fuzz(seed=20)

    fuzz.files(80)
    fuzz.packages(tmp_path, 80)

    assert fuzz.tried.wrong == []
