"""Workspaces, capacities and roles at the simulated Fabric."""

from typing import Any

from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric.state import Principal
from tenant_provisioning.simulator.world import CAPACITY_ID, CLIENT_ID, TEMPLATE_WORKSPACE_ID


def test_a_new_workspace_is_on_its_capacity_and_shows_its_description(fabric: Any) -> None:
    made = fabric.call("POST", "/workspaces", {"displayName": "Acme", "description": "mark", "capacityId": CAPACITY_ID})
    shown = fabric.call("GET", f"/workspaces/{made.json()['id']}").json()
    assert made.status_code == 201
    assert made.headers["Location"].endswith(made.json()["id"])
    assert (shown["capacityId"], shown["capacityAssignmentProgress"], shown["description"]) == (
        CAPACITY_ID,
        "Completed",
        "mark",
    )


def test_an_empty_description_is_left_out(fabric: Any) -> None:
    assert "description" not in fabric.call("POST", "/workspaces", {"displayName": "Acme"}).json()


def test_a_name_is_taken_for_the_whole_entra_tenant_whatever_its_case(fabric: Any) -> None:
    fabric.workspace("Acme")
    refused = fabric.call("POST", "/workspaces", {"displayName": "ACME"})
    assert refused.status_code == 409
    assert refused.json()["errorCode"] == refused.headers["x-ms-public-api-error-code"] == "WorkspaceNameAlreadyExists"


def test_a_service_principal_has_at_most_a_thousand_workspaces(fabric: Any, simulator: Any) -> None:
    mine = Principal(object_id_of(CLIENT_ID)).grant()
    for number in range(999):  # the template workspace is the first
        simulator.world.fabric.workspaces.create(mine, f"Acme {number}", "", None)
    refused = fabric.call("POST", "/workspaces", {"displayName": "One more"})
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "PrincipalWorkspaceLimitExceeded")


def test_the_name_of_a_deleted_workspace_is_free_again(fabric: Any) -> None:
    deleted = fabric.call("DELETE", f"/workspaces/{fabric.workspace('Acme')}")
    assert (deleted.status_code, deleted.content, deleted.headers["content-type"]) == (
        200,
        b"",
        "application/octet-stream",
    )
    assert fabric.call("POST", "/workspaces", {"displayName": "Acme"}).status_code == 201


def test_a_deleted_workspace_is_not_found_any_more(fabric: Any) -> None:
    workspace = fabric.workspace()
    fabric.call("DELETE", f"/workspaces/{workspace}")
    again = fabric.call("DELETE", f"/workspaces/{workspace}")
    assert (again.status_code, again.json()["errorCode"]) == (404, "WorkspaceNotFound")


def test_a_deleted_workspace_can_be_restored_with_what_it_held(fabric: Any) -> None:
    workspace = fabric.workspace()
    fabric.lakehouse(workspace)
    fabric.call("DELETE", f"/workspaces/{workspace}")
    admin = {"id": object_id_of(CLIENT_ID), "type": "ServicePrincipal"}
    body = {"restoredWorkspaceName": "Acme again", "newWorkspaceAdminPrincipal": admin}
    fabric.call("POST", f"/admin/workspaces/{workspace}/restore", body).raise_for_status()
    assert fabric.call("GET", f"/workspaces/{workspace}").json()["displayName"] == "Acme again"
    held = {item["type"] for item in fabric.call("GET", f"/workspaces/{workspace}/items").json()["value"]}
    assert held == {"Lakehouse", "SQLEndpoint"}


def test_the_list_has_no_filter_by_name_and_comes_in_pages(fabric: Any) -> None:
    for number in range(120):
        fabric.call("POST", "/workspaces", {"displayName": f"Acme {number}"}).raise_for_status()
    first = fabric.call("GET", "/workspaces?displayName=Acme%207").json()
    second = fabric.http.get(first["continuationUri"]).json()
    assert (len(first["value"]), len(second["value"])) == (100, 21)
    assert "continuationToken" not in second


def test_an_unknown_or_paused_capacity_is_refused(fabric: Any) -> None:
    unknown = {"displayName": "A", "capacityId": "99999999-9999-4999-8999-999999999999"}
    paused = {"displayName": "A", "capacityId": "33333333-3333-4333-8333-333333333334"}
    assert fabric.call("POST", "/workspaces", unknown).json()["errorCode"] == "CapacityNotFound"
    assert fabric.call("POST", "/workspaces", paused).json()["errorCode"] == "CapacityNotInActiveState"


