"""Dagster's own files are such as the installed Dagster takes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from tenant_provisioning.embedded.orchestration import (
    CHECKOUT,
    CodeServerWatch,
    dagster_program,
    note_storage_version,
    prepare_home,
    storage_needs_migration,
)
from tenant_provisioning.embedded.postgres import EmbeddedPostgres


def test_the_instance_has_the_limits_and_retries_that_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/dagster")
    prepare_home({"DAGSTER_HOME": str(tmp_path / "home")})
    config, _ = dagster_instance_config(str(tmp_path / "home"))
    per_tenant = {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    assert config["run_queue"]["tag_concurrency_limits"] == [per_tenant]
    assert config["run_queue"]["dequeue_interval_seconds"] == 1
    assert config["run_monitoring"]["enabled"] is True
    assert config["run_retries"]["enabled"] is True
    assert config["telemetry"]["enabled"] is False


def test_dagster_listens_on_loopback_and_loads_what_the_workspace_names(tmp_path: Path) -> None:
    program = dagster_program({"DAGSTER_HOME": str(tmp_path)}, port=4321)
    words = [str(word) for word in program.command]
    assert words[words.index("-h") + 1] == "127.0.0.1"
    workspace = words[words.index("-w") + 1]
    assert workspace == str(CHECKOUT / "workspace.yaml")
    assert yaml.safe_load(Path(workspace).read_text()) == {
        "load_from": [{"python_module": "tenant_provisioning.definitions"}]
    }


def test_a_storage_is_migrated_when_another_dagster_used_it_and_not_otherwise(throwaway: EmbeddedPostgres) -> None:
    url = throwaway.url("dagster")
    assert not storage_needs_migration(url)  # Dagster makes an empty one up to date
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE runs ()")
    assert storage_needs_migration(url)
    note_storage_version(url)
    assert not storage_needs_migration(url)


def test_a_code_server_that_has_gone_is_missed_and_another_is_found(eventually: Callable[..., bool]) -> None:
    is_whole = CodeServerWatch()
    with subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, text=True) as dev:
        assert dev.stdin is not None
        assert not is_whole(dev.pid)
        for _ in range(2):
            # what stands for a code server is known by its words, as the real one is
            dev.stdin.write(f"{sys.executable} -c 'import time; time.sleep(600)' api grpc &\n")
            dev.stdin.flush()
            assert eventually(lambda: is_whole(dev.pid))
            (server,) = psutil.Process(dev.pid).children()
            server.kill()
            assert eventually(lambda: not is_whole(dev.pid))
            dev.stdin.write("wait\n")
            dev.stdin.flush()
    assert is_whole(dev.pid), "that `dagster dev` has gone is seen elsewhere"
