"""fabric-cicd publishes a small repository of items into a simulated workspace, again, and takes back what is orphaned."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabric_cicd
import fabric_cicd.constants
import pytest
from fabric_cicd import FabricWorkspace, publish_all_items, unpublish_all_orphan_items
from fabric_cicd._common._exceptions import FailedPublishedItemStatusError, PublishError

from tenant_provisioning.simulator.world import CAPACITY_ID

SCHEMA = "https://developer.microsoft.com/json-schemas/fabric/gitIntegration/platformProperties/2.0.0/schema.json"
KINDS = ["Lakehouse", "Notebook", "SemanticModel", "Report"]
LOGICAL = {
    "acme_lakehouse": "00000000-0000-4000-8000-0000000000a1",
    "Load": "00000000-0000-4000-8000-0000000000a2",
    "Training": "00000000-0000-4000-8000-0000000000a3",
    "Progress": "00000000-0000-4000-8000-0000000000a4",
}
EXPRESSIONS = """expression DatabaseQuery =
\t\tlet
\t\t\tdatabase = Sql.Database("acme.datawarehouse.fabric.microsoft.com", "77777777-7777-4777-8777-777777777777")
\t\tin
\t\t\tdatabase

"""
TABLE = """table tenant

\tcolumn organization_id
\t\tdataType: string
\t\tsourceColumn: organization_id

\tpartition tenant = m
\t\tmode: import
\t\tsource = DatabaseQuery{[Schema="dbo",Item="tenant"]}[Data]
"""


def add_item(repository: Path, kind: str, name: str, files: dict[str, str | dict[str, Any]], folder: str = "") -> Path:
    """An item as Fabric's git integration writes it."""
    home = repository / folder / f"{name}.{kind}"
    platform = {
        "$schema": SCHEMA,
        "metadata": {"type": kind, "displayName": name, "description": f"{name} from git"},
        "config": {"version": "2.0", "logicalId": LOGICAL.get(name, "00000000-0000-4000-8000-0000000000ff")},
    }
    for path, content in {".platform": platform, **files}.items():
        target = home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content))
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Four items that refer to one another by logical id, path and default workspace id."""
    lakehouse = f'"default_lakehouse": "{LOGICAL["acme_lakehouse"]}", "default_lakehouse_name": "acme_lakehouse"'
    workspace = '"default_lakehouse_workspace_id": "00000000-0000-0000-0000-000000000000"'
    notebook = f'# META {{"dependencies": {{"lakehouse": {{{lakehouse}, {workspace}}}}}}}\nspark.sql("SELECT 1")\n'
    add_item(tmp_path, "Lakehouse", "acme_lakehouse", {"lakehouse.metadata.json": {"defaultSchema": "dbo"}})
    add_item(tmp_path, "Notebook", "Load", {"notebook-content.py": f"# Fabric notebook source\n{notebook}"}, "etl")
    model = {
        "definition.pbism": {"version": "4.2", "settings": {}},
        "definition/model.tmdl": "model Model\n\tculture: en-US\n\nref table tenant\n",
        "definition/expressions.tmdl": EXPRESSIONS,
        "definition/tables/tenant.tmdl": TABLE,
    }
    add_item(tmp_path, "SemanticModel", "Training", model)
    report = {
        "definition.pbir": {"version": "4.0", "datasetReference": {"byPath": {"path": "../Training.SemanticModel"}}},
        "report.json": {"sections": []},
    }
    add_item(tmp_path, "Report", "Progress", report)
    return tmp_path


@pytest.fixture
def fabric(signed_in: Any) -> Any:
    """Plain HTTP to look at what was published."""
    return signed_in("fabric")


@pytest.fixture
def workspace_id(fabric: Any) -> str:
    """A workspace on the capacity."""
    body = {"displayName": "Acme Training", "capacityId": CAPACITY_ID}
    return str(fabric.post("/v1/workspaces", json=body).raise_for_status().json()["id"])


@pytest.fixture
def target(
    simulator: Any,
    trusted: str,
    credential: Any,
    repository: Path,
    workspace_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., FabricWorkspace]:
    """Makes fabric-cicd's view of repository and workspace, as each of its runs does."""
    for constant in ("DEFAULT_API_ROOT_URL", "FABRIC_API_ROOT_URL"):
        monkeypatch.setattr(fabric_cicd.constants, constant, simulator.url)
    monkeypatch.setattr(fabric_cicd.constants, "FEATURE_FLAG", {"enable_lakehouse_unpublish"})
    monkeypatch.setenv("FABRIC_CICD_RETRY_DELAY_OVERRIDE_SECONDS", "0")

    def make(**more: Any) -> FabricWorkspace:
        what = {"workspace_id": workspace_id, "item_type_in_scope": KINDS, **more}
        return FabricWorkspace(repository_directory=str(repository), token_credential=credential, **what)

    return make


@pytest.fixture
def items(fabric: Any, workspace_id: str) -> Callable[[], dict[str, str]]:
    """The ids of what is in the workspace, by name and type; SQL endpoints come with their lakehouse."""

    def listed() -> dict[str, str]:
        found = fabric.get(f"/v1/workspaces/{workspace_id}/items").raise_for_status().json()["value"]
        return {f"{one['displayName']}.{one['type']}": one["id"] for one in found if one["type"] != "SQLEndpoint"}

    return listed


EVERYTHING = {"acme_lakehouse.Lakehouse", "Load.Notebook", "Training.SemanticModel", "Progress.Report"}


def test_a_repository_is_published(target: Any, items: Any) -> None:
    publish_all_items(target())

    assert set(items()) == EVERYTHING


