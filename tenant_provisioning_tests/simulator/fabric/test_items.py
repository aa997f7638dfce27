"""Items, operations, lakehouses, notebooks at the simulated Fabric."""

from typing import Any

import pytest

from tenant_provisioning.simulator.world import (
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_WORKSPACE_ID,
)

TABLES = {"tenant", "learners", "courses", "enrolments", "assessments", "attendance"}


def test_the_same_create_is_answered_with_201_or_202(fabric: Any) -> None:
    workspace = fabric.workspace()
    answers = [fabric.call("POST", f"/workspaces/{workspace}/warehouses", {"displayName": f"w{n}"}) for n in range(40)]
    assert {made.status_code for made in answers} == {201, 202}
    assert len(fabric.call("GET", f"/workspaces/{workspace}/warehouses").json()["value"]) == 40


def test_an_operation_is_begun_with_a_null_body_and_a_location_on_another_host(fabric: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 0})
    made = fabric.call("POST", f"/workspaces/{fabric.workspace()}/lakehouses", {"displayName": "lh"})
    assert (made.status_code, made.content) == (202, b"null")
    assert made.headers["content-type"].startswith("application/json")
    location, called = made.headers["Location"], str(fabric.http.base_url)
    assert not location.startswith(called.rstrip("/"))
    assert location.endswith(f"/v1/operations/{made.headers['x-ms-operation-id']}")
    assert fabric.http.get(location).json()["status"] == "Succeeded"


def test_a_running_operation_says_when_to_ask_again_and_a_finished_one_where_its_result_is(
    fabric: Any, slow: Any
) -> None:
    workspace = fabric.workspace()
    slow()
    parts = {"definition": {"parts": [{"path": "x.py", "payload": "eA==", "payloadType": "InlineBase64"}]}}
    made = fabric.call("POST", f"/workspaces/{workspace}/notebooks", {"displayName": "n", **parts})
    while made.status_code == 201:
        made = fabric.call(
            "POST", f"/workspaces/{workspace}/notebooks", {"displayName": f"n{made.json()['id']}", **parts}
        )
    identifier = made.headers["x-ms-operation-id"]
    running = fabric.call("GET", f"/operations/{identifier}")
    assert (running.json()["status"], running.json()["percentComplete"]) == ("NotStarted", None)
    assert int(running.headers["Retry-After"]) > 0
    early = fabric.call("GET", f"/operations/{identifier}/result")
    assert (early.status_code, early.json()["errorCode"]) == (400, "OperationNotCompleted")
    slow()
    finished = fabric.call("GET", f"/operations/{identifier}")
    assert (finished.json()["status"], finished.json()["error"]) == ("Succeeded", None)
    assert finished.headers["Location"].endswith("/result")
    assert "Retry-After" not in finished.headers


def test_an_operations_times_have_seven_decimals_and_no_zone(fabric: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 0})
    made = fabric.call("POST", f"/workspaces/{fabric.workspace()}/lakehouses", {"displayName": "lh"})
    shown = fabric.operation(made.headers["x-ms-operation-id"])["createdTimeUtc"]
    assert len(shown.rpartition(".")[2]) == 7
    assert shown.rpartition(".")[2].isdigit()


def test_an_operation_without_a_result_says_so(fabric: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/fabric", {"definition_at_once": 0})
    workspace = fabric.workspace()
    model = fabric.model(workspace, fabric.template_parts())
    body = {"definition": {"parts": fabric.template_parts()}}
    updated = fabric.call("POST", f"/workspaces/{workspace}/semanticModels/{model}/updateDefinition", body)
    operation = f"/operations/{updated.headers['x-ms-operation-id']}"
    assert "Location" not in fabric.call("GET", operation).headers
    refused = fabric.call("GET", f"{operation}/result")
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "OperationHasNoResult")


