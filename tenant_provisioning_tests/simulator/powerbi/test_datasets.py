"""The data chain at the simulated Power BI: a query answers from where definition and connection really lead."""

import base64
import json
from typing import Any

import pytest

from tenant_provisioning.simulator.entra.state import POWERBI_AUDIENCE
from tenant_provisioning.simulator.world import CLIENT_ID

COUNT = "EVALUATE ROW(\"n\", COUNTROWS('tenant'))"


def test_a_dataset_answers_with_its_own_tenants_data(powerbi: Any) -> None:
    acme, beta = powerbi.tenant("acme-id", "Acme"), powerbi.tenant("beta-id", "Beta")
    for tenant, name in ((acme, "a"), (beta, "b")):
        powerbi.bind(tenant, name=name)
        assert powerbi.refresh(tenant)["status"] == "Completed"
    assert powerbi.rows(acme, "EVALUATE 'tenant'") == [{"tenant[organization_id]": "acme-id"}]
    assert powerbi.rows(beta, "EVALUATE tenant") == [{"tenant[organization_id]": "beta-id"}]


def test_a_dataset_that_points_elsewhere_answers_from_there(powerbi: Any) -> None:
    acme, beta = powerbi.tenant("acme-id", "Acme"), powerbi.tenant("beta-id", "Beta")
    beta.dataset = powerbi.dataset(beta.reports, acme.server, acme.database, "Wrong")
    beta.server, beta.database = acme.server, acme.database
    powerbi.bind(beta)
    powerbi.refresh(beta)
    assert powerbi.rows(beta, "EVALUATE 'tenant'") == [{"tenant[organization_id]": "acme-id"}]


