"""A tenant's provisioning at the simulated Power BI over plain HTTP, with what it needs of Fabric before."""

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.world import (
    CAPACITY_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_SQL_ENDPOINT_HOST,
    TEMPLATE_SQL_ENDPOINT_ID,
    TEMPLATE_WORKSPACE_ID,
    TENANT_ID,
)


@dataclass
class Tenant:
    """A tenant's two workspaces, its lakehouse and its dataset."""

    data: str
    reports: str
    lakehouse: str
    server: str
    database: str
    dataset: str


@dataclass
class PowerBICaller:
    """Calls to Power BI, and to Fabric for what only Fabric can."""

    http: httpx.Client
    fabric: httpx.Client

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """The raw answer to a call below /v1.0/myorg."""
        return self.http.request(method, f"/v1.0/myorg{path}", **({"json": body} if body is not None else {}), **more)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        """What a create at Fabric led to."""
        answer = self.fabric.post(f"/v1{path}", json=body).raise_for_status()
        if answer.status_code == 202:
            answer = self.fabric.get(f"/v1/operations/{answer.headers['x-ms-operation-id']}/result").raise_for_status()
        return dict(answer.json())

    def group(self, name: str = "Acme reports") -> str:
        """The id of a new group on the capacity."""
        group = str(self.call("POST", "/groups?workspaceV2=true", {"name": name}).raise_for_status().json()["id"])
        self.call("POST", f"/groups/{group}/AssignToCapacity", {"capacityId": CAPACITY_ID}).raise_for_status()
        return group

    def tenant(self, organization: str = "acme-id", name: str = "Acme") -> Tenant:
        """Workspaces, a filled lakehouse that SQL sees, and a dataset on it that is neither bound nor refreshed."""
        data, reports = self.group(f"{name} data"), self.group(f"{name} reports")
        lakehouse = self.made(f"/workspaces/{data}/lakehouses", {"displayName": "lh"})
        self.fill(lakehouse["id"], organization)
        shown = self.fabric.get(f"/v1/workspaces/{data}/lakehouses/{lakehouse['id']}").json()
        endpoint = shown["properties"]["sqlEndpointProperties"]
        self.fabric.post(f"/v1/workspaces/{data}/sqlEndpoints/{endpoint['id']}/refreshMetadata").raise_for_status()
        self.fabric.get("/v1/capacities")  # what was due is done by now
        dataset = self.dataset(reports, endpoint["connectionString"], endpoint["id"], f"{name} dataset")
        return Tenant(data, reports, lakehouse["id"], endpoint["connectionString"], endpoint["id"], dataset)

    def fill(self, lakehouse: str, organization: str) -> None:
        """Run the template notebook against the lakehouse."""
        configuration = {"defaultLakehouse": {"id": lakehouse}}
        parameters = {"organization_id": {"value": organization, "type": "string"}}
        body = {"executionData": {"parameters": parameters, "configuration": configuration}}
        path = f"/v1/workspaces/{TEMPLATE_WORKSPACE_ID}/items/{TEMPLATE_NOTEBOOK_ID}/jobs/RunNotebook/instances"
        self.fabric.post(path, json=body).raise_for_status()

    def dataset(self, group: str, server: str, database: str, name: str) -> str:
        """The id of a new dataset made from the template, pointing at this data."""
        path = f"/workspaces/{TEMPLATE_WORKSPACE_ID}/semanticModels/{TEMPLATE_DATASET_ID}/getDefinition"
        parts = self.made(path, {})["definition"]["parts"]
        for part in parts:
            text = base64.b64decode(part["payload"]).decode()
            text = text.replace(TEMPLATE_SQL_ENDPOINT_HOST, server).replace(TEMPLATE_SQL_ENDPOINT_ID, database)
            part["payload"] = base64.b64encode(text.encode()).decode()
        body = {"displayName": name, "definition": {"parts": parts}}
        return str(self.made(f"/workspaces/{group}/semanticModels", body)["id"])

    def bind(self, tenant: Tenant, secret: str = CLIENT_SECRET, name: str = "acme") -> str:
        """The id of a new connection to the tenant's data, which its dataset is bound to."""
        parameters = {"server": tenant.server, "database": tenant.database}
        body = {
            "connectivityType": "ShareableCloud",
            "displayName": name,
            "connectionDetails": {
                "type": "SQL",
                "creationMethod": "SQL",
                "parameters": [{"dataType": "Text", "name": key, "value": value} for key, value in parameters.items()],
            },
            "credentialDetails": {
                "singleSignOnType": "None",
                "connectionEncryption": "Encrypted",
                "skipTestConnection": True,
                "credentials": {
                    "credentialType": "ServicePrincipal",
                    "tenantId": TENANT_ID,
                    "servicePrincipalClientId": CLIENT_ID,
                    "servicePrincipalSecret": secret,
                },
            },
        }
        connection = str(self.made("/connections", body)["id"])
        details = {"type": "SQL", "path": f"{tenant.server};{tenant.database}"}
        binding = {
            "connectionBinding": {"id": connection, "connectivityType": "ShareableCloud", "connectionDetails": details}
        }
        path = f"/v1/workspaces/{tenant.reports}/semanticModels/{tenant.dataset}/bindConnection"
        self.fabric.post(path, json=binding).raise_for_status()
        return connection

    def refresh(self, tenant: Tenant) -> dict[str, Any]:
        """A refresh of the tenant's dataset as the history shows it after."""
        path = f"/groups/{tenant.reports}/datasets/{tenant.dataset}/refreshes"
        self.call("POST", path, {"notifyOption": "NoNotification"}).raise_for_status()
        return dict(self.call("GET", f"{path}?$top=1").json()["value"][0])

    def query(self, tenant: Tenant, dax: str) -> httpx.Response:
        """The raw answer to a query of the tenant's dataset."""
        body = {"queries": [{"query": dax}], "serializerSettings": {"includeNulls": True}}
        return self.call("POST", f"/groups/{tenant.reports}/datasets/{tenant.dataset}/executeQueries", body)

    def rows(self, tenant: Tenant, dax: str) -> Any:
        """The rows that a query answers."""
        return self.query(tenant, dax).raise_for_status().json()["results"][0]["tables"][0]["rows"]

    def upload(self, group: str, content: bytes, name: str = "Progress.pbix", **options: str) -> httpx.Response:
        """The raw answer to an import."""
        params = {"datasetDisplayName": name, **options}
        return self.call("POST", f"/groups/{group}/imports", params=params, files={"file": (name, content)})

    def imported(self, group: str, content: bytes, name: str = "Progress.pbix", **options: str) -> dict[str, Any]:
        """An import as it ended."""
        begun = self.upload(group, content, name, **options).raise_for_status().json()["id"]
        return dict(self.call("GET", f"/groups/{group}/imports/{begun}").raise_for_status().json())

    def names(self, group: str, what: str) -> list[str]:
        """The names of a group's datasets or reports."""
        return [found["name"] for found in self.call("GET", f"/groups/{group}/{what}").json()["value"]]


