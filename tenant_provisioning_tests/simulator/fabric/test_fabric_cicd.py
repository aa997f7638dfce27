"""fabric-cicd, which others wrote for the real Fabric, at the simulated one: only its base address is changed."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

FILES = {
    "Hello.Notebook": {"notebook-content.py": "# Fabric notebook source\n\n# CELL ********************\n\nprint(1)\n"},
    "Store.Lakehouse": {"lakehouse.metadata.json": "{}"},
    "Model.SemanticModel": {
        "definition.pbism": '{"version": "4.2", "settings": {}}',
        "definition/model.tmdl": "model Model\n\tculture: en-US\n",
        "definition/expressions.tmdl": 'expression DatabaseQuery = Sql.Database("server", "database")\n',
        "definition/tables/t.tmdl": "table t\n\n\tcolumn a\n\t\tdataType: string\n",
    },
    "Progress.Report": {
        "definition.pbir": '{"version": "4.0", "datasetReference": {"byPath": {"path": "../Model.SemanticModel"}}}',
        "report.json": '{"config": "{}", "layoutOptimization": 0}',
    },
}


class TokenOf:
    """A credential in the azure libraries' form."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """The access token, whatever it is asked for."""
        return AccessToken(self._token, int(time.time()) + 3000)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository of items as Fabric's Git integration writes them."""
    for number, (item, files) in enumerate(FILES.items(), 1):
        name, _, kind = item.partition(".")
        platform = {
            "metadata": {"type": kind, "displayName": name, "description": "published"},
            "config": {"version": "2.0", "logicalId": f"00000000-0000-0000-0000-{number:012}"},
        }
        for path, content in {**files, ".platform": json.dumps(platform)}.items():
            (tmp_path / item / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / item / path).write_text(content)
    return tmp_path


def test_fabric_cicd_publishes_a_repository_twice_and_unpublishes_what_left_it(
    fabric: Any, simulator: Any, tokens: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(simulator.ca_file))
    monkeypatch.setenv("FABRIC_CICD_RETRY_DELAY_OVERRIDE_SECONDS", "0")
    monkeypatch.chdir(repository)  # it keeps a log file where it runs
    import fabric_cicd

    for root in ("DEFAULT_API_ROOT_URL", "FABRIC_API_ROOT_URL"):
        monkeypatch.setattr(fabric_cicd.constants, root, simulator.url)
    workspace = fabric.workspace()

    def target() -> Any:
        return fabric_cicd.FabricWorkspace(
            workspace_id=workspace,
            repository_directory=str(repository),
            item_type_in_scope=["Notebook", "Lakehouse", "SemanticModel", "Report"],
            token_credential=TokenOf(tokens("powerbi")),
        )

    def published() -> set[str]:
        items = fabric.call("GET", f"/workspaces/{workspace}/items").json()["value"]
        return {f"{item['displayName']}.{item['type']}" for item in items}

    for _ in range(2):
        fabric_cicd.publish_all_items(target())
        assert published() == {*FILES, "Store.SQLEndpoint"}
    for file in (repository / "Hello.Notebook").iterdir():
        file.unlink()
    (repository / "Hello.Notebook").rmdir()
    fabric_cicd.unpublish_all_orphan_items(target())
    assert published() == {*FILES, "Store.SQLEndpoint"} - {"Hello.Notebook"}
