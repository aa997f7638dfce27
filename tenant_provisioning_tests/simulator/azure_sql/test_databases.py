"""Databases of one server as ARM long-running operations: create, copy, update, delete, and what is refused then."""

from dataclasses import dataclass

import pytest

from tenant_provisioning.simulator.latency import Latency


@dataclass(frozen=True)
class SlowWork(Latency):
    """Calls are answered at once, and what they began takes half a minute of the world's clock."""

    def lasts(self, process: str) -> float:  # noqa: ARG002 - every process alike
        return 30.0

    def retry_after(self, seconds: float) -> int:
        return round(seconds)


def error_of(answer) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def followed(arm, answer):
    """What the operation behind a 202 says now."""
    assert answer.status_code == 202, answer.text
    return arm.http.get(answer.headers["azure-asyncoperation"])


def test_a_copy_is_accepted_and_done_later(simulator, arm):
    simulator.world.latency = SlowWork()
    begun = arm.copy("acme")
    assert begun.headers["retry-after"] == "15"
    assert followed(arm, begun).json()["status"] == "InProgress"
    assert arm.http.get(begun.headers["location"]).status_code == 202
    assert arm.call("GET", "acme").json()["properties"]["status"] == "Copying"
    simulator.world.advance(31)
    assert followed(arm, begun).json()["status"] == "Succeeded"
    result = arm.http.get(begun.headers["location"])
    assert (result.status_code, result.json()["properties"]["status"]) == (200, "Online")
    assert arm.call("GET", "acme").json()["id"].endswith("/servers/training-platform-sql/databases/acme")


def test_a_copy_brings_the_sources_sku_and_its_users(simulator, arm):
    followed(arm, arm.copy("acme"))
    assert arm.call("GET", "acme").json()["sku"] == {"name": "Standard", "tier": "Standard", "capacity": 10}
    shown = simulator.control("GET", "snapshot")["azure_sql"]["databases"]
    assert {database["name"]: database["users"] for database in shown}["acme"] == ["template_reader", "template_loader"]


def test_while_a_copy_runs_nothing_else_may_be_done_to_the_database(simulator, arm):
    simulator.world.latency = SlowWork()
    arm.copy("acme")
    assert error_of(arm.copy("Acme")) == (409, "ConflictingDatabaseOperation")
    assert error_of(arm.call("DELETE", "acme")) == (409, "ConflictingDatabaseOperation")
    assert arm.copy("other").status_code == 202


def test_a_repeat_on_a_finished_database_is_an_update(arm):
    followed(arm, arm.copy("acme", tags={"tenant": "acme"}))
    first = arm.call("GET", "acme").json()
    same = arm.copy("acme", tags={"tenant": "acme"})
    assert (same.status_code, same.json()) == (200, first)
    followed(arm, arm.copy("acme", sku={"name": "S1"}))
    changed = arm.call("GET", "acme").json()
    assert changed["properties"]["databaseId"] == first["properties"]["databaseId"]
    assert changed["properties"]["currentServiceObjectiveName"] == "S1"


def test_a_delete_is_idempotent(simulator, arm):
    followed(arm, arm.copy("acme"))
    simulator.world.latency = SlowWork()
    assert arm.call("DELETE", "acme").status_code == 202
    again = arm.call("DELETE", "acme")
    assert followed(arm, again).json()["status"] == "InProgress"
    simulator.world.advance(31)
    assert arm.call("DELETE", "acme").status_code == 204
    assert arm.http.get(again.headers["location"]).status_code == 204
    assert error_of(arm.call("GET", "acme")) == (404, "ResourceNotFound")


def test_a_copy_that_fails_says_so_in_its_operation_and_leaves_nothing(simulator, arm):
    simulator.add_fault(
        "azure_sql", "operation_failed", operation="create_database", match={"name": "acme"}, code="InternalServerError"
    )
    begun = arm.copy("acme")
    said = followed(arm, begun).json()
    assert (said["status"], said["error"]["code"]) == ("Failed", "InternalServerError")
    assert arm.http.get(begun.headers["location"]).status_code == 500
    assert error_of(arm.call("GET", "acme")) == (404, "ResourceNotFound")
    followed(arm, arm.copy("acme"))
    assert arm.call("GET", "acme").status_code == 200


