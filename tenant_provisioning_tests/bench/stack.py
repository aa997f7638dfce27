"""The running stack that figures are taken from: started as `tenant-provisioning up` starts it, in a directory of its own.

How runs are started is a profile, so that two can be measured side by side: BENCH_PROFILE names it. BENCH_SCALE stretches or
shortens the vendors' realistic latencies.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from dotenv import dotenv_values

from tenant_provisioning.embedded.processes import signals_interrupt
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning_tests.bench.family import Family

STARTING, FINISHING = 300, 900  # seconds a busy machine may need
LOOK_EVERY = 0.1
# vendors who answer at once also take any number of calls
UNLIMITED = dict.fromkeys(
    (
        "GODADDY_CALLS_PER_MINUTE", "VERCEL_DOMAINS_PER_HOUR", "FABRIC_CALLS_PER_MINUTE", "POWERBI_QUERIES_PER_MINUTE",
        "MAILS_PER_MINUTE",
    ),
    "0",
)  # fmt: skip
COMMAND = [sys.executable, "-W", "ignore", "-c", "from tenant_provisioning.cli import main; main()", "up"]


@dataclass(frozen=True)
class Finished:
    """One provisioning, in seconds since the epoch: its form submitted, its run started and ended."""

    subdomain: str
    submitted: float
    started: float
    ended: float


def default_profile(_: Path) -> AbstractContextManager[Mapping[str, str]]:
    """Every run a process of its own, started by the code server."""
    return nullcontext({})


# a profile is given the stack's directory; its block lasts as long as the stack, and gives what `up` finds in its environment
PROFILES: dict[str, Callable[[Path], AbstractContextManager[Mapping[str, str]]]] = {"default": default_profile}


def profile() -> str:
    """The profile that BENCH_PROFILE chooses."""
    return os.environ.get("BENCH_PROFILE", "default")


def scale(quick: bool) -> float:
    """The factor on realistic latencies: BENCH_SCALE, else as they are, or a tenth where it must be quick."""
    return float(os.environ.get("BENCH_SCALE", "0.1" if quick else "1"))


def limits_of(latency: str) -> Mapping[str, str]:
    """Settings for vendors of this kind."""
    return UNLIMITED if latency == "instant" else {}


class Bench:
    """The running stack with what a measurement asks of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", data_dir: Path) -> None:
        self.family = Family(process.pid)
        self.settings = {name: str(value) for name, value in dotenv_values(data_dir / "up.env").items()}
        self._platform = psycopg.connect(self.settings["DATABASE_URL"], autocommit=True)
        self.dagster_url = self.settings["DAGSTER_PG_URL"].replace("+psycopg2", "")
        self._dagster = psycopg.connect(self.dagster_url, autocommit=True)
        self._simulator = httpx.Client(
            base_url=self.settings["SUPABASE_URL"],
            verify=ssl.create_default_context(cafile=self.settings["TLS_CA_FILE"]),
            trust_env=False,
            timeout=60,
        )

    def close(self) -> None:
        """Ends the connections to what is about to be stopped."""
        self.family.close()
        self._simulator.close()
        self._platform.close()
        self._dagster.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the simulator's control API."""
        return self._simulator.request(method, f"/_control/{path}", json=body).raise_for_status().json()

    def submit(self, *subdomains: str) -> float:
        """The forms of these customers, each with 42 reports, are in the database; when that was begun."""
        began = time.time()
        asyncio.run(self._submit(subdomains))
        return began

    async def _submit(self, subdomains: tuple[str, ...]) -> None:
        async with open_database(self.settings["DATABASE_URL"]) as db:
            for subdomain in subdomains:
                person = {"email": f"jo@{subdomain}.example", "first_name": "Jo", "last_name": "Bloggs"}
                providers = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
                form = {"name": f"{subdomain} Ltd", "subdomain": subdomain, **providers, "super_users": [person]}
                await submit(db, form, requested_by="bench", default_domain="yourplatform.com")

    def finished(self, *subdomains: str, within: float = FINISHING) -> None:
        """Returns once all of them wait for QA and no run holds them; an error as soon as one of them has failed."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            rows = self._platform.execute(
                "select deployment_status, claimed_by_run from organizations where subdomain = any(%s)",
                (list(subdomains),),
            ).fetchall()
            if any(status == DeploymentStatus.FAILED for status, _ in rows):
                raise RuntimeError("a provisioning has failed: look at the stack's logs")
            if len(rows) == len(subdomains) and all(
                status == DeploymentStatus.PENDING_QA and run is None for status, run in rows
            ):
                return
            time.sleep(LOOK_EVERY)
        raise RuntimeError(f"after {within:.0f} seconds not all of {len(subdomains)} provisionings are done")

    def sizes(self) -> dict[str, float]:
        """Megabytes (10^6 bytes) of each database."""
        rows = self._platform.execute("select datname, pg_database_size(datname) from pg_database").fetchall()
        return {name: round(size / 1e6, 1) for name, size in rows}

    def provision(self, subdomain: str) -> Finished:
        """One provisioning from its form to the end of its run."""
        submitted = self.submit(subdomain)
        self.finished(subdomain)
        while True:
            row = self._dagster.execute(
                "select r.start_time, r.end_time from runs r join run_tags t on t.run_id = r.run_id"
                " where t.key = 'dagster/partition' and t.value = %s and r.end_time is not null order by r.id desc",
                (subdomain,),
            ).fetchone()
            if row is not None:
                return Finished(subdomain, submitted, float(row[0]), float(row[1]))
            time.sleep(LOOK_EVERY)


@contextmanager
def running(*, latency: str, scale: float = 1.0) -> Iterator[Bench]:
    """The stack, ready and with no tenant, started by the chosen profile; nothing of it is left at the end."""
    with signals_interrupt(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        with PROFILES[profile()](data_dir) as more, (data_dir / "up.log").open("wb") as log:
            environment = {name: value for name, value in os.environ.items() if name != "CATALOG_PATH"}
            process = subprocess.Popen(
                [*COMMAND, "--latency", latency, "--scale", str(scale)],
                env={**environment, **more, **limits_of(latency), "DATA_DIR": folder}, cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                _wait_until_up(process, data_dir)
                bench = Bench(process, data_dir)
                yield bench
                bench.close()
            finally:
                process.terminate()
                process.wait(60)


def _wait_until_up(process: "subprocess.Popen[bytes]", data_dir: Path) -> None:
    deadline = time.monotonic() + STARTING
    while not (data_dir / "up.env").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not start: {(data_dir / 'up.log').read_text()[-2000:]}")
        time.sleep(LOOK_EVERY)
