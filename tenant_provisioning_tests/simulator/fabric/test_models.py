"""Semantic models, connections and reports at the simulated Fabric."""

import base64
from typing import Any

import pytest

from tenant_provisioning.simulator.fabric.definitions import read_model
from tenant_provisioning.simulator.fabric.records import Part
from tenant_provisioning.simulator.world import TEMPLATE_SQL_ENDPOINT_HOST, TEMPLATE_SQL_ENDPOINT_ID

DETAILS = {"type": "SQL", "path": f"{TEMPLATE_SQL_ENDPOINT_HOST};{TEMPLATE_SQL_ENDPOINT_ID}"}


def bind(fabric: Any, workspace: str, model: str, connection: str | None, path: str = DETAILS["path"]) -> Any:
    binding = {
        "id": connection,
        "connectivityType": "ShareableCloud",
        "connectionDetails": {"type": "SQL", "path": path},
    }
    return fabric.call(
        "POST", f"/workspaces/{workspace}/semanticModels/{model}/bindConnection", {"connectionBinding": binding}
    )


def test_the_templates_definition_is_tmdl_whose_expression_names_the_data_source(fabric: Any) -> None:
    parts = {part["path"]: base64.b64decode(part["payload"]).decode() for part in fabric.template_parts()}
    assert {"definition.pbism", "definition/database.tmdl", "definition/model.tmdl", ".platform"} <= set(parts)
    assert "definition/tables/learners.tmdl" in parts
    wanted = f'Sql.Database("{TEMPLATE_SQL_ENDPOINT_HOST}", "{TEMPLATE_SQL_ENDPOINT_ID}")'
    assert wanted in parts["definition/expressions.tmdl"]


def test_a_semantic_model_is_always_made_by_an_operation(fabric: Any) -> None:
    workspace, parts = fabric.workspace(), fabric.template_parts()
    for number in range(6):
        body = {"displayName": f"m{number}", "definition": {"parts": parts}}
        assert fabric.call("POST", f"/workspaces/{workspace}/semanticModels", body).status_code == 202


def test_a_model_without_its_required_files_fails_in_its_operation(fabric: Any, part: Any) -> None:
    body = {"displayName": "m", "definition": {"parts": [part("definition.pbism", "{}")]}}
    made = fabric.call("POST", f"/workspaces/{fabric.workspace()}/semanticModels", body)
    operation = fabric.operation(made.headers["x-ms-operation-id"])
    assert operation["status"] == "Failed"
    assert operation["error"]["errorCode"] == "Dataset_Import_FailedToImportDataset"


def test_a_connection_is_tried_when_it_is_made(fabric: Any, connection_body: Any) -> None:
    server, database = TEMPLATE_SQL_ENDPOINT_HOST, TEMPLATE_SQL_ENDPOINT_ID
    made = fabric.call("POST", "/connections", connection_body(server, database))
    assert (made.status_code, made.json()["connectionDetails"]) == (201, DETAILS)
    assert "simulated-client-secret" not in made.text
    again = fabric.call("POST", "/connections", connection_body(server, database))
    assert again.json()["errorCode"] == "DuplicateConnectionName"
    wrong = fabric.call("POST", "/connections", connection_body(server, database, "b", secret="no"))
    assert (wrong.status_code, wrong.json()["errorCode"]) == (400, "IncorrectCredentials")
    lost = fabric.call("POST", "/connections", connection_body("nowhere", database, "c"))
    assert lost.json()["errorCode"] == "InvalidConnectionDetails"
    untried = fabric.call("POST", "/connections", connection_body("nowhere", database, "d", skip_test=True))
    assert untried.status_code == 201


def test_a_connection_outlives_the_workspace_it_leads_to(fabric: Any, connection_body: Any) -> None:
    workspace = fabric.workspace()
    endpoint = fabric.lakehouse(workspace)["properties"]["sqlEndpointProperties"]
    body = connection_body(endpoint["connectionString"], endpoint["id"])
    connection = fabric.call("POST", "/connections", body).json()["id"]
    fabric.call("DELETE", f"/workspaces/{workspace}").raise_for_status()
    assert [found["id"] for found in fabric.call("GET", "/connections").json()["value"]] == [connection]
    assert fabric.call("POST", f"/connections/{connection}/testConnection").json()["status"] == "Offline"
    assert fabric.call("DELETE", f"/connections/{connection}").status_code == 200
    assert fabric.call("DELETE", f"/connections/{connection}").json()["errorCode"] == "ConnectionNotFound"