class SlowWork(Latency):
    """Calls are answered at once, and work in the background takes a thousand seconds, which a test lets pass."""

    def lasts(self, process: str) -> float:  # noqa: ARG002
        return 1000.0

    def retry_after(self, seconds: float) -> int:
        return int(seconds)


@dataclass
class SlowTime:
    """Makes work in the background slow, and lets its time pass."""

    simulator: Any

    def on(self) -> None:
        """From now on, work in the background takes its time."""
        self.simulator.world.latency = SlowWork()

    def off(self) -> None:
        """From now on, it is done at once."""
        self.simulator.world.latency = Latency()

    def __call__(self) -> None:
        """Let the time pass that such work takes."""
        self.simulator.control("POST", "clock", {"advance": 1001})


@pytest.fixture
def slow(simulator: Any) -> SlowTime:
    """Work in the background is slow; calling this lets its time pass."""
    made = SlowTime(simulator)
    made.on()
    return made


@pytest.fixture
def powerbi(signed_in: Any) -> PowerBICaller:
    """The provisioner's service principal at Power BI."""
    return PowerBICaller(signed_in("powerbi"), signed_in("fabric"))


@pytest.fixture
def pbix() -> Any:
    """Makes a package: with a model of its own, or thin, showing the dataset whose id is given."""

    def make(live: str | None = None, table: str = "learners", server: str = "old") -> bytes:
        source = f'let S = Sql.Database("{server}", "old"), D = S{{[Schema="dbo",Item="{table}"]}}[Data] in D'
        partition = {"name": table, "mode": "import", "source": {"type": "m", "expression": source}}
        model = {"model": {"tables": [{"name": table, "columns": [{"name": "id"}], "partitions": [partition]}]}}
        parts = {
            "[Content_Types].xml": b"<Types/>",
            "Version": "1.28".encode("utf-16-le"),
            "Report/Layout": json.dumps({"sections": []}).encode("utf-16-le"),
        }
        if live:
            parts["Connections"] = json.dumps({"Version": 3, "RemoteArtifacts": [{"DatasetId": live}]}).encode()
        else:
            parts["DataModelSchema"] = json.dumps(model).encode("utf-16-le")
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return whole.getvalue()

    return make
