"""The second half of `make faults`: the real stack, whose processes are killed one after the other in the middle of each chapter.

Every victim has a tenant of its own, which goes all the way: provisioning, go live, rollback. After a kill supervisor, Dagster and
sensors are left alone; where the supervisor itself was killed, `up` is typed again. A person helps only by `retry`.
"""

import contextlib
import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
import psycopg
from psycopg.rows import dict_row

from tenant_provisioning.embedded.orchestration import DagsterReadiness
from tenant_provisioning.embedded.portal import PortalReadiness
from tenant_provisioning.embedded.watchdog import end_marked, marked

COMMAND = [sys.executable, "-c", "from tenant_provisioning.cli import main; main()"]
STARTING, ENDING = 700, 600  # seconds that a busy machine may need
VICTIMS = (
    "run worker", "daemon", "code server", "webserver", "portal", "postgres", "simulator", "supervisor", "everything",
)  # fmt: skip
CHAPTERS = ("provisioning", "go_live", "rollback")
ENDS = {"provisioning": "pending_qa", "go_live": "active", "rollback": "rolled_back"}
UNDER_WAY = {
    "provisioning": "select count(*) >= 3 from provisioning_steps where organization_id = %s and state = 'done'",
    "go_live": "select deployment_status = 'active' or claimed_by_run is not null from organizations where id = %s",
    "rollback": "select count(*) > 0 from provisioning_steps where organization_id = %s and step like 'rollback/%%'",
}
WORDS = {
    "daemon": "dagster._daemon", "webserver": "dagster_webserver", "code server": "dagster api grpc",
    "portal": "tenant_provisioning.portal", "postgres": "bin/postgres -D", "simulator": "tenant_provisioning.simulator",
}  # fmt: skip


@dataclass(frozen=True)
class Killed:
    """One kill: alone, rerun or FAILED, and how long it took until the chapter's end."""

    victim: str
    chapter: str
    outcome: str
    seconds: float
    why: str = ""


class RealStack:
    """`tenant-provisioning up` as a process of its own, in a directory of its own."""

    def __init__(self, folder: Path, latency: float) -> None:
        self.folder, self._latency = folder.resolve(), latency
        self._environment = {**os.environ, "DATA_DIR": str(self.folder)}
        self._marker = _marker(self.folder)
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Everything is up."""
        options = ["up", "--latency", "realistic", "--scale", str(self._latency)]
        (self.folder / "up.env").unlink(missing_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [*COMMAND, *options],
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTING
        while not (self.folder / "up.env").exists():
            if self._up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stack did not come up:\n{(self.folder / 'up.log').read_text()[-3000:]}")
            time.sleep(0.2)
        lines = (self.folder / "up.env").read_text().splitlines()
        self.settings = {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}

    def stop(self) -> None:
        """Nothing is left."""
        if self._up is not None and self._up.poll() is None:
            self._up.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._up.wait(60)
        end_marked(self._marker)

    def command(self, *words: str, stdin: str = "") -> str:
        """What a command prints; it may fail."""
        done = subprocess.run(
            [*COMMAND, *words],
            env=self._environment,
            cwd=self.folder,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        return done.stdout + done.stderr

    def kill(self, victim: str) -> int:
        """How many processes were killed, all at once."""
        above = [psutil.Process(self._up.pid)] if self._up is not None and self._up.poll() is None else []
        if victim in {"supervisor", "everything"}:
            chosen = above if victim == "supervisor" else [*above, *marked(self._marker)]
        else:
            chosen = processes_of(victim, self.folder)
        for process in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        ports = json.loads((self.folder / "ports.json").read_text())
        self._looked_at = {"portal": PortalReadiness(ports["portal"]), "Dagster": DagsterReadiness(ports["dagster"])}
        if above and above[0] in chosen and self._up is not None:
            self._up.wait()
            if victim == "supervisor":
                self._wait_for_the_watchdog()
            self.start()
        return len(chosen)

    def _wait_for_the_watchdog(self) -> None:
        """It takes away what the supervisor has left; where it was killed too, that is the next start's part."""
        deadline = time.monotonic() + STARTING
        while marked(self._marker):
            if time.monotonic() > deadline:
                raise RuntimeError("the watchdog has left processes running")
            time.sleep(0.2)

    def serves(self) -> str:
        """Which of the parts that people look at has not answered since the kill; empty when all have."""
        deadline, silent = time.monotonic() + STARTING, list(self._looked_at)
        while time.monotonic() < deadline and (silent := [part for part in silent if not self._looked_at[part]()]):
            time.sleep(0.5)
        return ", ".join(silent)

    def rows(self, database: str, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What a database answers; nothing while it is away."""
        url = self.settings["DATABASE_URL"].rpartition("/")[0]
        try:
            with psycopg.connect(f"{url}/{database}", row_factory=dict_row, connect_timeout=5) as connection:
                return connection.execute(query.encode(), arguments).fetchall()
        except psycopg.OperationalError:
            return []

    def snapshot(self) -> str:
        """Everything that exists at the vendors, as text."""
        trust = ssl.create_default_context(cafile=self.settings["TLS_CA_FILE"])
        url = f"{self.settings['VERCEL_API_URL']}/_control/snapshot"
        told = httpx.get(url, verify=trust, timeout=30, trust_env=False).json()
        told["fabric"].pop("deletedWorkspaces", None)
        told["powerbi"].pop("imports", None)
        return json.dumps(told)


def processes_of(victim: str, data_dir: Path) -> list[psutil.Process]:
    """The processes of this kind in the stack of this data directory; those of a run worker are the runs' that are under way."""
    parts = marked(_marker(data_dir))
    if victim != "run worker":
        return [process for process in parts if WORDS[victim] in _line(process)]
    servers = {process.pid for process in parts if WORDS["code server"] in _line(process)}
    return [process for process in parts if _parent(process) in servers and "spawn_main" in _line(process)]


def _marker(data_dir: Path) -> str:
    return hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16] + ":"


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


