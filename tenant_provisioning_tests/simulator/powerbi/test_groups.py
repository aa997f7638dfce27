"""Groups at the simulated Power BI: the same objects as Fabric's workspaces."""

from typing import Any

from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.world import CAPACITY_ID, CLIENT_ID


def test_a_group_is_a_fabric_workspace_and_shares_its_names(powerbi: Any) -> None:
    group = powerbi.group("Acme")
    assert powerbi.fabric.get(f"/v1/workspaces/{group}").json()["displayName"] == "Acme"
    assert (
        powerbi.fabric.post("/v1/workspaces", json={"displayName": "Acme"}).json()["errorCode"]
        == "WorkspaceNameAlreadyExists"
    )
    again = powerbi.call("POST", "/groups?workspaceV2=true", {"name": "acme"})
    assert (again.status_code, again.json()["error"]["code"]) == (400, "PowerBIEntityAlreadyExists")


def test_a_group_is_found_by_its_exact_name_with_quotes_doubled(powerbi: Any) -> None:
    group = powerbi.group("O'Brien")
    powerbi.group("O'Brien & sons")
    found = powerbi.call("GET", "/groups", params={"$filter": "name eq 'O''Brien'"}).json()
    assert [entry["id"] for entry in found["value"]] == [group]
    assert found["@odata.context"].endswith("#groups")
    assert powerbi.call("GET", "/groups", params={"$filter": "name eq 'nobody'"}).json()["value"] == []
    assert powerbi.call("GET", "/groups", params={"$filter": "name like 'x'"}).status_code == 400


def test_a_group_shows_that_it_is_on_a_capacity(powerbi: Any, slow: Any) -> None:
    group = powerbi.group()
    path = f"/groups/{group}/CapacityAssignmentStatus"
    assert powerbi.call("GET", path).json()["status"] == "InProgress"
    slow()
    assert powerbi.call("GET", path).json()["status"] == "CompletedSuccessfully"
    shown = powerbi.call("GET", f"/groups/{group}").json()
    assert (shown["isOnDedicatedCapacity"], shown["capacityId"]) == (True, CAPACITY_ID.upper())
    powerbi.call("POST", f"/groups/{group}/AssignToCapacity", {"capacityId": "00000000-0000-0000-0000-000000000000"})
    assert powerbi.call("GET", f"/groups/{group}").json()["isOnDedicatedCapacity"] is False


def test_deleting_a_group_deletes_the_workspace(powerbi: Any) -> None:
    group = powerbi.group()
    assert powerbi.call("DELETE", f"/groups/{group}").status_code == 200
    assert powerbi.fabric.get(f"/v1/workspaces/{group}").status_code == 404
    assert powerbi.call("DELETE", f"/groups/{group}").status_code == 404


def test_paths_are_matched_without_regard_to_case(powerbi: Any) -> None:
    group = powerbi.group()
    assert powerbi.http.get(f"/v1.0/MyOrg/GROUPS/{group.upper()}").json()["id"] == group


def test_a_user_is_added_once_and_shown(powerbi: Any) -> None:
    group = powerbi.group()
    user = {"identifier": "ann@acme.test", "principalType": "User", "groupUserAccessRight": "Viewer"}
    assert powerbi.call("POST", f"/groups/{group}/users", user).status_code == 200
    again = powerbi.call("POST", f"/groups/{group}/users", user)
    assert again.json()["error"]["code"] == "AddingAlreadyExistsGroupUserNotSupportedError"
    shown = powerbi.call("GET", f"/groups/{group}/users").json()["value"]
    assert [(entry["identifier"], entry["principalType"]) for entry in shown] == [
        (object_id_of(CLIENT_ID), "App"),
        ("ann@acme.test", "User"),
    ]


def test_a_profile_sees_only_its_own_groups_and_a_right_is_effective_late(powerbi: Any, slow: Any) -> None:
    profile = powerbi.call("POST", "/profiles", {"displayName": "Acme"}).json()["id"]
    group, as_profile = powerbi.group(), {"X-PowerBI-Profile-Id": profile}
    right = {
        "identifier": CLIENT_ID,
        "principalType": "App",
        "groupUserAccessRight": "Admin",
        "profile": {"id": profile},
    }
    assert powerbi.call("GET", f"/groups/{group}", headers=as_profile).status_code == 404
    powerbi.call("POST", f"/groups/{group}/users", right).raise_for_status()
    assert powerbi.call("GET", f"/groups/{group}", headers=as_profile).status_code == 404
    powerbi.call("POST", "/RefreshUserPermissions", headers=as_profile).raise_for_status()
    assert powerbi.call("GET", f"/groups/{group}", headers=as_profile).status_code == 200
    assert [entry["id"] for entry in powerbi.call("GET", "/groups", headers=as_profile).json()["value"]] == [group]


def test_profiles_are_found_by_name_and_deleted(powerbi: Any) -> None:
    made = powerbi.call("POST", "/profiles", {"displayName": "Acme"}).json()
    found = powerbi.call("GET", "/profiles", params={"$filter": "displayName eq 'Acme'"}).json()["value"]
    assert found == [{"id": made["id"], "displayName": "Acme"}]
    assert powerbi.call("DELETE", f"/profiles/{made['id']}").status_code == 200
    assert powerbi.call("GET", "/groups", headers={"X-PowerBI-Profile-Id": made["id"]}).status_code == 404


def test_an_expired_token_is_a_403_here(powerbi: Any, simulator: Any) -> None:
    simulator.control("POST", "clock", {"advance": 4000})
    refused = powerbi.call("GET", "/groups")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "TokenExpired")


def test_a_fabric_token_has_the_wrong_audience(powerbi: Any) -> None:
    assert powerbi.fabric.get("/v1.0/myorg/groups").status_code == 403


def test_a_call_may_be_sent_to_the_home_cluster(powerbi: Any) -> None:
    sent = powerbi.call("GET", "/groups?preferClientRouting=true&$top=1")
    assert sent.status_code == 307
    assert sent.headers["Location"].startswith("https://127.0.0.1:")
    assert sent.headers["Location"].endswith("/v1.0/myorg/groups?$top=1")