def test_the_datasources_are_those_of_the_definition(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    path = f"/groups/{tenant.reports}/datasets/{tenant.dataset}/datasources"
    shown = powerbi.call("GET", path).json()["value"][0]
    assert shown["datasourceType"] == "Sql"
    assert shown["connectionDetails"] == {"server": tenant.server, "database": tenant.database}
    connection = powerbi.bind(tenant)
    assert powerbi.call("GET", path).json()["value"][0]["datasourceId"] == connection


def test_an_unbound_dataset_fails_to_refresh_and_to_answer(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    failed = powerbi.refresh(tenant)
    assert failed["status"] == "Failed"
    assert json.loads(failed["serviceExceptionJson"]) == {"errorCode": "ModelRefreshFailed_CredentialsNotSpecified"}
    refused = powerbi.query(tenant, COUNT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "DatasetExecuteQueriesError")


def test_wrong_credentials_show_when_the_dataset_is_refreshed(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    powerbi.bind(tenant, secret="wrong")
    assert "credentials" in json.loads(powerbi.refresh(tenant)["serviceExceptionJson"])["errorDescription"]


def test_a_refresh_fails_when_the_connection_is_gone(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    powerbi.fabric.delete(f"/v1/connections/{powerbi.bind(tenant)}").raise_for_status()
    assert powerbi.refresh(tenant)["status"] == "Failed"


def test_a_refresh_fails_while_sql_does_not_see_the_tables(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    bare = powerbi.made(f"/workspaces/{tenant.data}/lakehouses", {"displayName": "bare"})
    shown = powerbi.fabric.get(f"/v1/workspaces/{tenant.data}/lakehouses/{bare['id']}").json()
    endpoint = shown["properties"]["sqlEndpointProperties"]
    powerbi.fill(bare["id"], "acme-id")
    tenant.database = endpoint["id"]
    tenant.dataset = powerbi.dataset(tenant.reports, tenant.server, tenant.database, "Bare")
    powerbi.bind(tenant)
    said = json.loads(powerbi.refresh(tenant)["serviceExceptionJson"])
    assert "The key didn't match any rows in the table" in said["errorDescription"]


def test_a_refresh_runs_for_a_while_and_alone(powerbi: Any, slow: Any) -> None:
    slow.off()
    tenant = powerbi.tenant()
    powerbi.bind(tenant)
    slow.on()
    path = f"/groups/{tenant.reports}/datasets/{tenant.dataset}/refreshes"
    begun = powerbi.call("POST", path, {"notifyOption": "NoNotification"})
    assert (begun.status_code, begun.headers["Location"].endswith(begun.headers["x-ms-request-id"])) == (202, True)
    assert powerbi.call("GET", path).json()["value"][0]["status"] == "Unknown"
    detail = powerbi.http.get(begun.headers["Location"])
    assert (detail.status_code, detail.json()["extendedStatus"]) == (202, "InProgress")
    assert powerbi.call("POST", path, {"notifyOption": "NoNotification"}).status_code == 400
    slow()
    detail = powerbi.http.get(begun.headers["Location"])
    assert (detail.status_code, detail.json()["extendedStatus"]) == (200, "Completed")


def test_a_new_datasets_sources_are_told_after_a_while(powerbi: Any, pbix: Any, slow: Any) -> None:
    group = powerbi.group()
    begun = powerbi.upload(group, pbix()).json()["id"]
    slow()
    dataset = powerbi.call("GET", f"/groups/{group}/imports/{begun}").json()["datasets"][0]["id"]
    path = f"/groups/{group}/datasets/{dataset}/datasources"
    assert powerbi.call("GET", path).json()["value"] == []
    slow()
    assert len(powerbi.call("GET", path).json()["value"]) == 1


@pytest.mark.parametrize(
    ("dax", "rows"),
    [
        ("EVALUATE ROW(\"n\", COUNTROWS('tenant'))", [{"[n]": 1}]),
        ('EVALUATE ROW("n", COUNTROWS(learners))', [{"[n]": None}]),
        (
            'EVALUATE ROW("n", COUNTROWS(learners) + 0, "id", MAX(tenant[organization_id]))',
            [{"[n]": 0, "[id]": "acme-id"}],
        ),
        ('EVALUATE FILTER(learners, learners[full_name] = "Ann")', []),
        ('EVALUATE ROW("n", COALESCE(COUNTROWS(learners), 7))', [{"[n]": 7}]),
        ("EVALUATE TOPN(1, 'tenant')", [{"tenant[organization_id]": "acme-id"}]),
        ("EVALUATE VALUES('tenant'[organization_id])", [{"tenant[organization_id]": "acme-id"}]),
        ("EVALUATE FILTER('tenant', 'tenant'[organization_id] <> \"acme-id\")", []),
        (
            'EVALUATE SELECTCOLUMNS(tenant, "id", tenant[organization_id]) ORDER BY tenant[organization_id]',
            [{"[id]": "acme-id"}],
        ),
        (
            "// which tenant\nEVALUATE SUMMARIZECOLUMNS(tenant[organization_id])",
            [{"tenant[organization_id]": "acme-id"}],
        ),
    ],
)
def test_a_query_is_answered(powerbi: Any, dax: str, rows: list[dict[str, object]]) -> None:
    tenant = powerbi.tenant()
    powerbi.bind(tenant)
    powerbi.refresh(tenant)
    assert powerbi.rows(tenant, dax) == rows


@pytest.mark.parametrize(
    "dax", ["EVALUATE nowhere", "EVALUATE 'tenant' WHERE", "SELECT 1", 'EVALUATE ROW("n", SUMX(tenant))', "EVALUATE"]
)
def test_a_query_that_is_not_understood_is_an_error(powerbi: Any, dax: str) -> None:
    tenant = powerbi.tenant()
    powerbi.bind(tenant)
    powerbi.refresh(tenant)
    refused = powerbi.query(tenant, dax)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "DatasetExecuteQueriesError")


def test_blanks_are_left_out_unless_they_are_asked_for(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    powerbi.bind(tenant)
    powerbi.refresh(tenant)
    body = {"queries": [{"query": 'EVALUATE ROW("n", COUNTROWS(learners))'}]}
    answered = powerbi.call("POST", f"/groups/{tenant.reports}/datasets/{tenant.dataset}/executeQueries", body).json()
    assert answered["results"][0]["tables"][0]["rows"] == [{}]


def test_more_than_120_queries_a_minute_are_throttled(powerbi: Any, simulator: Any) -> None:
    simulator.control("PATCH", "knobs/powerbi", {"limit_queries": True, "queries_per_minute": 1})
    tenant = powerbi.tenant()
    powerbi.query(tenant, COUNT)
    refused = powerbi.query(tenant, COUNT)
    assert (refused.status_code, 0 < int(refused.headers["Retry-After"]) <= 60) == (429, True)


def test_deleting_a_dataset_deletes_the_reports_that_show_it(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    brought = powerbi.imported(group, pbix())["datasets"][0]["id"]
    assert powerbi.call("DELETE", f"/groups/{group}/datasets/{brought}").status_code == 200
    assert powerbi.names(group, "reports") == []
    assert powerbi.call("DELETE", f"/groups/{group}/datasets/{brought}").status_code == 404


def test_a_push_dataset_can_be_neither_bound_nor_refreshed(powerbi: Any) -> None:
    group = powerbi.group()
    body = {"name": "Pushed", "tables": [{"name": "t", "columns": [{"name": "a", "dataType": "Int64"}]}]}
    made = powerbi.call("POST", f"/groups/{group}/datasets", body)
    path = f"/groups/{group}/datasets/{made.json()['id']}"
    assert made.status_code == 201
    assert powerbi.call("GET", f"{path}/datasources").json()["value"] == []
    assert powerbi.call("POST", f"{path}/refreshes", {"notifyOption": "NoNotification"}).status_code == 400


def test_update_datasources_is_a_post_without_credentials(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    dataset = powerbi.imported(group, pbix())["datasets"][0]["id"]
    path = f"/groups/{group}/datasets/{dataset}/Default.UpdateDatasources"
    details = {"connectionDetails": {"server": "new", "database": "db"}}
    assert powerbi.call("PATCH", path, {"updateDetails": [details]}).status_code == 405
    assert powerbi.call("POST", path, {"updateDetails": [{**details, "credentialDetails": {}}]}).status_code == 400
    kind = {"datasourceSelector": {"datasourceType": "AnalysisServices"}, **details}
    assert powerbi.call("POST", path, {"updateDetails": [kind]}).status_code == 400
    assert powerbi.call("POST", path, {"updateDetails": [details]}).status_code == 200
    shown = powerbi.call("GET", f"/groups/{group}/datasets/{dataset}/datasources").json()["value"]
    assert [entry["connectionDetails"] for entry in shown] == [{"server": "new", "database": "db"}]


def test_credentials_of_a_cloud_source_are_patched_unencrypted_and_an_access_token_lasts_an_hour(
    powerbi: Any, simulator: Any, tokens: Any
) -> None:
    tenant = powerbi.tenant()
    source = powerbi.call("GET", f"/groups/{tenant.reports}/datasets/{tenant.dataset}/datasources").json()["value"][0]
    path = f"/gateways/{source['gatewayId']}/datasources/{source['datasourceId']}"
    secret = {"credentialData": [{"name": "accessToken", "value": tokens("powerbi")}]}
    details = {
        "credentialType": "OAuth2",
        "credentials": json.dumps(secret),
        "encryptedConnection": "Encrypted",
        "encryptionAlgorithm": "RSA-OAEP",
        "privacyLevel": "Organizational",
    }
    refused = powerbi.call("PATCH", path, {"credentialDetails": details})
    assert refused.json()["error"]["code"] == "DMTS_EncryptionAlgorithmNotSupported"
    powerbi.call("PATCH", path, {"credentialDetails": {**details, "encryptionAlgorithm": "None"}}).raise_for_status()
    assert powerbi.refresh(tenant)["status"] == "Completed"
    simulator.control("POST", "clock", {"advance": 3700})
    entra = simulator.world.entra
    fresh, _ = entra.issue(entra.client(CLIENT_ID), POWERBI_AUDIENCE, "https://sts.windows.net/")
    powerbi.http.headers["Authorization"] = f"Bearer {fresh}"
    assert powerbi.refresh(tenant)["status"] == "Failed"


PARAMETERS = """expression Server = "old" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]

expression Base = "old" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]

expression DatabaseQuery = Sql.Database(Server, Base)
"""


def parameterised(powerbi: Any, group: str) -> str:
    texts = {
        "definition.pbism": "{}",
        "definition/model.tmdl": "model Model",
        "definition/expressions.tmdl": PARAMETERS,
        "definition/tables/tenant.tmdl": (
            "table tenant\n\n\tcolumn organization_id\n\n\tpartition tenant = m\n\t\tmode: import\n"
            '\t\tsource = DatabaseQuery{[Schema="dbo",Item="tenant"]}[Data]\n'
        ),
    }
    parts = [
        {"path": path, "payload": base64.b64encode(text.encode()).decode(), "payloadType": "InlineBase64"}
        for path, text in texts.items()
    ]
    return str(
        powerbi.made(f"/workspaces/{group}/semanticModels", {"displayName": "P", "definition": {"parts": parts}})["id"]
    )


def test_parameters_lead_a_dataset_to_another_database(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    tenant.dataset = parameterised(powerbi, tenant.reports)
    path = f"/groups/{tenant.reports}/datasets/{tenant.dataset}"
    assert {entry["name"] for entry in powerbi.call("GET", f"{path}/parameters").json()["value"]} == {"Server", "Base"}
    unknown = {"updateDetails": [{"name": "server", "newValue": "x"}]}
    assert powerbi.call("POST", f"{path}/Default.UpdateParameters", unknown).status_code == 400
    values = {
        "updateDetails": [{"name": "Server", "newValue": tenant.server}, {"name": "Base", "newValue": tenant.database}]
    }
    powerbi.call("POST", f"{path}/Default.UpdateParameters", values).raise_for_status()
    powerbi.bind(tenant)
    assert powerbi.refresh(tenant)["status"] == "Completed"
    assert powerbi.rows(tenant, "EVALUATE tenant") == [{"tenant[organization_id]": "acme-id"}]


def test_a_connection_is_bound_the_older_way_too(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    path = f"/groups/{tenant.reports}/datasets/{tenant.dataset}"
    connection = powerbi.bind(tenant)
    gateway = powerbi.call("GET", f"{path}/datasources").json()["value"][0]["gatewayId"]
    body = {"gatewayObjectId": gateway, "datasourceObjectIds": [connection]}
    assert powerbi.call("POST", f"{path}/Default.BindToGateway", body).status_code == 200
    bound = powerbi.call("GET", f"{path}/Default.GetBoundGatewayDatasources").json()["value"]
    assert [entry["id"] for entry in bound] == [connection]
    unknown = {**body, "datasourceObjectIds": ["99999999-9999-4999-8999-999999999999"]}
    assert powerbi.call("POST", f"{path}/Default.BindToGateway", unknown).status_code == 404


def test_only_the_owner_updates_a_dataset_and_taking_it_over_forgets_its_credentials(powerbi: Any) -> None:
    tenant = powerbi.tenant()
    powerbi.bind(tenant)
    profile = powerbi.call("POST", "/profiles", {"displayName": "Acme"}).json()["id"]
    right = {
        "identifier": CLIENT_ID,
        "principalType": "App",
        "groupUserAccessRight": "Admin",
        "profile": {"id": profile},
    }
    powerbi.call("POST", f"/groups/{tenant.reports}/users", right).raise_for_status()
    path, as_profile = f"/groups/{tenant.reports}/datasets/{tenant.dataset}", {"X-PowerBI-Profile-Id": profile}
    body = {"updateDetails": [{"connectionDetails": {"server": "x", "database": "y"}}]}
    refused = powerbi.call("POST", f"{path}/Default.UpdateDatasources", body, headers=as_profile)
    assert refused.status_code == 403
    powerbi.call("POST", f"{path}/Default.TakeOver", headers=as_profile).raise_for_status()
    assert powerbi.call("POST", f"{path}/Default.UpdateDatasources", body, headers=as_profile).status_code == 200
    assert powerbi.refresh(tenant)["status"] == "Failed"
