"""Warehouses and SQL databases at the simulated Fabric."""

import io
import zipfile
from typing import Any

import pytest

MODEL = """<DataSchemaModel><Model>
<Element Type="SqlTable" Name="[dbo].[tenant]"><Relationship><Entry>
<Element Type="SqlSimpleColumn" Name="[dbo].[tenant].[organization_id]"/></Entry></Relationship></Element>
<Element Type="SqlTable" Name="[dbo].[learners]"><Relationship><Entry>
<Element Type="SqlSimpleColumn" Name="[dbo].[learners].[id]"/></Entry></Relationship></Element>
</Model></DataSchemaModel>"""
SCRIPT = "INSERT INTO [dbo].[tenant] ([organization_id]) VALUES (N'acme-id');"


def dacpac() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("model.xml", MODEL)
        archive.writestr("postdeploy.sql", SCRIPT)
    return whole.getvalue()


def tables_of(simulator: Any, item: str) -> Any:
    held = (
        found
        for workspace in simulator.control("GET", "snapshot")["fabric"]["workspaces"]
        for found in workspace["items"]
    )
    return next(found["tables"] for found in held if found["id"] == item)


def test_a_warehouse_tells_its_sql_address_and_its_collation(fabric: Any) -> None:
    path = f"/workspaces/{fabric.workspace()}/warehouses"
    collation = "Latin1_General_100_CI_AS_KS_WS_SC_UTF8"
    made = fabric.outcome(
        fabric.call("POST", path, {"displayName": "wh", "creationPayload": {"collationType": collation}})
    )
    shown = fabric.call("GET", f"{path}/{made['id']}").json()["properties"]
    assert shown["connectionString"].endswith(".datawarehouse.fabric.microsoft.com")
    assert shown["collationType"] == collation
    assert (
        fabric.call("GET", f"{path}/{made['id']}/connectionString").json()["connectionString"]
        == shown["connectionString"]
    )


def test_a_warehouse_takes_no_definition(fabric: Any, part: Any) -> None:
    workspace = fabric.workspace()
    definition = {"definition": {"parts": [part("x.sql", "CREATE TABLE t (a int)")]}}
    refused = fabric.call("POST", f"/workspaces/{workspace}/warehouses", {"displayName": "wh", **definition})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "InvalidInput")
    refused = fabric.call(
        "POST", f"/workspaces/{workspace}/items", {"displayName": "wh", "type": "Warehouse", **definition}
    )
    assert refused.json()["errorCode"] == "OperationNotSupportedForItem"


def test_a_sql_database_is_made_with_the_schema_of_its_dacpac(fabric: Any, part: Any, simulator: Any) -> None:
    path = f"/workspaces/{fabric.workspace()}/sqlDatabases"
    definition = {"format": "dacpac", "parts": [part("template.dacpac", dacpac())]}
    made = fabric.outcome(fabric.call("POST", path, {"displayName": "db", "definition": definition}))
    shown = fabric.call("GET", f"{path}/{made['id']}").json()["properties"]
    assert shown["databaseName"] == f"db-{made['id']}"
    assert shown["serverFqdn"].endswith(".database.fabric.microsoft.com,1433")
    assert tables_of(simulator, made["id"]) == {"tenant": 1, "learners": 0}


def test_a_sql_database_is_made_from_a_projects_scripts(fabric: Any, part: Any, simulator: Any) -> None:
    columns = "[organization_id] NVARCHAR(36) NOT NULL, CONSTRAINT pk PRIMARY KEY (organization_id)"
    script = f"CREATE TABLE [dbo].[tenant] ({columns});\nGO"
    definition = {"format": "sqlproj", "parts": [part("db.sqlproj", "<Project/>"), part("tenant.sql", script)]}
    path = f"/workspaces/{fabric.workspace()}/sqlDatabases"
    made = fabric.outcome(fabric.call("POST", path, {"displayName": "db", "definition": definition}))
    assert tables_of(simulator, made["id"]) == {"tenant": 0}


@pytest.mark.parametrize(
    ("form", "payload", "code"),
    [("dacpac", b"no zip", "CorruptedPayload"), ("bacpac", b"", "InvalidDefinitionFormat")],
)
def test_a_bad_schema_makes_no_database(
    fabric: Any, part: Any, simulator: Any, form: str, payload: bytes, code: str
) -> None:
    path = f"/workspaces/{fabric.workspace()}/sqlDatabases"
    body = {"displayName": "db", "definition": {"format": form, "parts": [part("x.dacpac", payload)]}}
    for at_once in (0, 1):
        simulator.control("PATCH", "knobs/fabric", {"created_at_once": at_once})
        made = fabric.call("POST", path, body)
        said = made.json() if at_once else fabric.operation(made.headers["x-ms-operation-id"])["error"]
        assert said["errorCode"] == code
    assert fabric.call("GET", path).json()["value"] == []


def test_a_connection_finds_a_sql_database_by_its_name(fabric: Any, part: Any, connection_body: Any) -> None:
    path = f"/workspaces/{fabric.workspace()}/sqlDatabases"
    made = fabric.outcome(fabric.call("POST", path, {"displayName": "db"}))
    shown = fabric.call("GET", f"{path}/{made['id']}").json()["properties"]
    body = connection_body(shown["serverFqdn"], shown["databaseName"])
    assert fabric.call("POST", "/connections", body).status_code == 201
    other = connection_body(shown["serverFqdn"], "db", "b")
    assert fabric.call("POST", "/connections", other).status_code == 201
    missing = connection_body(shown["serverFqdn"], "nowhere", "c")
    assert fabric.call("POST", "/connections", missing).status_code == 400


@pytest.mark.parametrize(("path", "shown"), [("items", False), ("lakehouses", True)])
def test_only_the_kinds_own_create_shows_properties(fabric: Any, path: str, shown: bool) -> None:
    body = {"displayName": "lh"} | ({"type": "Lakehouse"} if path == "items" else {})
    made = fabric.call("POST", f"/workspaces/{fabric.workspace()}/{path}", body)
    assert (made.status_code, "properties" in made.json()) == (201, shown)
