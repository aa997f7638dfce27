"""The calls of the original design, made as it says, row by row of its comparison with the real APIs.

Each is refused in the vendor's words, or is taken and does the harm that it does in reality. The rows that make no
call to a vendor are named at the end, with the reason.
"""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric.state import Principal
from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    DOMAIN,
    GODADDY_KEY,
    GODADDY_SECRET,
    SUPABASE_ANON_KEY,
    SUPABASE_SERVICE_KEY,
    TENANT_ID,
    VERCEL_PROJECT,
    VERCEL_TOKEN,
)

ROWS_WITHOUT_A_CALL = {
    21: "SQL text put together from strings: the database is ours, not a vendor's, and `rpc` is not simulated",
    26: "going live and the welcome mail before QA: an order of our own steps, which no vendor knows of",
}
REPORTS = 42
SERVER = (
    "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/training-platform"
    "/providers/Microsoft.Sql/servers/training-platform-sql"
)


@dataclass
class PowerBI:
    """The original design's calls to Power BI."""

    http: httpx.Client

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """The raw answer to a call below /v1.0/myorg."""
        return self.http.request(method, f"/v1.0/myorg{path}", **({} if body is None else {"json": body}), **more)

    def group(self, name: str = "Acme Training Workspace", *, on_capacity: bool = True) -> str:
        """The id of a new group."""
        made = str(self.call("POST", "/groups", {"name": name}).raise_for_status().json()["id"])
        if on_capacity:
            self.call("POST", f"/groups/{made}/AssignToCapacity", {"capacityId": CAPACITY_ID}).raise_for_status()
        return made

    def upload(self, group: str, name: str, content: bytes, **options: str) -> httpx.Response:
        """The raw answer to an import of a file."""
        params = {"datasetDisplayName": name, **options}
        return self.call("POST", f"/groups/{group}/imports", params=params, files={"file": ("r.pbix", content)})

    def imported(self, group: str, name: str, content: bytes, **options: str) -> dict[str, Any]:
        """An import as it ended."""
        begun = self.upload(group, name, content, **options).raise_for_status().json()["id"]
        return dict(self.call("GET", f"/groups/{group}/imports/{begun}").raise_for_status().json())

    def names(self, group: str, what: str) -> list[str]:
        """The names of a group's datasets or reports."""
        return [one["name"] for one in self.call("GET", f"/groups/{group}/{what}").json()["value"]]


@pytest.fixture
def powerbi(signed_in: Any) -> PowerBI:
    """The design's one service principal at Power BI."""
    return PowerBI(signed_in("powerbi"))


@pytest.fixture
def fabric(signed_in: Any) -> httpx.Client:
    """The same at Fabric."""
    return signed_in("fabric")  # type: ignore[no-any-return]


@pytest.fixture
def godaddy(http: httpx.Client) -> httpx.Client:
    """The account's key at GoDaddy."""
    http.headers["Authorization"] = f"sso-key {GODADDY_KEY}:{GODADDY_SECRET}"
    return http


@pytest.fixture
def auth(http: httpx.Client) -> Any:
    """Calls of Supabase Auth with a key of the project."""

    def call(path: str, body: Any, key: str = SUPABASE_SERVICE_KEY) -> httpx.Response:
        return http.post(f"/auth/v1{path}", json=body, headers={"apikey": key, "Authorization": f"Bearer {key}"})

    return call


@pytest.fixture
def pbix() -> bytes:
    """A file as Power BI Desktop saves it: a report with the model that it was made on."""
    source = 'let S = Sql.Database("template", "template"), D = S{[Schema="dbo",Item="tenant"]}[Data] in D'
    partition = {"name": "tenant", "mode": "import", "source": {"type": "m", "expression": source}}
    table = {"name": "tenant", "columns": [{"name": "organization_id"}], "partitions": [partition]}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("Version", "1.28".encode("utf-16-le"))
        archive.writestr("Report/Layout", json.dumps({"sections": []}).encode("utf-16-le"))
        archive.writestr("DataModelSchema", json.dumps({"model": {"tables": [table]}}).encode("utf-16-le"))
    return whole.getvalue()


