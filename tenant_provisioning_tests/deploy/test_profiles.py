"""The profiles say what the installed Dagster understands, and nothing that the single machine's does not mean."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import resolve_to_config_type, validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

ROOT = Path(__file__).parents[2]
CELERY, HELM = ROOT / "deploy/celery/dagster.yaml", ROOT / "deploy/kubernetes/values.yaml"
CONTAINERFILE = (ROOT / "deploy/Containerfile").read_text()
ENVIRONMENT = {
    "DAGSTER_PG_URL": "postgresql+psycopg2://nobody@127.0.0.1:1/dagster",
    "CELERY_BROKER": "redis://127.0.0.1:1/0",
    "CELERY_BACKEND": "redis://127.0.0.1:1/1",
    "MAX_CONCURRENT_RUNS": "8",
}
# What of the chart's values is used here, as its own schema and defaults name them (dagster-io/dagster, helm/dagster)
CHART_KEYS = {
    "global": {"postgresqlSecretName"},
    "postgresql": {
        "enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlParams", "postgresqlScheme",
    },
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments"},
    "runLauncher": {"type", "config"},
    "runLauncher.config": {"k8sRunLauncher"},
    "runLauncher.config.k8sRunLauncher": {
        "imagePullPolicy", "loadInclusterConfig", "failPodOnRunFailure", "resources", "runK8sConfig",
    },
    "computeLogManager": {"type"},
    "dagsterWebserver": {"image", "service", "readinessProbe"},
    "ingress": {"enabled"},
    "dagsterDaemon": {"enabled", "image", "runCoordinator", "runMonitoring", "runRetries", "sensors"},
    "dagsterDaemon.runCoordinator": {"enabled", "type", "config"},
    "dagsterDaemon.runCoordinator.config": {"queuedRunCoordinator"},
    "dagsterDaemon.runCoordinator.config.queuedRunCoordinator": {
        "maxConcurrentRuns", "tagConcurrencyLimits", "dequeueIntervalSeconds", "dequeueUseThreads", "dequeueNumWorkers",
    },
    "dagsterDaemon.runMonitoring": {
        "enabled", "startTimeoutSeconds", "cancelTimeoutSeconds", "pollIntervalSeconds", "maxResumeRunAttempts",
        "freeSlotsAfterRunEndSeconds",
    },
    "dagsterDaemon.runRetries": {"enabled"},
    "dagsterDaemon.sensors": {"useThreads", "numWorkers", "numSubmitWorkers"},
    "retention": {"enabled", "sensor", "schedule"},
    "retention.sensor": {"purgeAfterDays"},
    "retention.schedule": {"purgeAfterDays"},
    "telemetry": {"enabled"},
}  # fmt: skip
DEPLOYMENT_KEYS = {
    "name", "image", "dagsterApiGrpcArgs", "port", "includeConfigInLaunchedRuns", "envSecrets", "resources",
}  # fmt: skip


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def accepted(described: ConfigurableClassData) -> Any:
    """The class, which takes its configuration."""
    named: Any = getattr(import_module(described.module_name), described.class_name)
    config_type = resolve_to_config_type(named.config_type())
    found = validate_config(config_type, yaml.safe_load(described.config_yaml) or {})
    assert found.success, found.errors
    return named


def classes(home: Path) -> Iterator[tuple[str, Any]]:
    """The classes that an instance in this folder is made of."""
    instance = InstanceRef.from_dir(str(home))
    parts = {
        "launcher": instance.run_launcher_data,
        "coordinator": instance.run_coordinator_data,
        "compute logs": instance.compute_logs_data,
        "storage": instance.custom_instance_class_data or instance.storage_data,
    }
    for name, described in parts.items():
        if described is not None:
            yield name, accepted(described)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("profile", [ROOT / "dagster.yaml", CELERY], ids=["single", "celery"])
def test_dagster_takes_the_instance_and_each_class_its_configuration(profile: Path) -> None:
    config, _ = dagster_instance_config(str(profile.parent))
    assert config["run_monitoring"]["enabled"]

    found = dict(classes(profile.parent))

    assert found["storage"].__name__ == "KeptConnectionsStorage"


@pytest.mark.usefixtures("environment")
def test_several_machines_differ_from_one_only_where_they_must() -> None:
    one, several = loaded(ROOT / "dagster.yaml"), loaded(CELERY)
    assert several["compute_logs"]["class"] == "NoOpComputeLogManager"
    assert one.pop("run_launcher") != several.pop("run_launcher")
    for part, name in (("run_queue", "max_concurrent_runs"), ("run_monitoring", "start_timeout_seconds")):
        assert one[part].pop(name) != several[part].pop(name)

    assert several == one


@pytest.mark.usefixtures("environment")
# dagster-celery's, where another test has had a launcher before; see the launcher
@pytest.mark.filterwarnings("ignore:Task name '(execute|resume)_job'")
def test_worker_and_launcher_share_one_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(CELERY.parent))
    app = import_module("tenant_provisioning.worker").app

    assert {"execute_job", "resume_job"} <= set(app.tasks)
    assert app.conf.broker_url == ENVIRONMENT["CELERY_BROKER"]
    assert not app.conf.task_acks_late
    assert app.conf.worker_disable_prefetch
    wait = loaded(CELERY)["run_monitoring"]["start_timeout_seconds"]
    assert app.conf.broker_transport_options["visibility_timeout"] < wait


def test_the_chart_has_a_word_for_everything_that_is_said_to_it() -> None:
    values = loaded(HELM)
    top = set(values) - {"generatePostgresqlPasswordSecret", "additionalInstanceConfig"}

    assert top == {path for path in CHART_KEYS if "." not in path}
    for path, known in CHART_KEYS.items():
        found = values
        for name in path.split("."):
            found = found[name]
        assert set(found) <= known, path
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert set(deployment) <= DEPLOYMENT_KEYS


@pytest.mark.usefixtures("environment")
def test_dagster_takes_the_instance_that_the_chart_makes_of_the_values(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance_of(loaded(HELM))))

    config, _ = dagster_instance_config(str(tmp_path))
    found = dict(classes(tmp_path))

    assert found["launcher"].__name__ == "K8sRunLauncher"
    assert found["coordinator"].__name__ == "QueuedRunCoordinator"
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_one_tenant_has_one_run_at_a_time_whatever_the_profile() -> None:
    queue = loaded(HELM)["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    limits = [loaded(path)["run_queue"]["tag_concurrency_limits"] for path in (ROOT / "dagster.yaml", CELERY)]

    assert [*limits, queue["tagConcurrencyLimits"]] == [limits[0]] * 3


def instance_of(values: dict[str, Any]) -> dict[str, Any]:
    """The dagster.yaml that the chart's template makes, without its storage, which a database would be needed for."""
    launcher, daemon = values["runLauncher"]["config"]["k8sRunLauncher"], values["dagsterDaemon"]
    monitoring, kept = daemon["runMonitoring"], values["retention"]
    return {
        "run_launcher": {
            "module": "dagster_k8s", "class": values["runLauncher"]["type"],
            "config": {
                "dagster_home": "/opt/dagster/dagster_home", "instance_config_map": "dagster-instance",
                "postgres_password_secret": values["global"]["postgresqlSecretName"], "service_account_name": "dagster",
                "image_pull_policy": launcher["imagePullPolicy"], "load_incluster_config": launcher["loadInclusterConfig"],
                "fail_pod_on_run_failure": launcher["failPodOnRunFailure"], "resources": launcher["resources"],
                "run_k8s_config": {snake(name): value for name, value in launcher["runK8sConfig"].items()},
            },
        },
        "run_coordinator": {
            "module": "dagster.core.run_coordinator", "class": daemon["runCoordinator"]["type"],
            "config": {
                snake(name): value
                for name, value in daemon["runCoordinator"]["config"]["queuedRunCoordinator"].items()
            },
        },
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager", "class": values["computeLogManager"]["type"],
        },
        "run_monitoring": {
            "enabled": monitoring["enabled"],
            **{snake(name): value for name, value in monitoring.items() if name != "enabled"},
        },
        "sensors": {snake(name): value for name, value in daemon["sensors"].items()},
        "retention": {part: {"purge_after_days": kept[part]["purgeAfterDays"]} for part in ("sensor", "schedule")},
        "telemetry": values["telemetry"],
        **values["additionalInstanceConfig"],
    }  # fmt: skip


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_the_image_is_made_of_files_that_are_there_and_runs_as_nobody_special() -> None:
    copied = [line.split()[1:-1] for line in CONTAINERFILE.splitlines() if line.startswith("COPY ")]

    for words in copied:
        if not words[0].startswith("--from"):
            for name in words:
                assert (ROOT / name).exists(), name
    assert "--require-hashes -r requirements.lock" in CONTAINERFILE
    assert re.findall(r"^USER (\d+)$", CONTAINERFILE, re.MULTILINE) == ["10001"]
    assert set(re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)) == {"python:3.13-slim"}


def test_the_image_starts_the_code_server_that_the_chart_expects() -> None:
    [deployment] = loaded(HELM)["dagster-user-deployments"]["deployments"]
    [command] = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    words = yaml.safe_load(command)

    assert words[words.index("--module-name") + 1] in deployment["dagsterApiGrpcArgs"]
    assert int(words[words.index("--port") + 1]) == deployment["port"]