class Tenant:
    """One victim's tenant on its way."""

    def __init__(self, stack: RealStack, victim: str) -> None:
        self.stack, self.victim = stack, victim
        self.name = f"after-{victim.replace(' ', '-')}"
        self._title = f"After {victim.title()} College"

    def chapters(self) -> Iterator[Killed]:
        """What became of each chapter; a chapter that fails is the last."""
        for chapter in CHAPTERS:
            killed = self._through(chapter)
            yield killed
            if killed.outcome == "FAILED":
                return

    def _through(self, chapter: str) -> Killed:
        self._ask(chapter)
        self._wait(lambda: self._is_under_way(chapter), 120)
        began = time.monotonic()
        count = self.stack.kill(self.victim)
        helped = 0
        reached = False
        deadline = time.monotonic() + ENDING
        while not reached and time.monotonic() < deadline:
            now = self._row()
            reached = now.get("deployment_status") == ENDS[chapter] and now.get("claimed_by_run") is None
            if now.get("deployment_status") == "failed" and now.get("next_attempt_at") is None:
                helped += 1
                self.stack.command("retry", self.name)
            time.sleep(0.5)
        seconds = round(time.monotonic() - began, 1)
        wrong = (
            self._wrong(chapter)
            if reached
            else f"{self._row().get('deployment_status')}: {self._row().get('status_reason')}"
        )
        if wrong:
            return Killed(self.victim, chapter, "FAILED", seconds, f"{count} killed; {wrong}")
        return Killed(self.victim, chapter, "rerun" if helped else "alone", seconds, f"{count} killed")

    def _ask(self, chapter: str) -> None:
        if chapter == "provisioning":
            person = {"email": f"jo@{self.name}.example", "first_name": "Jo", "last_name": "Bloggs"}
            form = {
                "name": self._title, "subdomain": self.name, "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
                "super_users": [person],
            }  # fmt: skip
            self.stack.command("onboard", "-", stdin=json.dumps(form))
        elif chapter == "go_live":
            for item in ("reports_load", "signed_in_as_super_user", "subdomain_opens"):
                self.stack.command("checklist", self.name, item, "--done")
            self.stack.command("approve", self.name)
        else:
            self.stack.command("rollback", self.name, "--confirm", self._title)

    def _is_under_way(self, chapter: str) -> bool:
        rows = self.stack.rows("platform", UNDER_WAY[chapter], self._row().get("id"))
        return bool(rows) and bool(next(iter(rows[0].values())))

    def _row(self) -> dict[str, Any]:
        rows = self.stack.rows("platform", "select * from organizations where subdomain = %s", self.name)
        return rows[0] if rows else {}

    def _wrong(self, chapter: str) -> str:
        """What the rows, Dagster's runs, the vendors and the parts say against the chapter's end; empty when nothing does."""
        self._wait(lambda: not self._unfinished(), 120)
        runs = "select status, count(*) as runs from runs where partition = %s group by status"
        told = {row["status"]: row["runs"] for row in self.stack.rows("dagster", runs, self.name)}
        running = "select step from provisioning_steps where organization_id = %s and state = 'running'"
        asked = self.stack.rows("platform", "select id from organizations where subdomain = %s", self.name)
        doubts = {
            f"the request is there {len(asked)} times": len(asked) != 1,
            f"runs that never end: {self._unfinished()}": bool(self._unfinished()),
            f"it was run more often than asked for: {told}": told.get("SUCCESS", 0) > CHAPTERS.index(chapter) + 1,
            "steps that never end": bool(self.stack.rows("platform", running, self._row()["id"])),
            "the vendors still hold something of it": chapter == "rollback" and self.name in self.stack.snapshot(),
        }
        silent = self.stack.serves()
        return "; ".join(
            [doubt for doubt, is_so in doubts.items() if is_so] + ([f"silent: {silent}"] if silent else [])
        )

    def _unfinished(self) -> list[str]:
        query = "select run_id from runs where partition = %s and status not in ('SUCCESS', 'FAILURE', 'CANCELED')"
        return [row["run_id"] for row in self.stack.rows("dagster", query, self.name)]

    @staticmethod
    def _wait(question: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not question() and time.monotonic() < deadline:
            time.sleep(0.1)


def summary(results: list[Killed]) -> dict[str, int]:
    """What is printed as JSON."""
    outcomes = [one.outcome for one in results]
    return {
        "kills": len(results),
        "recovered_alone": outcomes.count("alone"),
        "recovered_after_rerun": outcomes.count("rerun"),
        "failed": outcomes.count("FAILED"),
    }


@click.command()
@click.option("--only", multiple=True, type=click.Choice(VICTIMS), help="Only these victims.")
@click.option("--latency", default=0.05, show_default=True, help="Factor on the vendors' realistic latencies.")
def main(*, only: tuple[str, ...], latency: float) -> None:
    """Kill each process of the real stack in the middle of provisioning, of going live and of rolling back."""
    results = []
    with tempfile.TemporaryDirectory(prefix="faults-stack-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        stack = RealStack(folder, latency)
        try:
            stack.start()
            for victim in only or VICTIMS:
                for killed in Tenant(stack, victim).chapters():
                    results.append(killed)
                    told = f"{killed.victim:<12} {killed.chapter:<13} {killed.outcome:<7} {killed.seconds:>6.1f} s  {killed.why}"
                    click.echo(told, err=True)
        finally:
            stack.stop()
    told = summary(results)
    click.echo(json.dumps(told))
    sys.exit(1 if told["failed"] else 0)


if __name__ == "__main__":
    main()