def zone(godaddy: httpx.Client) -> set[tuple[str, str, str]]:
    """Type, name and data of every record of our domain."""
    found = godaddy.get(f"/v1/domains/{DOMAIN}/records").raise_for_status().json()
    return {(record["type"], record["name"], record["data"]) for record in found}


def code(answer: httpx.Response) -> str:
    """The error code of a Power BI answer."""
    return str(answer.json()["error"]["code"])


# GoDaddy and Vercel


def test_row_01_posting_a_record_is_not_a_method_and_the_whole_zone_is_what_a_put_replaces(godaddy: Any) -> None:
    record = {"type": "CNAME", "name": "acme", "data": "your-vercel-app.vercel.app", "ttl": 600}
    before = zone(godaddy)

    refused = godaddy.post(f"/v1/domains/{DOMAIN}/records/A/@", json=[record])
    assert (refused.status_code, refused.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert zone(godaddy) == before

    godaddy.put(f"/v1/domains/{DOMAIN}/records", json=[record]).raise_for_status()
    kept = zone(godaddy)
    assert ("CNAME", "acme", "your-vercel-app.vercel.app") in kept
    assert {kind for kind, _, _ in before - kept} >= {"A"}  # the site itself is gone


def test_row_02_a_cname_alone_does_not_make_a_host_live(godaddy: Any) -> None:
    body = [{"data": "your-vercel-app.vercel.app", "ttl": 600}]
    godaddy.put(f"/v1/domains/{DOMAIN}/records/CNAME/acme", json=body).raise_for_status()
    vercel = {"Authorization": f"Bearer {VERCEL_TOKEN}"}
    host = f"acme.{DOMAIN}"

    unknown = godaddy.get(f"/v9/projects/{VERCEL_PROJECT}/domains/{host}", headers=vercel)
    config = godaddy.get(f"/v6/domains/{host}/config", headers=vercel).json()

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert config["misconfigured"]
    assert "your-vercel-app.vercel.app." not in {target["value"] for target in config["recommendedCNAME"]}


def test_row_03_the_key_opens_neither_version_3_nor_a_small_account(godaddy: Any, simulator: Any) -> None:
    assert godaddy.get(f"/v3/domains/zones/{DOMAIN}/dns-records").status_code == 401

    simulator.control("PATCH", "knobs/godaddy", {"account_may_use_dns_api": False})
    denied = godaddy.get(f"/v1/domains/{DOMAIN}/records")

    assert (denied.status_code, denied.json()["code"]) == (403, "ACCESS_DENIED")


# Fabric and Azure SQL


def test_row_04_a_lakehouse_takes_no_schema(fabric: httpx.Client, powerbi: PowerBI) -> None:
    body = {"displayName": "acme", "schema": {"tables": ["learners"]}}

    refused = fabric.post(f"/v1/workspaces/{powerbi.group()}/lakehouses", json=body)

    assert (refused.status_code, refused.headers["x-ms-public-api-error-code"]) == (400, "InvalidInput")
    assert "schema" in refused.json()["message"]


def test_row_05_a_lakehouse_that_was_answered_has_no_sql_endpoint_yet(
    fabric: httpx.Client, powerbi: PowerBI, simulator: Any
) -> None:
    home = f"/v1/workspaces/{powerbi.group()}/lakehouses"
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 1.0})
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.01})
    made = fabric.post(home, json={"displayName": "acme"}).raise_for_status()
    assert made.status_code == 201

    endpoint = fabric.get(f"{home}/{made.json()['id']}").json()["properties"]["sqlEndpointProperties"]

    assert endpoint == {"id": None, "connectionString": None, "provisioningStatus": "InProgress"}


def test_row_06_a_database_is_not_posted(signed_in: Any) -> None:
    arm = signed_in("arm")

    posted = arm.post(f"{SERVER}/databases/acme_training?api-version=2025-01-01")
    unversioned = arm.put(f"{SERVER}/databases/acme_training", json={})
    homeless = arm.put(f"{SERVER}/databases/acme_training?api-version=2025-01-01", json={"properties": {}})

    assert posted.status_code == 405
    assert (unversioned.status_code, code(unversioned)) == (400, "MissingApiVersionParameter")
    assert homeless.status_code == 400