def test_publishing_twice_keeps_every_item(target: Any, items: Any, requests_seen: Any) -> None:
    publish_all_items(target())
    first = items()
    publish_all_items(target())

    assert items() == first
    assert requests_seen("fabric").count("create_item") == 4
    assert requests_seen("fabric").count("update_item_definition") == 3


def test_the_workspace_may_be_named_instead_of_numbered(target: Any, items: Any) -> None:
    publish_all_items(target(workspace_id=None, workspace_name="Acme Training"))

    assert set(items()) == EVERYTHING


def test_folders_are_made_once_and_hold_their_items(target: Any, items: Any, fabric: Any, workspace_id: str) -> None:
    for _ in range(2):
        publish_all_items(target())

    folders = fabric.get(f"/v1/workspaces/{workspace_id}/folders").json()["value"]
    notebook = fabric.get(f"/v1/workspaces/{workspace_id}/items/{items()['Load.Notebook']}").json()
    assert [(one["displayName"], one["id"]) for one in folders] == [("etl", notebook["folderId"])]


def test_a_published_report_shows_the_published_model(
    target: Any, items: Any, signed_in: Any, workspace_id: str
) -> None:
    publish_all_items(target())

    report = signed_in("powerbi").get(f"/v1.0/myorg/groups/{workspace_id}/reports/{items()['Progress.Report']}").json()
    assert report["datasetId"] == items()["Training.SemanticModel"]


def test_a_published_notebook_names_the_published_lakehouse(
    target: Any, items: Any, fabric: Any, workspace_id: str
) -> None:
    publish_all_items(target())

    path = f"/v1/workspaces/{workspace_id}/notebooks/{items()['Load.Notebook']}/getDefinition"
    answer = fabric.post(path)
    if answer.status_code == 202:
        answer = fabric.get(f"/v1/operations/{answer.headers['x-ms-operation-id']}/result")
    parts = {part["path"]: base64.b64decode(part["payload"]).decode() for part in answer.json()["definition"]["parts"]}
    assert items()["acme_lakehouse.Lakehouse"] in parts["notebook-content.py"]
    assert workspace_id in parts["notebook-content.py"]


def test_a_changed_definition_is_published_into_the_same_item(
    target: Any, items: Any, repository: Path, signed_in: Any, workspace_id: str
) -> None:
    publish_all_items(target())
    expressions = repository / "Training.SemanticModel/definition/expressions.tmdl"
    expressions.write_text(EXPRESSIONS.replace("acme.datawarehouse", "borealis.datawarehouse"))

    publish_all_items(target())

    model = items()["Training.SemanticModel"]
    sources = signed_in("powerbi").get(f"/v1.0/myorg/groups/{workspace_id}/datasets/{model}/datasources").json()
    assert [source["connectionDetails"]["server"] for source in sources["value"]] == [
        "borealis.datawarehouse.fabric.microsoft.com"
    ]


def test_a_changed_description_of_a_lakehouse_is_published(
    target: Any, items: Any, repository: Path, fabric: Any, workspace_id: str
) -> None:
    publish_all_items(target())
    file = repository / "acme_lakehouse.Lakehouse/.platform"
    file.write_text(file.read_text().replace("acme_lakehouse from git", "changed"))

    publish_all_items(target())

    shown = fabric.get(f"/v1/workspaces/{workspace_id}/items/{items()['acme_lakehouse.Lakehouse']}").json()
    assert shown["description"] == "changed"


def test_what_is_no_longer_in_the_repository_is_unpublished(target: Any, items: Any, repository: Path) -> None:
    publish_all_items(target())
    shutil.rmtree(repository / "Progress.Report")
    shutil.rmtree(repository / "etl")

    unpublish_all_orphan_items(target())

    assert set(items()) == {"acme_lakehouse.Lakehouse", "Training.SemanticModel"}


def test_everything_is_unpublished_with_its_folders(
    target: Any, items: Any, repository: Path, fabric: Any, workspace_id: str
) -> None:
    publish_all_items(target())
    for path in repository.iterdir():
        shutil.rmtree(path)

    unpublish_all_orphan_items(target())

    assert items() == {}
    assert fabric.get(f"/v1/workspaces/{workspace_id}/folders").json()["value"] == []


def test_operations_that_take_a_while_are_polled(target: Any, items: Any, simulator: Any, requests_seen: Any) -> None:
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.001})

    publish_all_items(target())

    assert set(items()) == EVERYTHING
    assert "get_operation" in requests_seen("fabric")
    assert "get_operation_result" in requests_seen("fabric")


def test_a_workspace_without_capacity_is_not_published_to(target: Any, fabric: Any) -> None:
    bare = fabric.post("/v1/workspaces", json={"displayName": "Bare"}).json()["id"]

    with pytest.raises(FailedPublishedItemStatusError, match="does not have an assigned capacity"):
        publish_all_items(target(workspace_id=bare))


def test_a_throttled_publish_waits_and_goes_on(target: Any, items: Any, simulator: Any) -> None:
    simulator.add_fault("fabric", "throttle", operation="create_item", nth=2, retry_after=1)

    publish_all_items(target())

    assert set(items()) == EVERYTHING


def test_a_definition_that_fabric_does_not_take_is_an_error_of_the_publish(target: Any, repository: Path) -> None:
    (repository / "Training.SemanticModel/definition.pbism").unlink()

    with pytest.raises(PublishError) as refused:
        publish_all_items(target())

    assert "Dataset_Import_FailedToImportDataset" in str(refused.value.errors)
