"""One stack for all journeys: the real thing, as `tenant-provisioning up` starts it, in a directory of its own."""

import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from click.testing import CliRunner, Result

from tenant_provisioning.cli import main
from tenant_provisioning.embedded.stack import Stack, start_stack
from tenant_provisioning.settings import Settings

T = TypeVar("T")


class Journey:
    """The running stack with what a test asks of it."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self.stack, self.settings = stack, settings
        self.database_url = settings.database_url.get_secret_value()
        trusting = ssl.create_default_context(cafile=str(settings.tls_ca_file))
        self._simulator = httpx.Client(base_url=stack.simulator_url, verify=trusting, trust_env=False, timeout=30)
        self._dagster = httpx.Client(base_url=str(stack.dagster_url), trust_env=False, timeout=60)

    def close(self) -> None:
        """Ends the connections to what is about to be stopped."""
        self._simulator.close()
        self._dagster.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the simulator's control API."""
        answer = self._simulator.request(method, f"/_control/{path}", json=body)
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


@pytest.fixture(scope="session")
def journey() -> Iterator[Journey]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        data_dir = Path(folder)
        data_dir.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        patch.delenv("CATALOG_PATH", raising=False)
        with start_stack(data_dir, latency="instant", catalog=data_dir / "catalog") as stack:
            values = {name.lower(): value for name, value in stack.settings.items()}
            known = {name: value for name, value in values.items() if name in Settings.model_fields}
            journey = Journey(stack, Settings(_env_file=None, **known))
            yield journey
            journey.close()


@pytest.fixture
def type_command(journey: Journey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs `tenant-provisioning` with arguments, as from another terminal: all it knows is where the data lies."""
    monkeypatch.setenv("DATA_DIR", str(journey.stack.data_dir))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, stdin="": CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], T | None], str, float], T]:
    """Asks again until there is an answer; fails with `what` when `seconds` have passed."""

    def ask(question: Callable[[], T | None], what: str, seconds: float = 120) -> T:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (answer := question()) is not None:
                return answer
            time.sleep(0.2)
        pytest.fail(f"after {seconds:.0f} seconds still not: {what}")

    return ask