def test_assigning_a_capacity_answers_202_without_location_and_takes_its_time(fabric: Any, slow: Any) -> None:
    workspace = fabric.call("POST", "/workspaces", {"displayName": "Acme"}).json()["id"]
    answered = fabric.call("POST", f"/workspaces/{workspace}/assignToCapacity", {"capacityId": CAPACITY_ID})
    assert (answered.status_code, "Location" in answered.headers, answered.content) == (202, False, b"null")
    assert fabric.call("GET", f"/workspaces/{workspace}").json()["capacityAssignmentProgress"] == "InProgress"
    slow()
    assert fabric.call("GET", f"/workspaces/{workspace}").json()["capacityAssignmentProgress"] == "Completed"


def test_a_role_is_given_once_and_its_id_is_the_principals(fabric: Any) -> None:
    workspace, user = fabric.workspace(), "99999999-9999-4999-8999-999999999999"
    body = {"principal": {"id": user, "type": "User"}, "role": "member"}
    given = fabric.call("POST", f"/workspaces/{workspace}/roleAssignments", body)
    assert (given.status_code, given.json()["id"], given.json()["role"]) == (201, user, "Member")
    again = fabric.call("POST", f"/workspaces/{workspace}/roleAssignments", body)
    assert again.json()["errorCode"] == "PrincipalAlreadyHasWorkspaceRolePermissions"


def test_a_service_principal_is_known_by_its_object_id_and_not_by_its_client_id(fabric: Any) -> None:
    body = {"principal": {"id": CLIENT_ID, "type": "ServicePrincipal"}, "role": "Member"}
    refused = fabric.call("POST", f"/workspaces/{fabric.workspace()}/roleAssignments", body)
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "PrincipalNotFound")


def test_capacities_and_the_template_workspace_are_there_from_the_start(fabric: Any) -> None:
    capacities = fabric.call("GET", "/capacities").json()["value"]
    assert {"id": CAPACITY_ID, "state": "Active"}.items() <= capacities[0].items()
    assert [found["id"] for found in fabric.call("GET", "/workspaces").json()["value"]] == [TEMPLATE_WORKSPACE_ID]


def test_wrong_calls_get_fabrics_own_errors(fabric: Any, http: Any, tokens: Any) -> None:
    unknown = fabric.call("POST", "/workspaces", {"displayName": "A", "schema": "dbo"})
    assert (unknown.status_code, unknown.json()["errorCode"]) == (400, "InvalidInput")
    assert fabric.call("POST", "/workspaces", {}).json()["moreDetails"][0]["message"].startswith("displayName")
    assert (
        fabric.call("POST", "/workspaces", content=b"name=x", headers={"Content-Type": "text/plain"}).status_code == 415
    )
    assert fabric.call("PUT", "/workspaces").status_code == 405
    assert fabric.call("GET", "/workplaces").json()["errorCode"] == "EndpointNotFound"
    assert http.get("/v1/workspaces").status_code == 401
    wrong = http.get("/v1/workspaces", headers={"Authorization": f"Bearer {tokens('arm')}"})
    assert (wrong.status_code, wrong.headers["x-ms-public-api-error-code"]) == (401, "InvalidToken")


def test_an_expired_token_is_told_by_a_401_with_its_code_in_a_header(fabric: Any, simulator: Any) -> None:
    simulator.control("POST", "clock", {"advance": 4000})
    refused = fabric.call("GET", "/workspaces")
    assert (refused.status_code, refused.headers["x-ms-public-api-error-code"]) == (401, "TokenExpired")


def test_a_power_bi_token_is_taken_too(signed_in: Any) -> None:
    assert signed_in("powerbi").get("/v1/workspaces").status_code == 200


def test_too_many_calls_of_one_kind_are_blocked_with_the_recorded_words(fabric: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/fabric", {"calls_per_minute": 2})
    answers = [fabric.call("GET", "/capacities") for _ in range(3)]
    assert answers[2].status_code == 429
    assert answers[2].json()["errorCode"] == "RequestBlocked"
    assert answers[2].json()["message"].startswith("Request is blocked by the upstream service until: ")
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60
    assert fabric.call("GET", "/workspaces").status_code == 200
    simulator.control("PATCH", "knobs/fabric", {"minute": 86_400})
    assert [fabric.call("GET", "/capacities").status_code for _ in range(3)] == [200, 200, 429]
