"""pbipy builds a tenant's reports at the simulated Power BI, as an onboarding script would with it.

What only Fabric can do (the lakehouse, the connection) is done by plain HTTP.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pbipy
import pbipy.resources
import pytest
from pbipy.datasets import Dataset, DatasetRefreshError
from requests import HTTPError

from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_WORKSPACE_ID,
    TENANT_ID,
)

ORGANIZATION = "9d0f3f60-0000-4000-8000-000000000001"
META = 'meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]'


@pytest.fixture
def client(simulator: Any, trusted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], pbipy.PowerBI]]:
    """Makes clients for a token; two classes of pbipy hold the address, each for itself."""
    for holder in (pbipy.PowerBI, pbipy.resources.Resource):
        monkeypatch.setattr(holder, "BASE_URL", f"{simulator.url}/v1.0/myorg")
    with ExitStack() as stack:

        def make(token: str) -> pbipy.PowerBI:
            made = pbipy.PowerBI(token)
            stack.enter_context(made.session)
            return made

        yield make


@pytest.fixture
def pbi(client: Callable[[str], pbipy.PowerBI], tokens: Any) -> pbipy.PowerBI:
    """The provisioner's client."""
    return client(tokens("powerbi"))


@pytest.fixture
def colleague(client: Callable[[str], pbipy.PowerBI], group: Any, simulator: Any) -> pbipy.PowerBI:
    """The client of another application that is an admin of the tenant's group."""
    application = "99999999-9999-4999-8999-999999999999"
    known = simulator.control("PUT", f"entra/clients/{application}", {"secret": "another"})
    group.add_user(known["object_id"], "App", "Admin")
    form = {
        "grant_type": "client_credentials",
        "client_id": application,
        "client_secret": "another",
        "scope": "https://analysis.windows.net/powerbi/api/.default",
    }
    return client(simulator.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data=form).json()["access_token"])


@pytest.fixture
def group(pbi: pbipy.PowerBI, signed_in: Any) -> Any:
    """A tenant's group on the capacity."""
    made = pbi.create_group("Acme Training", workspace_v2=True)
    body = {"capacityId": CAPACITY_ID}
    signed_in("powerbi").post(f"/v1.0/myorg/groups/{made.id}/AssignToCapacity", json=body).raise_for_status()
    return made


@pytest.fixture
def lakehouse(group: Any, signed_in: Any) -> dict[str, str]:
    """Server and database of the tenant's lakehouse, filled by the template notebook and visible to SQL."""
    fabric = signed_in("fabric")
    home = f"/v1/workspaces/{group.id}/lakehouses"
    made = fabric.post(home, json={"displayName": "acme"}).raise_for_status().json()["id"]
    configuration = {"defaultLakehouse": {"id": made, "workspaceId": group.id}}
    parameters = {"organization_id": {"value": ORGANIZATION, "type": "string"}}
    run = f"/v1/workspaces/{TEMPLATE_WORKSPACE_ID}/items/{TEMPLATE_NOTEBOOK_ID}/jobs/RunNotebook/instances"
    execution = {"executionData": {"parameters": parameters, "configuration": configuration}}
    fabric.post(run, json=execution).raise_for_status()
    endpoint = fabric.get(f"{home}/{made}").json()["properties"]["sqlEndpointProperties"]
    fabric.post(f"/v1/workspaces/{group.id}/sqlEndpoints/{endpoint['id']}/refreshMetadata").raise_for_status()
    return {"server": endpoint["connectionString"], "database": endpoint["id"]}


@pytest.fixture
def connect(signed_in: Any) -> Any:
    """Makes a shareable connection of our service principal to a lakehouse; returns its id."""

    def make(place: dict[str, str], secret: str = CLIENT_SECRET) -> str:
        parameters = [{"dataType": "Text", "name": name, "value": value} for name, value in place.items()]
        credentials = {
            "credentialType": "ServicePrincipal",
            "tenantId": TENANT_ID,
            "servicePrincipalClientId": CLIENT_ID,
            "servicePrincipalSecret": secret,
        }
        body = {
            "connectivityType": "ShareableCloud",
            "displayName": "acme",
            "connectionDetails": {"type": "SQL", "creationMethod": "SQL", "parameters": parameters},
            "credentialDetails": {
                "singleSignOnType": "None",
                "connectionEncryption": "Encrypted",
                "skipTestConnection": True,
                "credentials": credentials,
            },
        }
        return str(signed_in("fabric").post("/v1/connections", json=body).raise_for_status().json()["id"])

    return make