def test_row_07_two_workspaces_of_one_name_are_one_too_many(fabric: httpx.Client, powerbi: PowerBI) -> None:
    name = "Acme Training Workspace"
    made = fabric.post("/v1/workspaces", json={"displayName": name}).raise_for_status().json()["id"]

    refused = powerbi.call("POST", "/groups", {"name": name})

    assert (refused.status_code, code(refused)) == (400, "PowerBIEntityAlreadyExists")
    assert fabric.post("/v1/workspaces", json={"displayName": name}).json()["errorCode"] == "WorkspaceNameAlreadyExists"
    assert powerbi.call("GET", f"/groups/{made}").json()["name"] == name  # it is one and the same object


def test_row_08_two_workspaces_a_tenant_end_at_five_hundred_tenants(fabric: httpx.Client, simulator: Any) -> None:
    owner = Principal(object_id_of(CLIENT_ID)).grant()
    for number in range(499):  # the template's workspace is one of the thousand
        for kind in ("data", "reports"):
            simulator.world.fabric.workspaces.create(owner, f"Tenant {number} {kind}", "", CAPACITY_ID)

    last, refused = (
        fabric.post("/v1/workspaces", json={"displayName": f"Tenant 499 {kind}"}) for kind in ("data", "reports")
    )

    assert last.status_code == 201
    assert refused.json()["errorCode"] == "PrincipalWorkspaceLimitExceeded"


def test_row_09_a_workspace_without_capacity_can_do_little(fabric: httpx.Client, powerbi: PowerBI, pbix: bytes) -> None:
    group = powerbi.group(on_capacity=False)
    dataset = powerbi.imported(group, "Progress", pbix)["datasets"][0]["id"]

    assert powerbi.call("GET", f"/groups/{group}").json()["isOnDedicatedCapacity"] is False
    lakehouse = fabric.post(f"/v1/workspaces/{group}/lakehouses", json={"displayName": "acme"})
    enhanced = powerbi.call("POST", f"/groups/{group}/datasets/{dataset}/refreshes", {"type": "Full"})
    large = powerbi.call("POST", f"/groups/{group}/imports/createTemporaryUploadLocation")
    assert lakehouse.json()["errorCode"] == "UnsupportedCapacitySKU"
    assert (enhanced.status_code, large.status_code) == (400, 400)


# Power BI datasets


@pytest.fixture
def imported_dataset(powerbi: PowerBI, pbix: bytes) -> str:
    """The path of a dataset that a file brought."""
    group = powerbi.group()
    return f"/groups/{group}/datasets/{powerbi.imported(group, 'Progress', pbix)['datasets'][0]['id']}"


def update_of(kind: str = "Sql", **more: Any) -> dict[str, Any]:
    """The design's body for the update of a data source."""
    place = {"server": "api.fabric.microsoft.com", "database": "the-workspace-id"}
    old = {"datasourceType": kind, "connectionDetails": {"server": "template", "database": "template"}}
    return {"updateDetails": [{"datasourceSelector": old, "connectionDetails": place, **more}]}


def test_row_10_a_posted_dataset_can_be_neither_bound_nor_refreshed(powerbi: PowerBI) -> None:
    group = powerbi.group()
    table = {"name": "learners", "columns": [{"name": "id", "dataType": "string"}]}
    made = powerbi.call("POST", f"/groups/{group}/datasets", {"name": "Acme", "tables": [table]})
    path = f"/groups/{group}/datasets/{made.json()['id']}"

    shown = powerbi.call("GET", path).json()
    refreshed = powerbi.call("POST", f"{path}/refreshes", {"notifyOption": "NoNotification"})
    assert (shown["addRowsAPIEnabled"], shown["isRefreshable"]) == (True, False)
    assert powerbi.call("GET", f"{path}/datasources").json()["value"] == []
    assert (refreshed.status_code, code(refreshed)) == (400, "InvalidRequest")
    assert powerbi.call("POST", f"{path}/Default.UpdateDatasources", update_of()).status_code == 404
    wide = [{"name": f"c{n}", "dataType": "string"} for n in range(76)]
    too_wide = {"name": "Wide", "tables": [{"name": "t", "columns": wide}]}
    assert powerbi.call("POST", f"/groups/{group}/datasets", too_wide).status_code == 400


