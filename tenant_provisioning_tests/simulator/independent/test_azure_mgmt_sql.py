"""azure-mgmt-sql copies, reads and deletes databases at the simulated Azure Resource Manager."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.sql import SqlManagementClient

GROUP, SERVER, TEMPLATE = "training-platform", "training-platform-sql", "template"
SUBSCRIPTION = "88888888-8888-4888-8888-888888888888"
TEMPLATE_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Sql/servers/{SERVER}/databases/{TEMPLATE}"


@pytest.fixture
def sql(simulator: Any, credential: ClientSecretCredential) -> Iterator[SqlManagementClient]:
    """The client, polling without pause."""
    with SqlManagementClient(
        credential,
        SUBSCRIPTION,
        base_url=simulator.url,
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=str(simulator.ca_file),
        polling_interval=0,
        retry_total=0,
    ) as client:
        yield client


def copy(sql: SqlManagementClient, name: str, **more: Any) -> Any:
    """A copy of the template database that has begun."""
    body = {"location": "westeurope", "properties": {"createMode": "Copy", "sourceDatabaseId": TEMPLATE_ID}, **more}
    return sql.databases.begin_create_or_update(GROUP, SERVER, name, body)


def test_a_copy_is_polled_until_the_database_is_online(sql: SqlManagementClient) -> None:
    made = copy(sql, "acme_training", tags={"tenant": "acme"}).result()

    found = sql.databases.get(GROUP, SERVER, "acme_training")
    assert (made.name, found.properties.status, found.tags) == ("acme_training", "Online", {"tenant": "acme"})
    assert found.id == TEMPLATE_ID.replace(f"/{TEMPLATE}", "/acme_training")


def test_a_copy_takes_as_long_as_it_takes(sql: SqlManagementClient, simulator: Any, requests_seen: Any) -> None:
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.001})

    made = copy(sql, "acme_training").result(timeout=20)

    assert made.properties.status == "Online"
    assert "get_operation" in requests_seen("azure_sql")


def test_a_repeated_create_updates_the_same_database(sql: SqlManagementClient) -> None:
    first = copy(sql, "acme_training").result()
    body = {"location": "westeurope", "tags": {"tenant": "acme"}}

    second = sql.databases.begin_create_or_update(GROUP, SERVER, "acme_training", body).result()

    assert second.properties.database_id == first.properties.database_id
    assert second.tags == {"tenant": "acme"}
    assert [one.name for one in sql.databases.list_by_server(GROUP, SERVER)].count("acme_training") == 1


def test_a_second_copy_while_the_first_runs_is_a_conflict(sql: SqlManagementClient, simulator: Any) -> None:
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.5})
    copy(sql, "acme_training")

    with pytest.raises(ResourceExistsError, match="ConflictingDatabaseOperation"):
        copy(sql, "acme_training")


def test_a_database_that_is_not_there_is_not_found(sql: SqlManagementClient) -> None:
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        sql.databases.get(GROUP, SERVER, "nobody")


def test_deleting_twice_is_quiet(sql: SqlManagementClient, simulator: Any) -> None:
    copy(sql, "acme_training").wait()

    sql.databases.begin_delete(GROUP, SERVER, "acme_training").wait()
    sql.databases.begin_delete(GROUP, SERVER, "acme_training").wait()

    deletes = [one for one in simulator.control("GET", "requests")["requests"] if one["method"] == "DELETE"]
    assert [one["status"] for one in deletes][-1] == 204
    with pytest.raises(ResourceNotFoundError):
        sql.databases.get(GROUP, SERVER, "acme_training")


def test_a_copy_of_what_is_not_there_fails(sql: SqlManagementClient) -> None:
    gone = {"createMode": "Copy", "sourceDatabaseId": TEMPLATE_ID.replace(TEMPLATE, "gone")}
    with pytest.raises(HttpResponseError):
        sql.databases.begin_create_or_update(
            GROUP, SERVER, "acme_training", {"location": "westeurope", "properties": gone}
        ).result()