def package(server: str = "template", database: str = "template", *, parameters: bool = True) -> io.BytesIO:
    """A .pbix with a model of its own, whose server and database are parameters, or stand in the query itself."""
    places = {"Server": server, "Base": database}
    named = ", ".join(places) if parameters else f'"{server}", "{database}"'
    source = f'let S = Sql.Database({named}), T = S{{[Schema="dbo",Item="tenant"]}}[Data] in T'
    partition = {"name": "tenant", "mode": "import", "source": {"type": "m", "expression": source}}
    expressions = [{"name": name, "kind": "m", "expression": f'"{value}" {META}'} for name, value in places.items()]
    model = {
        "expressions": expressions if parameters else [],
        "tables": [{"name": "tenant", "columns": [{"name": "organization_id"}], "partitions": [partition]}],
    }
    parts = {
        "[Content_Types].xml": b"<Types/>",
        "Version": "1.28".encode("utf-16-le"),
        "Report/Layout": json.dumps({"sections": []}).encode("utf-16-le"),
        "DataModelSchema": json.dumps({"model": model}).encode("utf-16-le"),
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without the time, so the same bytes each time
    whole.seek(0)
    return whole


def imported(pbi: pbipy.PowerBI, group: Any, **more: Any) -> tuple[Dataset, Any]:
    """The dataset and the report that an import brought."""
    pbi.import_file(package(**more), "Progress.pbix", name_conflict="CreateOrOverwrite", group=group)
    return pbi.datasets(group)[0], pbi.reports(group)[0]


def test_a_group_is_made_found_by_name_and_deleted(pbi: pbipy.PowerBI, group: Any) -> None:
    found = pbi.groups(filter="name eq 'Acme Training'")

    assert [(one.id, one.is_on_dedicated_capacity) for one in found] == [(group.id, True)]
    assert pbi.group(group.id).name == "Acme Training"
    pbi.delete_group(group)
    assert pbi.groups(filter="name eq 'Acme Training'") == []


def test_a_group_of_the_same_name_is_refused(pbi: pbipy.PowerBI, group: Any) -> None:
    with pytest.raises(HTTPError, match="PowerBIEntityAlreadyExists"):
        pbi.create_group("Acme Training")


def test_users_of_a_group_are_added_changed_and_removed(group: Any) -> None:
    group.add_user("ada@acme.example", "User", "Viewer")
    group.update_user("ada@acme.example", "User", "Member")
    rights = {user["identifier"]: user["groupUserAccessRight"] for user in group.users()}
    group.delete_user("ada@acme.example")

    assert rights["ada@acme.example"] == "Member"
    assert "ada@acme.example" not in {user["identifier"] for user in group.users()}


def test_an_import_brings_a_dataset_and_a_report(pbi: pbipy.PowerBI, group: Any) -> None:
    begun = pbi.import_file(package(), "Progress.pbix", name_conflict="Abort", group=group)

    ended = pbi.imported_file(begun.id, group)
    assert (begun.id, ended.import_state) == (ended.id, "Succeeded")
    dataset, report = pbi.datasets(group)[0], pbi.reports(group)[0]
    assert (dataset.name, report.name, report.dataset_id) == ("Progress", "Progress", dataset.id)


def test_a_large_import_goes_through_the_temporary_upload_location(pbi: pbipy.PowerBI, group: Any) -> None:
    pbi.import_large_file(package(), "Progress.pbix", name_conflict="Abort", group=group)

    assert [dataset.name for dataset in pbi.datasets(group)] == ["Progress"]
    assert [one.import_state for one in pbi.imported_files(group)] == ["Succeeded"]


def test_importing_twice_without_a_word_on_conflicts_makes_two_of_each(pbi: pbipy.PowerBI, group: Any) -> None:
    for _ in range(2):
        pbi.import_file(package(), "Progress.pbix", group=group)

    assert [dataset.name for dataset in pbi.datasets(group)] == ["Progress", "Progress"]
    with pytest.raises(HTTPError, match="MoreThanOneDuplicatePackageFoundError"):
        pbi.import_file(package(), "Progress.pbix", name_conflict="CreateOrOverwrite", group=group)


def test_a_clone_shows_the_target_dataset(pbi: pbipy.PowerBI, group: Any) -> None:
    dataset, report = imported(pbi, group)

    report.clone("Progress for Acme", target_group=group.id, target_dataset=dataset.id)

    clone = next(one for one in pbi.reports(group) if one.name == "Progress for Acme")
    assert (clone.dataset_id, clone.original_report_id) == (dataset.id, report.id)


def test_rebinding_shows_another_dataset_and_leaves_the_old_one(pbi: pbipy.PowerBI, group: Any) -> None:
    dataset, report = imported(pbi, group)
    pbi.import_file(package(), "Other.pbix", group=group)
    other = next(one for one in pbi.datasets(group) if one.name == "Other")

    report.rebind(other)

    assert pbi.report(report.id, group).dataset_id == other.id
    assert dataset.id in {one.id for one in pbi.datasets(group)}


def test_parameters_a_connection_and_a_refresh_lead_to_the_tenants_rows(
    pbi: pbipy.PowerBI, group: Any, lakehouse: dict[str, str], connect: Any
) -> None:
    dataset, _ = imported(pbi, group)

    values = {"Server": lakehouse["server"], "Base": lakehouse["database"]}
    dataset.update_parameters([{"name": name, "newValue": value} for name, value in values.items()])
    source = dataset.datasources()[0]
    dataset.bind_to_gateway(source["gatewayId"], [connect(lakehouse)])
    dataset.refresh_and_wait(type="Full", check_interval=0)
    answer = dataset.execute_queries("EVALUATE 'tenant'", include_nulls=True)

    assert {entry["name"]: entry["currentValue"] for entry in dataset.parameters()} == values
    assert source["connectionDetails"] == lakehouse
    assert answer["results"][0]["tables"][0]["rows"] == [{"tenant[organization_id]": ORGANIZATION}]


def test_a_data_source_without_parameters_is_led_elsewhere(
    pbi: pbipy.PowerBI, group: Any, lakehouse: dict[str, str], connect: Any
) -> None:
    dataset, _ = imported(pbi, group, parameters=False)

    dataset.update_datasources({"datasourceSelector": {"datasourceType": "Sql"}, "connectionDetails": lakehouse})
    source = dataset.datasources()[0]
    dataset.bind_to_gateway(source["gatewayId"], [connect(lakehouse)])
    dataset.refresh_and_wait(type="Full", check_interval=0)

    assert source["connectionDetails"] == lakehouse
    assert dataset.refresh_history(top=1)[0]["status"] == "Completed"


def test_a_refresh_that_fails_is_told_when_it_is_waited_for(
    pbi: pbipy.PowerBI, group: Any, lakehouse: dict[str, str]
) -> None:
    dataset, _ = imported(pbi, group, **lakehouse)

    with pytest.raises(DatasetRefreshError, match="Status: Failed"):
        dataset.refresh_and_wait(type="Full", check_interval=0)

    assert dataset.refresh_history(top=1)[0]["status"] == "Failed"


def test_a_refresh_that_takes_a_while_is_waited_for(
    pbi: pbipy.PowerBI, group: Any, lakehouse: dict[str, str], connect: Any, simulator: Any
) -> None:
    dataset, _ = imported(pbi, group, **lakehouse)
    dataset.bind_to_gateway(dataset.datasources()[0]["gatewayId"], [connect(lakehouse)])
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.01})

    dataset.refresh_and_wait(type="Full", check_interval=0.01)

    assert dataset.refresh_history(top=1)[0]["status"] == "Completed"