def test_row_11_data_sources_are_not_patched(powerbi: PowerBI, imported_dataset: str) -> None:
    refused = powerbi.call("PATCH", f"{imported_dataset}/Default.UpdateDatasources", update_of())

    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_row_12_a_sql_source_is_not_turned_into_analysis_services(powerbi: PowerBI, imported_dataset: str) -> None:
    path = f"{imported_dataset}/Default.UpdateDatasources"

    refused = powerbi.call("POST", path, update_of("AnalysisServices"))
    assert (refused.status_code, code(refused)) == (400, "DMTS_UpdatingDatasourceTypeNotSupportedError")

    # and the place itself leads nowhere: the refresh finds no such server
    powerbi.call("POST", path, update_of()).raise_for_status()
    powerbi.call("POST", f"{imported_dataset}/refreshes", {"notifyOption": "NoNotification"}).raise_for_status()
    assert powerbi.call("GET", f"{imported_dataset}/refreshes").json()["value"][0]["status"] == "Failed"


def test_row_13_credentials_have_no_place_in_an_update_of_data_sources(powerbi: PowerBI, imported_dataset: str) -> None:
    body = update_of(credentialDetails={"credentialType": "OAuth2"})

    refused = powerbi.call("POST", f"{imported_dataset}/Default.UpdateDatasources", body)

    assert (refused.status_code, code(refused)) == (400, "BadRequest")
    assert "credentialDetails" in refused.json()["error"]["message"]


def test_row_14_credentials_of_a_cloud_source_are_not_encrypted_and_not_left_out(
    powerbi: PowerBI, imported_dataset: str, tokens: Any, simulator: Any
) -> None:
    source = powerbi.call("GET", f"{imported_dataset}/datasources").json()["value"][0]
    path = f"/gateways/{source['gatewayId']}/datasources/{source['datasourceId']}"
    design = {
        "credentialType": "OAuth2",
        "encryptedConnection": "Encrypted",
        "encryptionAlgorithm": "RSA-OAEP",
        "privacyLevel": "Organizational",
    }

    without = powerbi.call("PATCH", path, {"credentialDetails": design})
    token = json.dumps({"credentialData": [{"name": "accessToken", "value": tokens("powerbi")}]})
    encrypted = powerbi.call("PATCH", path, {"credentialDetails": {**design, "credentials": token}})
    taken = {"credentialDetails": {**design, "credentials": token, "encryptionAlgorithm": "None"}}

    assert "credentials" in without.json()["error"]["message"]
    assert (encrypted.status_code, code(encrypted)) == (400, "DMTS_EncryptionAlgorithmNotSupported")
    powerbi.call("PATCH", path, taken).raise_for_status()
    # the token is good for an hour and nothing renews it
    assert "template;template" in refreshed_reason(powerbi, imported_dataset)
    simulator.control("POST", "clock", {"advance": 3700})
    powerbi.http.headers["Authorization"] = f"Bearer {fresh_token(simulator)}"
    assert "credentials provided" in refreshed_reason(powerbi, imported_dataset)


def refreshed_reason(powerbi: PowerBI, dataset: str) -> str:
    """Why a refresh of the dataset failed."""
    powerbi.call("POST", f"{dataset}/refreshes", {"notifyOption": "NoNotification"}).raise_for_status()
    return str(powerbi.call("GET", f"{dataset}/refreshes").json()["value"][0]["serviceExceptionJson"])


def fresh_token(simulator: Any) -> str:
    """A token that is valid by the world's clock."""
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "https://analysis.windows.net/powerbi/api/.default",
    }
    return str(simulator.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data=form).json()["access_token"])


# Power BI imports


def test_row_15_an_import_with_its_options_in_json_is_refused(powerbi: PowerBI) -> None:
    group = powerbi.group()
    body = {"datasetDisplayName": "Acme Training Dataset", "nameConflict": "CreateOrOverwrite"}

    refused = powerbi.call("POST", f"/groups/{group}/imports", body)

    assert (refused.status_code, code(refused)) == (400, "BadRequest")
    assert "datasetDisplayName" in refused.json()["error"]["message"]
    assert powerbi.call("GET", f"/groups/{group}/imports").json()["value"] == []


