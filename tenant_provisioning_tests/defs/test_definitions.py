"""The whole graph, loaded as Dagster loads it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.defs.repository import Project
from tenant_provisioning.model.plan import STEPS


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("catalog")
    write_sample(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATALOG_PATH", str(folder))
        from tenant_provisioning.definitions import build_defs

        return build_defs()


@pytest.fixture(scope="module")
def graph(defs: Any) -> Any:
    return defs.resolve_asset_graph()


def test_every_step_of_the_plan_and_every_template_report_is_an_asset_of_the_tenant(graph: Any) -> None:
    names = {"/".join(key.path) for key in graph.get_all_asset_keys()}

    assert {step.name for step in STEPS} <= names
    assert sum(name.startswith("reports/") for name in names) == 400
    for key in graph.get_all_asset_keys():
        assert graph.get(key).partitions_def.name == "tenant", key


def test_every_check_of_the_plan_guards_its_step_one_tenant_at_a_time(graph: Any) -> None:
    planned = {(step.name, check) for step in STEPS for check in step.checks}

    found = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}

    assert planned <= found
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def is not None, key


def test_a_report_comes_after_shell_and_imports_and_before_the_roll_up_on_which_alone_the_rest_depends(
    graph: Any,
) -> None:
    reports = {key for key in graph.get_all_asset_keys() if key.path[0] == "reports"}
    roll_up = graph.get(dg.AssetKey("deployed_reports"))

    assert roll_up.parent_keys == reports
    for key in reports:
        assert graph.get(key).parent_keys == {dg.AssetKey("dataset_shell"), dg.AssetKey("report_imports")}
        assert graph.get(key).child_keys == {dg.AssetKey("deployed_reports")}


def test_neither_tables_nor_data_keep_anything_waiting_that_does_not_read_them(graph: Any) -> None:
    def before(name: str) -> set[str]:
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name.split("/"))).parent_keys}
        return parents.union(*map(before, parents))

    assert "fabric_data_store" not in before("deployed_reports")
    assert {"fabric_data_store", "dataset_shell"} <= before("powerbi_dataset")
    assert {"powerbi_dataset", "deployed_reports"} <= before("organization_record")


def test_reports_that_need_the_same_providers_share_a_group(graph: Any) -> None:
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys() if key.path[0] == "reports"}

    assert {"reports_aptem", "reports_aptem_hubspot", "reports_for_everyone"} <= groups
    assert len(groups) < 100


def test_a_selection_of_a_jobs_assets_is_picked_once_and_is_what_dagster_picks(defs: Any) -> None:
    keys = [dg.AssetKey("hosting_domain"), dg.AssetKey("dns_record")]
    whole = defs.get_repository_def()
    project = Project(whole)

    part = project.get_maybe_subset_job_def("provision_tenant", asset_selection=set(keys))
    dagsters = whole.get_maybe_subset_job_def("provision_tenant", asset_selection=frozenset(keys))

    assert part.asset_layer.executable_asset_keys == set(keys)
    assert part.get_job_snapshot_id() == dagsters.get_job_snapshot_id()
    assert project.get_maybe_subset_job_def("provision_tenant", asset_selection=frozenset(reversed(keys))) is part
    for other in (
        project.get_maybe_subset_job_def("provision_tenant", asset_selection={keys[0]}),
        project.get_maybe_subset_job_def("provision_tenant", asset_selection=set(keys), asset_check_selection=set()),
    ):
        assert other is not part
        assert other.get_job_snapshot_id() != part.get_job_snapshot_id()
    assert project.get_maybe_subset_job_def("provision_tenant") is whole.get_job("provision_tenant")


def test_provisioning_stops_where_a_person_looks(defs: Any) -> None:
    selected = {
        key.to_user_string() for key in defs.resolve_job_def("provision_tenant").asset_layer.executable_asset_keys
    }

    assert "organization_record" in selected
    assert "live_tenant" not in selected


def test_no_setting_and_no_credential_is_needed_to_load_the_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DATABASE_URL", "SECRETS_KEY", "ENTRA_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / ".data" / "catalog")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / ".data"))
    monkeypatch.delenv("CATALOG_PATH", raising=False)
    from tenant_provisioning.definitions import build_defs

    assert build_defs().resolve_job_def("provision_tenant")