def test_binding_wants_a_connection_that_exists_and_leads_to_the_models_own_data(
    fabric: Any, connection_body: Any
) -> None:
    workspace = fabric.workspace()
    endpoint = fabric.lakehouse(workspace)["properties"]["sqlEndpointProperties"]
    server, database = endpoint["connectionString"], endpoint["id"]
    model = fabric.model(workspace, fabric.parts_for(server, database))
    right = fabric.call("POST", "/connections", connection_body(server, database)).json()["id"]
    wrong = fabric.call(
        "POST", "/connections", connection_body(TEMPLATE_SQL_ENDPOINT_HOST, TEMPLATE_SQL_ENDPOINT_ID, "t")
    ).json()["id"]
    path = f"{server};{database}"
    assert (
        bind(fabric, workspace, model, "99999999-9999-4999-8999-999999999999", path).json()["errorCode"]
        == "ConnectionNotFound"
    )
    assert bind(fabric, workspace, model, right, DETAILS["path"]).json()["errorCode"] == "ConnectionMismatch"
    assert bind(fabric, workspace, model, wrong, path).json()["errorCode"] == "ConnectionMismatch"
    bound = bind(fabric, workspace, model, right, path)
    assert (bound.status_code, bound.content) == (200, b"")
    shown = fabric.call("GET", f"/workspaces/{workspace}/items/{model}/connections").json()["value"]
    assert [entry["id"] for entry in shown] == [right]


def test_a_report_made_from_a_definition_is_bound_already(fabric: Any, part: Any, signed_in: Any) -> None:
    workspace = fabric.workspace()
    model = fabric.model(workspace, fabric.template_parts())
    bond = {"datasetReference": {"byConnection": {"connectionString": f"semanticmodelid={model}"}}}
    parts = [part("definition.pbir", bond), part("report.json", "{}")]
    path = f"/workspaces/{workspace}/reports"
    made = fabric.outcome(fabric.call("POST", path, {"displayName": "Progress", "definition": {"parts": parts}}))
    shown = signed_in("powerbi").get(f"/v1.0/myorg/groups/{workspace}/reports/{made['id']}").json()
    assert (shown["datasetId"], shown["datasetWorkspaceId"], shown["name"]) == (model, workspace, "Progress")


def test_a_report_that_names_no_known_model_fails(fabric: Any, part: Any) -> None:
    bond = {
        "datasetReference": {
            "byConnection": {"connectionString": "semanticmodelid=99999999-9999-4999-8999-999999999999"}
        }
    }
    parts = [part("definition.pbir", bond), part("report.json", "{}")]
    body = {"displayName": "Progress", "definition": {"parts": parts}}
    made = fabric.call("POST", f"/workspaces/{fabric.workspace()}/reports", body)
    assert fabric.operation(made.headers["x-ms-operation-id"])["status"] == "Failed"


LITERAL = 'expression Source = Sql.Database("s", "d")\n'
PARAMETERS = """expression Server = "s" meta [IsParameterQuery=true, Type="Text"]

expression Base = "d" meta [IsParameterQuery=true, Type="Text"]

expression Source =
		let
			db = Sql.Database(Server, Base)
		in
			db
"""


@pytest.mark.parametrize("expressions", [LITERAL, PARAMETERS])
def test_a_models_data_source_is_read_from_its_expressions(expressions: str) -> None:
    texts = {
        "definition.pbism": "{}",
        "definition/model.tmdl": "model Model",
        "definition/expressions.tmdl": expressions,
    }
    parts = [Part(path, base64.b64encode(text.encode()).decode()) for path, text in texts.items()]
    assert [(place.server, place.database) for place in read_model(parts).sources] == [("s", "d")]