def test_row_16_one_name_for_every_import_piles_up_datasets_of_that_name(powerbi: PowerBI, pbix: bytes) -> None:
    group = powerbi.group()

    for _ in range(REPORTS):
        powerbi.imported(group, "Acme Training Dataset", pbix)

    assert powerbi.names(group, "datasets") == ["Acme Training Dataset"] * REPORTS
    mended = powerbi.upload(group, "Acme Training Dataset", pbix, nameConflict="CreateOrOverwrite")
    assert (mended.status_code, code(mended)) == (409, "MoreThanOneDuplicatePackageFoundError")


def test_row_17_an_import_whose_id_was_not_read_is_never_found(powerbi: PowerBI) -> None:
    refused = powerbi.call("GET", f"/groups/{powerbi.group()}/imports/undefined")

    assert (refused.status_code, code(refused)) == (404, "ImportNotFoundError")


def test_row_18_an_import_may_never_end_or_end_without_a_report(powerbi: PowerBI, pbix: bytes, simulator: Any) -> None:
    group = powerbi.group()
    simulator.add_fault("powerbi", "import_stuck", operation="import", match={"name": "Stuck"})

    failed = powerbi.imported(group, "Broken", b"no package at all")
    stuck = powerbi.upload(group, "Stuck", pbix).json()["id"]
    simulator.control("POST", "clock", {"advance": 3000})

    assert (failed["importState"], failed["reports"]) == ("Failed", [])
    assert powerbi.call("GET", f"/groups/{group}/imports/{stuck}").json()["importState"] == "Publishing"


def test_row_19_importing_and_rebinding_leaves_a_dataset_behind_for_every_report(powerbi: PowerBI, pbix: bytes) -> None:
    group = powerbi.group()
    shared = powerbi.imported(group, "Acme Training Dataset", pbix, skipReport="true")["datasets"][0]["id"]

    for number in range(REPORTS):
        report = powerbi.imported(group, f"Report {number}", pbix)["reports"][0]["id"]
        powerbi.call("POST", f"/groups/{group}/reports/{report}/Rebind", {"datasetId": shared}).raise_for_status()

    reports = powerbi.call("GET", f"/groups/{group}/reports").json()["value"]
    datasets = powerbi.call("GET", f"/groups/{group}/datasets").json()["value"]
    assert {report["datasetId"] for report in reports} == {shared}
    assert len([dataset for dataset in datasets if dataset["id"] != shared]) == REPORTS


def test_row_20_a_run_that_stops_at_the_first_error_doubles_its_reports_when_it_is_repeated(
    powerbi: PowerBI, pbix: bytes, simulator: Any
) -> None:
    group = powerbi.group()
    simulator.add_fault("powerbi", "throttle", operation="import", match={"name": "Report 2"}, times=1)

    def run() -> None:
        for number in range(4):
            if powerbi.upload(group, f"Report {number}", pbix).is_error:
                return

    run()
    assert powerbi.names(group, "reports") == ["Report 0", "Report 1"]
    run()
    assert sorted(powerbi.names(group, "reports")) == ["Report 0"] * 2 + ["Report 1"] * 2 + ["Report 2", "Report 3"]


# Supabase


def test_row_22_a_user_that_is_there_is_refused_and_what_is_created_is_no_bare_id(auth: Any) -> None:
    body = {"email": "ada@acme.example", "email_confirm": True}
    assert auth("/admin/users", body).json()["id"]

    refused = auth("/admin/users", body)

    assert (refused.status_code, refused.json()["error_code"]) == (422, "email_exists")
    assert "id" not in refused.json()  # what the design would have gone on with


def test_row_23_a_password_that_was_only_mailed_does_not_sign_in(auth: Any) -> None:
    auth("/admin/users", {"email": "ada@acme.example", "email_confirm": True}).raise_for_status()
    temporary = {"email": "ada@acme.example", "password": "Temp-Pass-1234"}

    refused = auth("/token?grant_type=password", temporary, SUPABASE_ANON_KEY)

    assert (refused.status_code, refused.json()["error_code"]) == (400, "invalid_credentials")