def test_a_failed_operation_tells_why_and_leaves_the_name_free(fabric: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 0})
    workspace = fabric.workspace()
    simulator.add_fault("fabric", "operation_failed", match={"name": "lh"}, code="CapacityExceeded", message="No room.")
    made = fabric.call("POST", f"/workspaces/{workspace}/lakehouses", {"displayName": "lh"})
    failed = fabric.operation(made.headers["x-ms-operation-id"])
    assert (failed["status"], failed["error"]["errorCode"], failed["error"]["message"]) == (
        "Failed",
        "CapacityExceeded",
        "No room.",
    )
    assert fabric.lakehouse(workspace, "lh")["displayName"] == "lh"


def test_a_name_is_taken_while_its_item_is_still_being_made(fabric: Any, slow: Any, simulator: Any) -> None:
    workspace = fabric.workspace()
    slow()
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 0})
    body = {"displayName": "lh"}
    assert fabric.call("POST", f"/workspaces/{workspace}/lakehouses", body).status_code == 202
    assert fabric.call("GET", f"/workspaces/{workspace}/items").json()["value"] == []
    assert (
        fabric.call("POST", f"/workspaces/{workspace}/lakehouses", body).json()["errorCode"]
        == "ItemDisplayNameAlreadyInUse"
    )


def test_a_deleted_items_name_is_reserved_for_a_while(fabric: Any, slow: Any, simulator: Any) -> None:
    workspace = fabric.workspace()
    slow()
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 1})
    lakehouse = fabric.lakehouse(workspace)
    fabric.call("DELETE", f"/workspaces/{workspace}/items/{lakehouse['id']}").raise_for_status()
    refused = fabric.call("POST", f"/workspaces/{workspace}/lakehouses", {"displayName": "lh_acme"})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "ItemDisplayNameNotAvailableYet")
    slow()
    assert fabric.call("POST", f"/workspaces/{workspace}/lakehouses", {"displayName": "lh_acme"}).status_code == 201


def test_a_lakehouses_sql_endpoint_has_null_ids_until_it_is_provisioned(fabric: Any, slow: Any, simulator: Any) -> None:
    workspace = fabric.workspace()
    slow()
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 1})
    early = fabric.lakehouse(workspace)["properties"]["sqlEndpointProperties"]
    assert early == {"id": None, "connectionString": None, "provisioningStatus": "InProgress"}
    slow()
    lakehouse = fabric.call("GET", f"/workspaces/{workspace}/lakehouses").json()["value"][0]
    ready = lakehouse["properties"]["sqlEndpointProperties"]
    assert ready["provisioningStatus"] == "Success"
    assert ready["connectionString"].endswith(".datawarehouse.fabric.microsoft.com")
    endpoints = fabric.call("GET", f"/workspaces/{workspace}/sqlEndpoints").json()["value"]
    assert [endpoint["id"] for endpoint in endpoints] == [ready["id"]]


def test_a_lakehouse_takes_no_schema_and_no_bad_name(fabric: Any) -> None:
    path = f"/workspaces/{fabric.workspace()}/lakehouses"
    assert fabric.call("POST", path, {"displayName": "lh", "schema": "dbo"}).json()["errorCode"] == "InvalidInput"
    assert fabric.call("POST", path, {"displayName": "acme-data"}).status_code == 400
    both = {"displayName": "lh", "creationPayload": {"enableSchemas": True}, "definition": {"parts": []}}
    assert fabric.call("POST", path, both).json()["errorCode"] == "RequestWithDefinitionAndCreationPayloadNotSupported"


def test_a_lakehouse_needs_a_workspace_on_a_capacity(fabric: Any) -> None:
    workspace = fabric.call("POST", "/workspaces", {"displayName": "Acme"}).json()["id"]
    refused = fabric.call("POST", f"/workspaces/{workspace}/lakehouses", {"displayName": "lh"})
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "UnsupportedCapacitySKU")


def test_the_template_notebook_makes_the_tables_and_sql_sees_them_after_a_metadata_refresh(
    fabric: Any, simulator: Any
) -> None:
    workspace = fabric.workspace()
    lakehouse = fabric.lakehouse(workspace)
    job = fabric.fill(lakehouse, "acme-id")
    assert (job["status"], job["failureReason"]) == ("Completed", None)
    tables = fabric.call("GET", f"/workspaces/{workspace}/lakehouses/{lakehouse['id']}/tables").json()["data"]
    assert {table["name"] for table in tables} == TABLES
    seen = next(
        found for found in simulator.control("GET", "snapshot")["fabric"]["workspaces"] if found["id"] == workspace
    )
    assert seen["items"][0]["visibleTables"] == []
    endpoint = lakehouse["properties"]["sqlEndpointProperties"]["id"]
    refreshed = fabric.outcome(
        fabric.call("POST", f"/workspaces/{workspace}/sqlEndpoints/{endpoint}/refreshMetadata", {})
    )
    assert {(table["tableName"], table["status"]) for table in refreshed["value"]} == {
        (name, "Success") for name in TABLES
    }


def test_a_notebook_run_is_polled_at_its_location_and_is_no_operation(fabric: Any, slow: Any) -> None:
    lakehouse = {"executionData": {"configuration": {"defaultLakehouse": {"id": TEMPLATE_DATASET_ID}}}}
    path = f"/workspaces/{TEMPLATE_WORKSPACE_ID}/items/{TEMPLATE_NOTEBOOK_ID}/jobs/RunNotebook/instances"
    begun = fabric.call("POST", path, lakehouse)
    assert (begun.status_code, begun.content) == (202, b"")
    job = begun.headers["Location"].rpartition("/")[2]
    assert fabric.call("GET", f"/operations/{job}").status_code == 404
    assert fabric.http.get(begun.headers["Location"]).json()["status"] == "NotStarted"
    slow()
    ended = fabric.http.get(begun.headers["Location"]).json()
    assert ended["status"] == "Failed"
    assert TEMPLATE_DATASET_ID in ended["failureReason"]["message"]


def test_a_notebook_without_its_parameter_fails_as_python_would(fabric: Any) -> None:
    lakehouse = fabric.lakehouse(fabric.workspace())
    body = {"executionData": {"configuration": {"defaultLakehouse": {"id": lakehouse["id"]}}}}
    path = f"/workspaces/{TEMPLATE_WORKSPACE_ID}/items/{TEMPLATE_NOTEBOOK_ID}/jobs/instances?jobType=RunNotebook"
    ended = fabric.http.get(fabric.call("POST", path, body).headers["Location"]).json()
    assert "name 'organization_id' is not defined" in ended["failureReason"]["message"]


def test_items_are_listed_by_type(fabric: Any) -> None:
    found = fabric.call("GET", f"/workspaces/{TEMPLATE_WORKSPACE_ID}/items?type=SemanticModel").json()["value"]
    assert [item["id"] for item in found] == [TEMPLATE_DATASET_ID]


def test_a_hard_delete_frees_what_a_soft_one_keeps(fabric: Any) -> None:
    workspace = fabric.workspace()
    item = fabric.lakehouse(workspace)
    assert fabric.call("DELETE", f"/workspaces/{workspace}/items/{item['id']}?hardDelete=true").status_code == 200
    gone = fabric.call("DELETE", f"/workspaces/{workspace}/items/{item['id']}")
    assert (gone.status_code, gone.json()["errorCode"]) == (404, "ItemNotFound")


@pytest.mark.parametrize("payload", ["%%%", ""])
def test_a_definition_with_a_corrupted_payload_is_refused(fabric: Any, payload: str) -> None:
    parts = [{"path": "definition.pbism", "payload": payload, "payloadType": "InlineBase64"}]
    made = fabric.call(
        "POST", f"/workspaces/{fabric.workspace()}/semanticModels", {"displayName": "m", "definition": {"parts": parts}}
    )
    if payload:
        assert (made.status_code, made.json()["errorCode"]) == (400, "CorruptedPayload")
    else:
        operation = fabric.operation(made.headers["x-ms-operation-id"])
        assert operation["error"]["errorCode"] == "Dataset_Import_FailedToImportDataset"
