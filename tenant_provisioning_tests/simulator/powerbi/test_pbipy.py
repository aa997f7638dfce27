"""pbipy, which others wrote for the real Power BI, at the simulated one: only its base address is changed."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pbipy
import pbipy.resources
import pytest


@pytest.fixture
def client(simulator: Any, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[pbipy.PowerBI]:
    """pbipy as the provisioner's service principal."""
    for owner in (pbipy.PowerBI, pbipy.resources.Resource):
        monkeypatch.setattr(owner, "BASE_URL", f"{simulator.url}/v1.0/myorg")
    # its downloads go through urllib, which takes its CA from here only
    monkeypatch.setenv("SSL_CERT_FILE", str(simulator.ca_file))
    client = pbipy.PowerBI(tokens("powerbi"))
    client.session.verify, client.session.trust_env = str(simulator.ca_file), False
    yield client
    client.session.close()


def test_pbipy_makes_finds_and_deletes_groups(client: pbipy.PowerBI) -> None:
    group = client.create_group("Acme")
    assert [found.id for found in client.groups(filter="name eq 'Acme'")] == [group.id]
    group.add_user(identifier="ann@acme.test", principal_type="User", access_right="Viewer")
    assert [user["identifier"] for user in group.users()][1:] == ["ann@acme.test"]
    group.delete_user("ann@acme.test")
    client.delete_group(group)
    assert client.groups(filter="name eq 'Acme'") == []


def test_pbipy_imports_files_small_and_large(client: pbipy.PowerBI, powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    small = client.import_file(io.BytesIO(pbix()), "Small.pbix", name_conflict="CreateOrOverwrite", group=group)
    large = client.import_large_file(io.BytesIO(pbix()), "Large.pbix", group=group)
    assert (small.import_state, large.import_state) == ("Succeeded", "Succeeded")
    assert [report.name for report in client.reports(group=group)] == ["Small", "Large"]


def test_pbipy_clones_rebinds_and_downloads_reports(
    client: pbipy.PowerBI, powerbi: Any, pbix: Any, tmp_path: Path
) -> None:
    group = powerbi.group()
    for name in ("A.pbix", "B.pbix"):
        client.import_file(io.BytesIO(pbix()), name, group=group)
    reports, datasets = client.reports(group=group), client.datasets(group=group)
    reports[0].clone("Copy", target_dataset=datasets[1].id, target_group=group)
    reports[0].rebind(datasets[1].id)
    bonds = {report.name: report.dataset_id for report in client.reports(group=group)}
    assert bonds == dict.fromkeys(("A", "B", "Copy"), datasets[1].id)
    reports[1].download(tmp_path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [pbix()]
    client.delete_report(reports[0].id, group=group)
    client.delete_dataset(datasets[0], group=group)
    assert powerbi.names(group, "reports") == ["B", "Copy"]


def test_pbipy_refreshes_and_queries_a_bound_dataset(client: pbipy.PowerBI, powerbi: Any) -> None:
    tenant = powerbi.tenant("acme-id")
    powerbi.bind(tenant)
    dataset = client.dataset(tenant.dataset, group=tenant.reports)
    dataset.take_over()
    assert dataset.datasources()[0]["connectionDetails"]["database"] == tenant.database
    dataset.refresh_and_wait(retry_count=1, check_interval=0)
    assert dataset.refresh_history()[0]["status"] == "Completed"
    assert "acme-id" in str(dataset.execute_queries("EVALUATE 'tenant'"))


def test_pbipy_points_a_dataset_elsewhere(client: pbipy.PowerBI, powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    client.import_file(io.BytesIO(pbix()), "A.pbix", group=group)
    dataset = client.datasets(group=group)[0]
    old, new = {"server": "old", "database": "old"}, {"server": "new", "database": "new"}
    selector = {"datasourceType": "Sql", "connectionDetails": old}
    dataset.update_datasources([{"datasourceSelector": selector, "connectionDetails": new}])
    assert [source["connectionDetails"] for source in dataset.datasources()] == [new]
