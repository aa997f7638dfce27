"""The whole embedded default, started for real."""

import json
import os
import shutil
import signal
import smtplib
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

# the parts that take no environment of ours, such as PostgreSQL, are found by the data directory they are started with
STACK = """
import json, sys
from pathlib import Path
from tenant_provisioning.embedded.stack import start_stack
from tenant_provisioning.model.errors import SetupError

told = []
try:
    with start_stack(Path(sys.argv[1]), latency="instant", dagster=False, on_event=told.append) as stack:
        parts = [event.part for event in told if event.state == "ready"]
        urls = [stack.mail_url, stack.simulator_url]
        print(json.dumps([*urls, dict(stack.settings), parts]), flush=True)
        stack.wait()
except KeyboardInterrupt:
    sys.exit(130)
except SetupError as error:
    print(error)
    sys.exit(2)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that the database server's own account can enter; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


def start(data_dir: Path, litter, tmp_path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", STACK, str(data_dir)],
        env={**os.environ, "TENANT_PROVISIONING_TEST_LITTER": litter.id, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def servers(data_dir: Path) -> list[psutil.Process]:
    """PostgreSQL's processes on this directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd().startswith(str(data_dir)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_every_part_is_up_and_filled_and_nothing_is_left_of_it(data_dir: Path, litter, tmp_path: Path) -> None:
    process = start(data_dir, litter, tmp_path)
    assert process.stdout
    with process.stdout:
        mail_url, simulator_url, settings, parts = json.loads(process.stdout.readline())
    assert {"postgres", "simulator", "stack"} <= set(parts)
    with psycopg.connect(settings["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM report_templates").fetchone() == (400,)
        clones = connection.execute("SELECT source_report_id FROM report_templates WHERE strategy = 'clone'").fetchall()
    trust = ssl.create_default_context(cafile=settings["TLS_CA_FILE"])
    snapshot = httpx.get(f"{simulator_url}/_control/snapshot", verify=trust, trust_env=False, timeout=30).text
    assert clones
    assert all(report in snapshot for (report,) in clones)
    with smtplib.SMTP(settings["SMTP_HOST"], int(settings["SMTP_PORT"]), timeout=10) as smtp:
        smtp.sendmail("a@yourplatform.com", ["b@acme.example"], "Subject: here\n\nhello")
    assert "here" in httpx.get(mail_url, trust_env=False).text
    assert stat.S_IMODE((data_dir / "up.env").stat().st_mode) == 0o600

    second = start(data_dir, litter, tmp_path)
    told, _ = second.communicate(timeout=30)
    assert (second.returncode, told.count("\n")) == (2, 1)
    assert f"in use by process {process.pid}" in told

    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    assert not (data_dir / "up.env").exists()
    assert litter.is_gone(within=1)
    assert not servers(data_dir)
