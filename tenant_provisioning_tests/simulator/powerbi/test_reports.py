"""Reports at the simulated Power BI: clone, rebind, export, embed."""

from typing import Any

from tenant_provisioning.simulator.world import TEMPLATE_DATASET_ID, TEMPLATE_WORKSPACE_ID

REPORT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def clone(powerbi: Any, tenant: Any, name: str = "Progress") -> Any:
    body = {"name": name, "targetWorkspaceId": tenant.reports, "targetModelId": tenant.dataset}
    return powerbi.call("POST", f"/groups/{TEMPLATE_WORKSPACE_ID}/reports/{REPORT}/Clone", body)


def test_seeding_puts_template_reports_once(powerbi: Any, simulator: Any) -> None:
    for _ in range(2):
        simulator.control("POST", "seed", {"reports": [{"id": REPORT, "name": "Progress"}]})
    shown = powerbi.call("GET", f"/groups/{TEMPLATE_WORKSPACE_ID}/reports").json()["value"]
    assert [(entry["id"], entry["datasetId"]) for entry in shown] == [(REPORT, TEMPLATE_DATASET_ID)]


def test_a_clone_is_bound_already_and_a_repeat_makes_a_duplicate(powerbi: Any, simulator: Any) -> None:
    simulator.control("POST", "seed", {"reports": [{"id": REPORT, "name": "Progress"}]})
    tenant = powerbi.tenant()
    made = clone(powerbi, tenant).json()
    shown = powerbi.call("GET", f"/groups/{tenant.reports}/reports/{made['id']}").json()
    assert (shown["datasetId"], shown["datasetWorkspaceId"]) == (tenant.dataset, tenant.reports)
    assert made["id"] in shown["embedUrl"]
    assert clone(powerbi, tenant).json()["id"] != made["id"]
    assert powerbi.names(tenant.reports, "reports") == ["Progress", "Progress"]


def test_a_clone_of_an_unknown_report_or_onto_an_unknown_dataset_is_not_found(powerbi: Any, simulator: Any) -> None:
    tenant = powerbi.tenant()
    assert clone(powerbi, tenant).status_code == 404
    simulator.control("POST", "seed", {"reports": [{"id": REPORT, "name": "Progress"}]})
    tenant.dataset = REPORT
    assert clone(powerbi, tenant).json()["error"]["code"] == "PowerBIEntityNotFound"


def test_lower_case_clone_and_rebind_are_served(powerbi: Any, simulator: Any) -> None:
    simulator.control("POST", "seed", {"reports": [{"id": REPORT, "name": "Progress"}]})
    path = f"/groups/{TEMPLATE_WORKSPACE_ID}/reports/{REPORT}"
    assert powerbi.call("POST", f"{path}/clone", {"name": "Copy"}).status_code == 200
    assert powerbi.call("POST", f"{path}/rebind", {"datasetId": TEMPLATE_DATASET_ID}).status_code == 200


def test_rebinding_leaves_the_imported_dataset_an_orphan(powerbi: Any, pbix: Any) -> None:
    tenant = powerbi.tenant()
    brought = powerbi.imported(tenant.reports, pbix())
    report = brought["reports"][0]["id"]
    for _ in range(2):
        answered = powerbi.call(
            "POST", f"/groups/{tenant.reports}/reports/{report}/Rebind", {"datasetId": tenant.dataset}
        )
        assert answered.status_code == 200
    assert powerbi.call("GET", f"/groups/{tenant.reports}/reports/{report}").json()["datasetId"] == tenant.dataset
    assert powerbi.names(tenant.reports, "datasets") == ["Acme dataset", "Progress"]
    powerbi.call("DELETE", f"/groups/{tenant.reports}/datasets/{brought['datasets'][0]['id']}").raise_for_status()
    assert powerbi.names(tenant.reports, "reports") == ["Progress"]


def test_a_report_is_exported_as_it_was_imported_until_it_is_rebound(powerbi: Any, pbix: Any) -> None:
    tenant, content = powerbi.tenant(), pbix()
    report = powerbi.imported(tenant.reports, content)["reports"][0]["id"]
    path = f"/groups/{tenant.reports}/reports/{report}"
    assert powerbi.call("GET", f"{path}/Export").content == content
    powerbi.call("POST", f"{path}/Rebind", {"datasetId": tenant.dataset}).raise_for_status()
    assert powerbi.call("GET", f"{path}/Export").status_code == 400


def test_a_template_report_is_exported_as_a_thin_package_that_can_be_imported(powerbi: Any, simulator: Any) -> None:
    simulator.control("POST", "seed", {"reports": [{"id": REPORT, "name": "Progress"}]})
    content = powerbi.call(
        "GET", f"/groups/{TEMPLATE_WORKSPACE_ID}/reports/{REPORT}/Export?downloadType=LiveConnect"
    ).content
    ended = powerbi.imported(powerbi.group(), content)
    assert ended["reports"][0]["datasetId"] == TEMPLATE_DATASET_ID


def test_deleting_a_report_keeps_its_dataset(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    report = powerbi.imported(group, pbix())["reports"][0]["id"]
    assert powerbi.call("DELETE", f"/groups/{group}/reports/{report}").status_code == 200
    assert (powerbi.names(group, "reports"), powerbi.names(group, "datasets")) == ([], ["Progress"])


def test_an_embed_token_is_for_known_reports_with_their_datasets(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    brought = powerbi.imported(group, pbix())
    report, dataset = brought["reports"][0]["id"], brought["datasets"][0]["id"]
    made = powerbi.call("POST", "/GenerateToken", {"reports": [{"id": report}], "datasets": [{"id": dataset}]}).json()
    assert {"token", "tokenId", "expiration"} <= set(made)
    assert powerbi.call("POST", "/GenerateToken", {"reports": [{"id": REPORT}]}).status_code == 404
    many = {"reports": [{"id": report}] * 51}
    assert powerbi.call("POST", "/GenerateToken", many).status_code == 400
