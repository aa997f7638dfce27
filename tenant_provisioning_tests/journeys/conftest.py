"""One stack for all journeys: the real thing, as `tenant-provisioning up` starts it, in a directory of its own."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.cli import main
from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport, matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store import organizations
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning_tests.journeys.desk import Desk
from tenant_provisioning_tests.portal.serving import CHROMIUM

T = TypeVar("T")
STARTING = 180  # seconds a busy machine may need
AT_WORK = (DeploymentStatus.REQUESTED, DeploymentStatus.PROVISIONING, DeploymentStatus.ROLLING_BACK)
ACME = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
BETA = {"lms": "BUD", "english_maths": "CENTURY", "crm": "SALESFORCE"}
PARTIAL = {"lms": "ONEFILE", "english_maths": "CENTURY", "crm": "HUBSPOT"}
# the stack ends with the tests, however those end: with them its standard input is closed
UP = """
import os, signal, sys, threading
from tenant_provisioning.cli import main

def watch():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
main()
"""


class Journey:
    """The running stack with what a test asks of it."""

    def __init__(self, process: "subprocess.Popen[str]", data_dir: Path) -> None:
        self.process, self.data_dir = process, data_dir
        values = {name.lower(): value for name, value in dotenv_values(data_dir / "up.env").items()}
        known: dict[str, Any] = {name: value for name, value in values.items() if name in Settings.model_fields}
        self.settings = Settings(_env_file=None, **known)
        self.database_url = self.settings.database_url.get_secret_value()
        trusting = ssl.create_default_context(cafile=str(self.settings.tls_ca_file))
        self.simulator_url = self.settings.supabase_url
        self.simulator = httpx.Client(base_url=self.simulator_url, verify=trusting, trust_env=False, timeout=30)
        self._loop, self._closing = asyncio.Runner(), contextlib.AsyncExitStack()
        # opened once: the tests look many times
        self._db = self._loop.run(self._closing.enter_async_context(open_database(self.database_url)))
        ports = json.loads((data_dir / "ports.json").read_text())
        self._dagster = httpx.Client(base_url=f"http://127.0.0.1:{ports['dagster']}", trust_env=False, timeout=60)

    def close(self) -> None:
        """Ends the connections to what is about to be stopped."""
        self.simulator.close()
        self._dagster.close()
        with self._loop as loop:
            loop.run(self._closing.aclose())

    def in_database(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """What the work in the platform's database gives."""
        return self._loop.run(work(self._db))

    def onboard(self, name: str, subdomain: str, providers: dict[str, str]) -> Organization:
        """The organization whose form has just been submitted."""
        person = {"email": f"jo@{subdomain}.com", "first_name": "Jo", "last_name": "Bloggs"}
        raw = {"name": name, "subdomain": subdomain, **providers, "super_users": [person]}
        return self.in_database(lambda db: submit(db, raw, requested_by="test", default_domain="yourplatform.com"))

    def found(self, subdomain: str) -> Organization:
        """The organization as it is now."""
        organization = self.in_database(lambda db: organizations.find_by_subdomain(db, subdomain))
        assert organization is not None
        return organization

    def becomes(self, subdomain: str, status: DeploymentStatus) -> Organization:
        """The organization at rest in this status."""

        def look() -> Organization | None:
            now = self.found(subdomain)
            return now if now.status is status and now.claimed_by_run is None else None

        return eventually(look, f"{subdomain} became {status}")

    def settled(self, subdomain: str) -> Organization:
        """The organization once no run works on it any more."""

        def look() -> Organization | None:
            now = self.found(subdomain)
            return None if now.status in AT_WORK or now.claimed_by_run else now

        return eventually(look, f"{subdomain} settled")

    def succeeds(self, run_id: str) -> None:
        """Waits for the run to succeed."""
        eventually(lambda: self.run_status(run_id) == "SUCCESS" or None, f"run {run_id} succeeds")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the simulator's control API."""
        answer = self.simulator.request(method, f"/_control/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def graphql(self, query: str, **variables: Any) -> Any:
        """What Dagster's API answers, as its UI would ask."""
        answer = self._dagster.post("/graphql", json={"query": query, "variables": variables})
        told = answer.json()
        assert "errors" not in told, told["errors"]
        return told["data"]

    def materialize(self, tenant: str, *assets: str) -> str:
        """The id of a run that a person launches from the UI for some assets of one tenant, their checks included."""
        checks = self.graphql(
            "query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetChecksOrError { __typename"
            " ... on AssetChecks { checks { name assetKey { path } } } } } }",
            keys=[{"path": asset.split("/")} for asset in assets],
        )
        selected = [
            {"name": check["name"], "assetKey": {"path": check["assetKey"]["path"]}}
            for node in checks["assetNodes"]
            for check in node["assetChecksOrError"].get("checks", [])
        ]
        launched = self.graphql(
            "mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename"
            " ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            p={
                "selector": {
                    "repositoryLocationName": "tenant_provisioning.definitions",
                    "repositoryName": "__repository__",
                    "jobName": "__ASSET_JOB",
                    "assetSelection": [{"path": asset.split("/")} for asset in assets],
                    "assetCheckSelection": selected,
                },
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": tenant}]},
                "runConfigData": {},
            },
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def run_status(self, run_id: str) -> str:
        """Dagster's word for the run's state."""
        told = self.graphql("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
        return str(told["runOrError"]["status"])


def eventually(question: Callable[[], T | None], what: str, seconds: float = 240) -> T:
    """Asks again until there is an answer; fails with `what` when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := question()) is not None:
            return answer
        time.sleep(0.2)
    pytest.fail(f"after {seconds:.0f} seconds still not: {what}")


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture() -> Callable[[Callable[[], T | None], str, float], T]:
    return eventually


@pytest.fixture(scope="session")
def journey() -> Iterator[Journey]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        environment = {name: value for name, value in os.environ.items() if name != "CATALOG_PATH"}
        with (data_dir / "up.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", UP, "up", "--latency", "instant"],
                env={**environment, "DATA_DIR": folder}, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
            )  # fmt: skip
        try:

            def is_up() -> bool | None:
                if process.poll() is not None:
                    pytest.fail(f"the stack did not start: {(data_dir / 'up.log').read_text()[-2000:]}")
                return (data_dir / "up.env").exists() or None

            eventually(is_up, "the stack is up", STARTING)
            journey = Journey(process, data_dir)
            yield journey
            journey.close()
        finally:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()  # its watchdog ends the rest
                process.communicate()


@pytest.fixture(scope="session")
def browser(journey: Journey) -> Iterator[Desk | None]:
    """A browser before the portal of the stack; None where no Chromium is installed."""
    if CHROMIUM is None:
        yield None
        return
    desk = Desk(journey.settings.portal_url)
    yield desk
    desk.close()


@pytest.fixture
def desk(browser: Desk | None) -> Iterator[Desk | None]:
    """The browser, with nobody before it yet."""
    yield browser
    if browser is not None:
        browser.everybody_leaves()


@pytest.fixture(scope="session")
def run_for_nobody(journey: Journey) -> str:
    """The id of a run that a person has launched for a partition which belongs to no onboarding request."""
    journey.graphql(
        'mutation($s: RepositorySelector!) { addDynamicPartition(partitionsDefName: "tenant", partitionKey: "nobody",'
        " repositorySelector: $s) { __typename } }",
        s={"repositoryLocationName": "tenant_provisioning.definitions", "repositoryName": "__repository__"},
    )
    return journey.materialize("nobody", "fabric_workspace")


@pytest.fixture(scope="session")
def damaged(journey: Journey) -> dict[str, TemplateReport]:
    """By the fault that damages it, each of two reports that nobody but Partial has."""
    known = load_catalog(journey.settings.catalog_path).reports
    others = {template.key for providers in (ACME, BETA) for template in matching_reports(known, providers)}
    alone = [one for one in matching_reports(known, PARTIAL) if one.key not in others]
    return {
        journey.control(
            "POST", "faults",
            {"vendor": "powerbi", "operation": "import", "match": {"name": template.title}, "kind": "import_failed",
             "times": "forever", "message": "The package is damaged"},
        )["id"]: template
        for template in [one for one in alone if one.strategy is ReportStrategy.IMPORT][:2]
    }  # fmt: skip


@pytest.fixture(scope="session")
def begun(journey: Journey, damaged: dict[str, TemplateReport], run_for_nobody: str) -> None:
    """Three organizations have just been submitted. They go on beside what else happens: a run waits more than it works."""
    journey.onboard("Acme Training", "acme", ACME)
    journey.onboard("Beta Learning", "beta", BETA)
    journey.onboard("Partial Academy", "partial", PARTIAL)


@pytest.fixture(scope="session")
def customers(journey: Journey, begun: None) -> tuple[Organization, Organization]:
    """Acme and Beta, onboarded side by side with other providers, and settled."""
    return journey.settled("acme"), journey.settled("beta")


@pytest.fixture(scope="session")
def partial(journey: Journey, begun: None) -> Organization:
    """Partial, settled, of whose reports two are damaged."""
    return journey.settled("partial")


@pytest.fixture
def type_command(journey: Journey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs `tenant-provisioning` with arguments, as from another terminal: all it knows is where the data lies."""
    monkeypatch.setenv("DATA_DIR", str(journey.data_dir))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, stdin="": CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)


@pytest.fixture
def run(type_command: Any) -> Callable[..., str]:
    """Runs `tenant-provisioning` with arguments; its standard output, or its refusal."""

    def command(*arguments: str, stdin: str = "", refused: bool = False) -> str:
        done = type_command(*arguments, stdin=stdin)
        assert done.exit_code == (1 if refused else 0), done.output
        return str(done.stderr if refused else done.stdout)

    return command