def test_only_the_owner_changes_a_dataset_until_it_is_taken_over(
    pbi: pbipy.PowerBI, colleague: pbipy.PowerBI, group: Any
) -> None:
    imported(colleague, group)
    dataset = pbi.datasets(group)[0]
    change = {"name": "Server", "newValue": "elsewhere"}

    with pytest.raises(HTTPError, match="403"):
        dataset.update_parameters(change)
    dataset.take_over()
    dataset.update_parameters(change)

    assert pbi.dataset(dataset.id, group).configured_by != dataset.configured_by
    assert {entry["name"]: entry["currentValue"] for entry in dataset.parameters()}["Server"] == "elsewhere"


def test_a_query_that_the_engine_does_not_take_is_an_error(pbi: pbipy.PowerBI, group: Any) -> None:
    dataset, _ = imported(pbi, group)

    with pytest.raises(HTTPError, match="DatasetExecuteQueriesError"):
        dataset.execute_queries("EVALUATE nowhere")


def test_more_than_one_query_in_a_call_is_refused(pbi: pbipy.PowerBI, group: Any) -> None:
    dataset, _ = imported(pbi, group)

    with pytest.raises(HTTPError, match="400"):
        dataset.execute_queries(["EVALUATE tenant", "EVALUATE tenant"])


def test_a_report_is_exported_as_the_file_it_came_from(pbi: pbipy.PowerBI, group: Any, tmp_path: Path) -> None:
    _, report = imported(pbi, group)

    report.download(tmp_path, "exported")

    assert (tmp_path / "exported.pbix").read_bytes() == package().getvalue()


def test_an_embed_token_is_made_for_a_report(pbi: pbipy.PowerBI, group: Any) -> None:
    _, report = imported(pbi, group)

    assert report.generate_token(access_level="View").token


def test_a_deleted_report_leaves_its_dataset(pbi: pbipy.PowerBI, group: Any) -> None:
    dataset, report = imported(pbi, group)

    pbi.delete_report(report)

    assert (pbi.reports(group), [one.id for one in pbi.datasets(group)]) == ([], [dataset.id])
    pbi.delete_dataset(dataset, group)
    assert pbi.datasets(group) == []


def test_what_is_no_token_is_not_let_in(client: Callable[[str], pbipy.PowerBI]) -> None:
    with pytest.raises(HTTPError, match="403"):
        client("not-a-token").groups()
