"""Dagster as a program: its home, how it is started and asked whether it is ready. Nothing here imports Dagster."""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from tenant_provisioning.embedded.ports import LOOPBACK
from tenant_provisioning.embedded.processes import Program
from tenant_provisioning.model.errors import SetupError

CHECKOUT = Path(__file__).parents[2]
READINESS = """{
  workspaceOrError {
    __typename
    ... on PythonError { message }
    ... on Workspace { locationEntries { locationOrLoadError { __typename ... on PythonError { message } } } }
  }
  instance { daemonHealth { allDaemonStatuses { required lastHeartbeatTime } } }
}"""


def prepare_home(environment: Mapping[str, str]) -> None:
    """Dagster's home is there, with the instance's `dagster.yaml` as it is now."""
    home = Path(environment["DAGSTER_HOME"])
    home.mkdir(exist_ok=True)
    shutil.copyfile(_shipped("dagster.yaml"), home / "dagster.yaml")


def dagster_program(environment: Mapping[str, str], *, port: int) -> Program:
    """Webserver, daemon and code server."""
    workspace = str(_shipped("workspace.yaml"))
    return Program(
        name="dagster",
        command=[sys.executable, "-m", "dagster", "dev", "-h", LOOPBACK, "-p", str(port), "-w", workspace],
        environment=environment,
        directory=Path(environment["DAGSTER_HOME"]),
        stop_seconds=15,
    )


def migration_program(environment: Mapping[str, str]) -> Program:
    """Brings Dagster's storage to the installed version. Not needed for an empty one: Dagster makes that up to date."""
    return Program(
        name="dagster-migration",
        command=[sys.executable, "-m", "dagster", "instance", "migrate"],
        environment=environment,
        directory=Path(environment["DAGSTER_HOME"]),
    )


def storage_needs_migration(url: str) -> bool:
    """Whether another version of Dagster was the last to use the storage."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT to_regclass('runs') IS NOT NULL, shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    return row is not None and bool(row[0]) and row[1] != _version_note()


def note_storage_version(url: str) -> None:
    """Remembers in the storage itself which version of Dagster uses it."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("COMMENT ON DATABASE dagster IS {}").format(_version_note()))


class DagsterReadiness:
    """Whether the Dagster on this port serves its definitions and every daemon has been heard since it was started."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._since = time.time()

    def __call__(self) -> bool:
        """SetupError when the definitions cannot be loaded."""
        # asked many times a second while Dagster starts: an httpx client for each would cost a whole core
        connection = HTTPConnection(LOOPBACK, self._port, timeout=30)
        try:
            question = json.dumps({"query": READINESS})
            connection.request("POST", "/graphql", question, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status == 200 and self._judge(json.load(answer)["data"])
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _judge(self, data: dict[str, Any]) -> bool:
        workspace = data["workspaceOrError"]
        found = [entry["locationOrLoadError"] for entry in workspace.get("locationEntries", [])]
        for result in (workspace, *filter(None, found)):
            if result["__typename"] == "PythonError":
                raise SetupError(f"Dagster cannot load the definitions: {result['message']}")
        daemons = [one for one in data["instance"]["daemonHealth"]["allDaemonStatuses"] if one["required"]]
        heard = all((one["lastHeartbeatTime"] or 0) > self._since for one in daemons)
        return bool(found) and all(found) and heard


class CodeServerWatch:
    """Whether the `dagster dev` of a process id still has the process that holds the definitions.

    Dagster does not start that one again when it dies: nothing would run any more, and nothing would say so. As long as the one
    that was found last lives, nothing else is looked at: to go through every process of a machine each second is dear.
    """

    def __init__(self) -> None:
        self._found: tuple[int, psutil.Process] | None = None

    def __call__(self, pid: int) -> bool:
        """True also where the `dagster dev` itself is gone, which is seen elsewhere."""
        if self._found is not None and self._found[0] == pid and _lives(self._found[1]):
            return True
        try:
            family = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return True
        found = next((one for one in family if _words(one)[3:5] == ["api", "grpc"]), None)
        self._found = None if found is None else (pid, found)
        return found is not None


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _version_note() -> str:
    return f"used by dagster {version('dagster')}"


def _shipped(name: str) -> Path:
    for place in (CHECKOUT / name, Path(__file__).with_name(name)):
        if place.exists():
            return place
    raise SetupError(f"{name} is neither in {CHECKOUT} nor in the package: the embedded default runs from a checkout")
