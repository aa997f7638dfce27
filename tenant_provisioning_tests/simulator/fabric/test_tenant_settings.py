"""What the administrators of a tenant take away from service principals is refused, in the words that were seen."""

from typing import Any

import pytest

from tenant_provisioning.simulator.fabric.state import FabricKnobs
from tenant_provisioning.simulator.world import CAPACITY_ID, TEMPLATE_WORKSPACE_ID

NEW = {"displayName": "Acme data", "capacityId": CAPACITY_ID}


@pytest.fixture
def without(simulator: Any) -> Any:
    """`without("call_apis")` takes a permission away."""

    def take(knob: str) -> None:
        simulator.world.fabric.knobs = FabricKnobs(**{knob: False})

    return take


def test_without_the_apis_nothing_is_answered_but_the_tenants_settings(fabric: Any, without: Any) -> None:
    without("call_apis")
    refused = fabric.call("GET", "/workspaces")
    assert (refused.status_code, refused.json()["errorCode"]) == (401, "Unauthorized")
    listed = {one["settingName"]: one for one in fabric.call("GET", "/admin/tenantsettings").json()["tenantSettings"]}
    assert listed["ServicePrincipalAccessPermissionAPIs"]["enabled"] is False
    assert listed["ServicePrincipalAccessGlobalAPIs"]["enabled"] is True


def test_without_the_admin_apis_the_tenants_settings_are_not_shown(fabric: Any, without: Any) -> None:
    without("read_admin_apis")
    assert fabric.call("GET", "/admin/tenantsettings").status_code == 401
    assert fabric.call("GET", "/workspaces").status_code == 200


def test_without_creation_workspaces_are_seen_and_not_made(fabric: Any, without: Any) -> None:
    without("create_workspaces")
    refused = fabric.call("POST", "/workspaces", NEW)
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "FeatureNotAvailable")
    assert fabric.call("GET", f"/workspaces/{TEMPLATE_WORKSPACE_ID}").status_code == 200


def test_without_a_role_on_the_capacity_it_is_neither_seen_nor_used(fabric: Any, without: Any) -> None:
    without("capacity_contributor")
    assert fabric.call("GET", "/capacities").json()["value"] == []
    assert fabric.call("GET", f"/capacities/{CAPACITY_ID}").status_code == 404
    refused = fabric.call("POST", "/workspaces", NEW)
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "InsufficientPermissionsOverCapacity")
    workspace = fabric.call("POST", "/workspaces", {"displayName": "Acme data"}).json()["id"]
    refused = fabric.call("POST", f"/workspaces/{workspace}/assignToCapacity", {"capacityId": CAPACITY_ID})
    assert refused.status_code == 403