def test_an_update_that_fails_leaves_the_database_as_it_was(simulator, arm):
    followed(arm, arm.copy("acme"))
    simulator.add_fault("azure_sql", "operation_failed", operation="update_database")
    assert followed(arm, arm.copy("acme", sku={"name": "S1"})).json()["status"] == "Failed"
    assert arm.call("GET", "acme").json()["properties"]["currentServiceObjectiveName"] == "S0"


def test_an_empty_database_can_be_made_and_patched(arm):
    body = {"location": "West Europe", "sku": {"name": "GP_Gen5_4"}, "properties": {"zoneRedundant": True}}
    followed(arm, arm.call("PUT", "acme", json=body))
    made = arm.call("GET", "acme").json()
    assert made["sku"] == {"name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 4}
    assert made["properties"]["zoneRedundant"] is True
    followed(arm, arm.call("PATCH", "acme", json={"tags": {"tenant": "acme"}}))
    assert arm.call("GET", "acme").json()["tags"] == {"tenant": "acme"}
    assert error_of(arm.call("PATCH", "other", json={"tags": {}})) == (404, "ResourceNotFound")


def test_a_database_can_live_in_the_servers_pool_only(arm):
    pool = f"{arm.server}/elasticPools/tenants"
    followed(arm, arm.call("PUT", "acme", json={"location": "westeurope", "properties": {"elasticPoolId": pool}}))
    assert arm.call("GET", "acme").json()["sku"]["name"] == "ElasticPool"
    other = {"location": "westeurope", "properties": {"elasticPoolId": f"{pool}-2"}}
    assert error_of(arm.call("PUT", "other", json=other)) == (400, "TargetElasticPoolDoesNotExist")


def test_the_list_holds_the_system_database_too(arm):
    followed(arm, arm.copy("acme"))
    found = arm.http.get(f"{arm.server}/databases").json()["value"]
    assert [database["name"] for database in found] == ["master", "template", "acme"]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"createMode": "Copy"}, "MissingSourceDatabaseId"),
        ({"createMode": "Copy", "sourceDatabaseId": "template"}, "InvalidSourceDatabaseId"),
        ({"createMode": "Copy", "sourceDatabaseId": "{server}-2/databases/template"}, "SourceServerNotFound"),
        ({"createMode": "Copy", "sourceDatabaseId": "{server}/databases/nothing"}, "SourceDatabaseNotFound"),
        ({"createMode": "Teleport"}, "InvalidDatabaseCreateMode"),
    ],
)
def test_a_source_that_is_none_is_refused(arm, properties, code):
    filled = {name: value.replace("{server}", arm.server) for name, value in properties.items()}
    assert error_of(arm.call("PUT", "acme", json={"location": "westeurope", "properties": filled})) == (400, code)
    assert arm.call("GET", "acme").status_code == 404


@pytest.mark.parametrize("name", ["master", "MSDB"])
def test_system_databases_cannot_be_replaced_or_dropped(arm, name):
    assert error_of(arm.copy(name)) == (400, "CannotUseReservedDatabaseName")
    assert error_of(arm.call("DELETE", name)) == (400, "CannotUseReservedDatabaseName")


@pytest.mark.parametrize(
    ("sku", "code"),
    [
        ({"name": "Gigantic"}, "InvalidSkuName"),
        ({"name": "S0", "tier": "Premium"}, "MismatchedSkuNameAndTier"),
        ({"name": "S0", "capacity": 7}, "MismatchedSkuNameAndCapacity"),
    ],
)
def test_a_sku_must_exist_and_agree_with_itself(arm, sku, code):
    assert error_of(arm.copy("acme", sku=sku)) == (400, code)