def test_row_24_the_organization_is_no_claim_of_its_own_and_users_may_write_what_is_theirs(
    auth: Any, http: httpx.Client
) -> None:
    organization = {"organization_id": "9d0f3f60-0000-4000-8000-000000000001"}
    person = {"email": "ada@acme.example", "password": "correct horse"}
    body = {**person, "email_confirm": True, "user_metadata": organization, "app_metadata": organization}
    auth("/admin/users", body).raise_for_status()
    session = auth("/token?grant_type=password", person, SUPABASE_ANON_KEY).json()
    headers = {"apikey": SUPABASE_ANON_KEY, "Authorization": f"Bearer {session['access_token']}"}

    changed = {"data": {"organization_id": "another-tenant"}}
    http.put("/auth/v1/user", json=changed, headers=headers).raise_for_status()
    renewed = auth("/token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]}, SUPABASE_ANON_KEY)

    claims = jwt.decode(renewed.json()["access_token"], options={"verify_signature": False})
    assert "organization_id" not in claims
    assert claims["user_metadata"]["organization_id"] == "another-tenant"
    assert claims["app_metadata"]["organization_id"] == organization["organization_id"]


# secrets and undoing


def test_row_25_a_connection_string_of_fabric_is_a_host_and_no_secret(fabric: httpx.Client, powerbi: PowerBI) -> None:
    home = f"/v1/workspaces/{powerbi.group()}/lakehouses"
    made = fabric.post(home, json={"displayName": "acme"}).raise_for_status().json()["id"]

    endpoint = fabric.get(f"{home}/{made}").json()["properties"]["sqlEndpointProperties"]

    assert re.fullmatch(r"[a-z0-9.-]+\.datawarehouse\.fabric\.microsoft\.com", endpoint["connectionString"])


def test_row_27_deleting_is_not_undoing(
    fabric: httpx.Client, powerbi: PowerBI, signed_in: Any, simulator: Any, connection: dict[str, Any]
) -> None:
    group = powerbi.group()
    vault = signed_in("key_vault")
    vault.params = {"api-version": "2026-04-01"}
    made = fabric.post("/v1/connections", json=connection).raise_for_status().json()["id"]
    vault.put("/secrets/acme-sql", json={"value": "one"}).raise_for_status()
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.01})
    home = f"/v1/workspaces/{group}/items"
    notebook = {"displayName": "Load", "type": "Notebook"}
    simulator.control("PATCH", "knobs/fabric", {"created_at_once": 1.0})
    item = fabric.post(home, json=notebook).raise_for_status().json()["id"]

    fabric.delete(f"{home}/{item}").raise_for_status()
    reserved = fabric.post(home, json=notebook)
    powerbi.call("DELETE", f"/groups/{group}").raise_for_status()
    vault.delete("/secrets/acme-sql").raise_for_status()
    blocked = vault.put("/secrets/acme-sql", json={"value": "two"})

    assert (reserved.status_code, reserved.json()["errorCode"]) == (400, "ItemDisplayNameNotAvailableYet")
    assert fabric.get(f"/v1/connections/{made}").status_code == 200
    assert blocked.status_code == 409


@pytest.fixture
def connection() -> dict[str, Any]:
    """The body of a new connection of our service principal."""
    place = {"server": "acme.datawarehouse.fabric.microsoft.com", "database": "acme"}
    credentials = {
        "credentialType": "ServicePrincipal",
        "tenantId": TENANT_ID,
        "servicePrincipalClientId": CLIENT_ID,
        "servicePrincipalSecret": CLIENT_SECRET,
    }
    return {
        "connectivityType": "ShareableCloud",
        "displayName": "acme",
        "connectionDetails": {
            "type": "SQL",
            "creationMethod": "SQL",
            "parameters": [{"dataType": "Text", "name": name, "value": value} for name, value in place.items()],
        },
        "credentialDetails": {
            "singleSignOnType": "None",
            "connectionEncryption": "Encrypted",
            "skipTestConnection": True,
            "credentials": credentials,
        },
    }


def test_every_row_is_tested_or_named_as_one_without_a_call() -> None:
    tested = {int(found.group(1)) for name in globals() if (found := re.match(r"test_row_(\d\d)_", name))}

    assert tested | set(ROWS_WITHOUT_A_CALL) == set(range(1, 28))
    assert not tested & set(ROWS_WITHOUT_A_CALL)
