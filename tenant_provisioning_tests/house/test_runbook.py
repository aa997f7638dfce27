"""The runbook names what there is: settings, commands, and the tenant settings that doctor looks for."""

import re
from pathlib import Path

import click
import pytest

from tenant_provisioning.cli import main
from tenant_provisioning.doctor.fabric import TITLES
from tenant_provisioning.settings import Settings, load_settings
from tenant_provisioning.store.vault import generate_key

RUNBOOK = (Path(__file__).parents[2] / "docs/runbook.md").read_text()
NOT_OURS = {"DAGSTER_HOME", "DAGSTER_PG_URL", "NAME", "OTHER", "SKU"}


def smallest() -> set[str]:
    """The settings of the smallest `.env`."""
    [block] = re.findall(r"## 8\..*?```\n(.*?)```", RUNBOOK, re.DOTALL)
    return set(re.findall(r"([A-Z][A-Z_]+)=", block))


def test_the_smallest_env_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    values = dict.fromkeys(smallest(), "11111111-1111-4111-8111-111111111111") | {"SECRETS_KEY": generate_key()}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    assert load_settings().fabric_capacity_id


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", RUNBOOK)) | smallest()
    assert named - NOT_OURS <= {name.upper() for name in Settings.model_fields}


def test_every_command_that_is_named_exists() -> None:
    for line in re.findall(r"tenant-provisioning ([a-z][a-z-]*(?: [a-z-]+)?)", RUNBOOK):
        first, _, second = line.partition(" ")
        command = main.commands.get(first)
        assert command is not None, line
        if isinstance(command, click.Group):
            assert second in command.commands, line


def test_every_tenant_setting_that_doctor_looks_for_is_explained() -> None:
    assert [title for title in TITLES.values() if title not in RUNBOOK] == []
