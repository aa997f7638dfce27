"""A PostgreSQL server from a wheel, for the platform and for Dagster: TCP on loopback only, scram, a random password.

The wheel's own launcher is not used: it listens on a Unix socket without a password, adds system users when it is root,
and leaves its server running when it is killed. Where the server's files lie is decided in `placement`; the schema is
`store.migrate`'s.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil
import psycopg
from psycopg import sql

from tenant_provisioning.embedded.kept import kept_secret
from tenant_provisioning.embedded.placement import account_for, major_version, place_for, readable_binaries
from tenant_provisioning.embedded.ports import LOOPBACK, free_port
from tenant_provisioning.embedded.processes import Program, end, hold_lock, spawn
from tenant_provisioning.model.errors import SetupError

DATABASES = ("platform", "dagster")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
OPTIONS = {"listen_addresses": LOOPBACK, "unix_socket_directories": "", "max_connections": "200"}
# survives a killed process, not a power cut
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
START_SECONDS = 30


class EmbeddedPostgres:
    """One server and its data under `data_dir`. As a context manager it runs here and now.

    For a supervisor: `prepare`, `program` until `accepts_connections`, `create_databases`, and `release` at the end.
    `durable=False` trades the data's safety in a power cut for speed. `note` is told what a person should know.
    """

    def __init__(
        self, data_dir: Path, *, port: int = 0, durable: bool = True, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or free_port()
        self._durable = durable
        self._note = note
        self._lock: IO[str] | None = None
        self._secret = self.data_dir / "secrets" / "postgres-password"

    @property
    def process_id(self) -> int:
        """Of the server that this object runs."""
        return self._server.pid

    @property
    def postmaster_pid_file(self) -> Path:
        """Where a server notes its process while it runs."""
        return self._data / "postmaster.pid"

    def url(self, database: str = "platform", *, driver: str = "") -> str:
        """How to reach a database of this server, with its password; `driver` as SQLAlchemy names it."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://postgres:{self._password()}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """The data is there and no server is at work on it. SetupError when it cannot be used."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = hold_lock(self.data_dir / "postgres.lock")
        except BlockingIOError:
            raise SetupError(f"the database in {self.data_dir} is already running under another process") from None
        try:
            self._prepare_data()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Another process may use the data; to be called when the server has stopped."""
        if self._lock:
            self._lock.close()

    def program(self) -> Program:
        """The server, as something to start. It stops fast, rolls back what is open and loses nothing committed."""
        options = {**OPTIONS, "port": str(self.port), **({} if self._durable else FORGETFUL)}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[self._binaries / "postgres", "-D", self._data, *settings],
            environment=ENVIRONMENT,
            account=self._account,
            stop_signal=signal.SIGINT,
            stop_seconds=20,
        )

    def accepts_connections(self) -> bool:
        """Whether the server lets us in now."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_databases(self) -> None:
        """The databases exist."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in there:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def __enter__(self) -> Self:
        self.prepare()
        program = self.program()
        with (self._place / "log").open("ab") as log:
            self._server = spawn(program, log)
        deadline = time.monotonic() + START_SECONDS
        while not self.accepts_connections():
            if self._server.poll() is not None or time.monotonic() > deadline:
                end(self._server, program)
                self.release()
                raise SetupError(f"PostgreSQL did not start:\n{(self._place / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        self.create_databases()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._server, self.program())
        self.release()

    def _prepare_data(self) -> None:
        self._place = place_for(self.data_dir)
        if self._place.parent != self.data_dir:
            self._note(f"the database lies in {self._place}: the user it runs as cannot enter {self.data_dir}")
        self._data = self._place / "data"
        self._account = account_for(self._data)
        self._binaries = readable_binaries(self._account)
        if self._data.exists():
            self._check_data()
            self._end_unwatched_server()
        else:
            self._make_data()

    def _password(self) -> str:
        return kept_secret(self._secret, lambda: secrets.token_urlsafe(24))

    def _make_data(self) -> None:
        draft = self._place / "data.new"  # an interrupted initdb leaves no half-made data directory
        shutil.rmtree(draft, ignore_errors=True)
        account = self._account
        with tempfile.NamedTemporaryFile("w", dir=self._place) as password_file:
            password_file.write(self._password())
            password_file.flush()
            if account:
                os.chown(password_file.name, account.uid, account.gid)
            made = subprocess.run(
                # the password is random: stretching it would add nothing but 3 ms to each of Dagster's many connections
                [self._binaries / "initdb", "-D", draft, "-U", "postgres", "-A", "scram-sha-256", "-c", "scram_iterations=1",
                 "-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={password_file.name}", *([] if self._durable else ["--no-sync"])],
                check=False,
                capture_output=True,
                text=True,
                cwd="/",
                env=ENVIRONMENT,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )  # fmt: skip
        if made.returncode:
            raise SetupError(f"PostgreSQL could not make its data directory:\n{made.stderr.strip()}")
        draft.rename(self._data)

    def _check_data(self) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except PermissionError:
            raise SetupError(f"{self._data} belongs to another user: start as that user, or set DATA_DIR") from None
        if found != major_version():
            raise SetupError(
                f"{self._data} holds the data of PostgreSQL {found}, but {major_version()} is installed: "
                "move the directory away to begin anew, or install the version it was made with."
            )
        if not self._secret.exists():
            raise SetupError(
                f"{self._secret} is gone, and with it the way into {self._data}: restore it, or move both away"
            )

    def _end_unwatched_server(self) -> None:
        """Ends a server that lost its owner; a postmaster.pid that now names another program is just removed."""
        pid_file = self.postmaster_pid_file
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            if Path(process.cwd()) != self._data.resolve():
                pid_file.unlink()
                return
            process.send_signal(signal.SIGINT)
            process.wait(20)
        except FileNotFoundError:
            return
        except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError, IndexError):
            pid_file.unlink(missing_ok=True)
        except psutil.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def throwaway_postgres() -> Iterator[EmbeddedPostgres]:
    """A fast server with empty databases that is gone, data and all, at the end. For tests."""
    directory = Path(tempfile.mkdtemp(prefix="tenant-provisioning-postgres-"))
    directory.chmod(0o711)  # lets the server's own account through, and nobody read
    server = EmbeddedPostgres(directory, durable=False)
    try:
        with server:
            yield server
    finally:
        shutil.rmtree((directory / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
