"""The Power BI client against the simulator over TLS; what a simulator should not do comes from a transport."""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tenant_provisioning.model.errors import SetupError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.fabric import Fabric
from tenant_provisioning.vendors.fabric_records import ServicePrincipal
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.powerbi import PowerBI

pytestmark = pytest.mark.usefixtures("no_waiting")
TEMPLATES, TEMPLATE_REPORT = "44444444-4444-4444-8444-444444444444", "77777777-0000-4000-8000-000000000001"
CREDENTIALS = ServicePrincipal(
    "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "simulated-client-secret"
)
DEADLINE = 10.0


@pytest.fixture
async def bound(fabric: Fabric, acme: Any) -> Any:
    """Acme, whose dataset reads its lakehouse through a connection."""
    to = {"server": acme.endpoint.server, "database": acme.endpoint.id}
    connection = await fabric.create_connection("Acme", **to, credentials=CREDENTIALS)
    await fabric.bind_connection(acme.workspace, acme.dataset, connection.id, **to)
    return acme


@pytest.fixture
def template(simulator: Any) -> str:
    """A template report in the template workspace."""
    simulator.control("POST", "/seed", {"reports": [{"id": TEMPLATE_REPORT, "name": "Attendance"}]})
    return TEMPLATE_REPORT


@pytest.fixture
def pbix(tmp_path: Path) -> Path:
    """A package with a model of one table, some hundred kilobytes large so that it travels in pieces."""
    model = {"name": "M", "compatibilityLevel": 1550, "model": {"culture": "en-US", "tables": []}}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as package:
        package.writestr("[Content_Types].xml", '<?xml version="1.0" encoding="utf-8"?><Types/>')
        package.writestr("Version", "1.28".encode("utf-16-le"))
        package.writestr("Report/Layout", json.dumps({"id": 0, "sections": []}).encode("utf-16-le"))
        package.writestr("Report/StaticResources/picture.bin", bytes(300_000))
        package.writestr("DataModelSchema", json.dumps(model).encode("utf-16-le"))
    file = tmp_path / "template.pbix"
    file.write_bytes(whole.getvalue())
    return file


async def test_a_workspace_is_found_by_exactly_its_name_quotes_included(powerbi: PowerBI, acme: Any) -> None:
    found = await powerbi.find_group("Acme's (acme) reports")
    assert found is not None
    assert (found.id, found.on_capacity) == (acme.workspace, True)
    assert await powerbi.find_group("Acme's (acme)") is None


async def test_deleting_a_workspace_twice_is_quiet(powerbi: PowerBI, acme: Any) -> None:
    await powerbi.delete_group(acme.workspace)
    await powerbi.delete_group(acme.workspace)
    assert await powerbi.find_group("Acme's (acme) reports") is None


async def test_a_clone_arrives_bound_to_the_tenants_dataset(powerbi: PowerBI, acme: Any, template: str) -> None:
    made = await clone(powerbi, acme, template)
    assert (await powerbi.get_report(acme.workspace, made)).dataset_id == acme.dataset
    found = await powerbi.find_report_by_name(acme.workspace, "Attendance")
    assert found is not None
    assert found.id == made
    assert await powerbi.find_report_by_name(acme.workspace, "attendance") is None


async def test_a_clone_whose_answer_is_lost_is_not_made_twice(
    powerbi: PowerBI, acme: Any, template: str, simulator: Any
) -> None:
    simulator.fault("powerbi", "clone_report", "lost_response")
    with pytest.raises(VendorUnavailable):
        await clone(powerbi, acme, template)
    assert len(await powerbi.list_reports(acme.workspace)) == 1


async def test_a_throttled_clone_is_sent_again(powerbi: PowerBI, acme: Any, template: str, simulator: Any) -> None:
    simulator.fault("powerbi", "clone_report", "throttle", times=2, retry_after=1)
    assert await clone(powerbi, acme, template)


async def test_a_report_that_is_not_there_is_refused_with_404(powerbi: PowerBI, acme: Any) -> None:
    with pytest.raises(VendorRejected) as caught:
        await powerbi.get_report(acme.workspace, TEMPLATE_REPORT)
    assert caught.value.status == 404


async def test_deleting_a_report_twice_is_quiet(powerbi: PowerBI, acme: Any, template: str) -> None:
    made = await clone(powerbi, acme, template)
    await powerbi.delete_report(acme.workspace, made)
    await powerbi.delete_report(acme.workspace, made)
    assert await powerbi.list_reports(acme.workspace) == ()


async def test_an_import_brings_a_report_and_its_own_dataset_which_can_go_after_the_rebind(
    powerbi: PowerBI, acme: Any, pbix: Path
) -> None:
    brought = await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    (report,), (dataset,) = brought.reports, brought.datasets
    await powerbi.rebind_report(acme.workspace, report.id, acme.dataset)
    await powerbi.rebind_report(acme.workspace, report.id, acme.dataset)
    await powerbi.delete_dataset(acme.workspace, dataset.id)
    await powerbi.delete_dataset(acme.workspace, dataset.id)
    assert [found.id for found in await powerbi.list_datasets(acme.workspace)] == [acme.dataset]
    assert (await powerbi.get_report(acme.workspace, report.id)).dataset_id == acme.dataset
    assert report.name == "Progress"


async def test_importing_the_same_name_again_makes_no_second_copy(powerbi: PowerBI, acme: Any, pbix: Path) -> None:
    first = await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    again = await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    assert [report.id for report in again.reports] == [report.id for report in first.reports]
    assert len(await powerbi.list_datasets(acme.workspace)) == 2


async def test_a_throttled_import_sends_the_whole_file_again(
    powerbi: PowerBI, acme: Any, pbix: Path, simulator: Any
) -> None:
    simulator.fault("powerbi", "import", "throttle", times=2)
    brought = await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    assert [report.name for report in brought.reports] == ["Progress"]


async def test_a_crash_right_after_an_import_was_accepted_loses_nothing(
    powerbi: PowerBI, acme: Any, pbix: Path
) -> None:
    kept: list[str] = []

    async def crash(import_id: str) -> None:
        kept.append(import_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE, on_import=crash)
    brought = await powerbi.wait_for_import(acme.workspace, kept[0], deadline=DEADLINE)
    assert [report.name for report in brought.reports] == ["Progress"]


async def test_a_failed_import_ends_with_the_vendors_reason(
    powerbi: PowerBI, acme: Any, pbix: Path, simulator: Any
) -> None:
    told = {"code": "RequestedFileIsEncryptedOrCorrupted", "message": "The file is damaged."}
    simulator.fault("powerbi", "import", "import_failed", match={"name": "Progress"}, **told)
    with pytest.raises(VendorRejected) as caught:
        await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    assert caught.value.code == "RequestedFileIsEncryptedOrCorrupted"
    assert caught.value.message == "the import failed: The file is damaged."


async def test_an_import_that_never_ends_says_what_was_waited_for_and_how_long(
    powerbi: PowerBI, acme: Any, pbix: Path, simulator: Any
) -> None:
    simulator.fault("powerbi", "import", "import_stuck")
    with pytest.raises(VendorUnavailable) as caught:
        await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=2)
    assert str(caught.value).startswith(
        "Power BI: import report: not finished after 2 seconds; the vendor last said: Publishing"
    )


async def test_imports_are_listed_by_name_with_how_far_they_are(
    powerbi: PowerBI, acme: Any, pbix: Path, simulator: Any
) -> None:
    simulator.fault("powerbi", "import", "import_stuck", match={"name": "Progress"})
    with pytest.raises(VendorUnavailable):
        await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=2)  # the upload's time is in it
    await powerbi.import_pbix(acme.workspace, "Attendance", pbix, deadline=DEADLINE)
    listed = await powerbi.list_imports(acme.workspace)
    assert {(one.name, one.state) for one in listed} == {("Progress", "Publishing"), ("Attendance", "Succeeded")}


async def test_an_import_is_listed_under_its_title_whether_or_not_power_bi_keeps_the_extension(
    tokens: EntraTokens,
) -> None:
    listed = {"value": [{"id": f"i-{name}", "name": name} for name in ("Progress.pbix", "Progress")]}
    async with scripted(tokens, lambda _request: httpx.Response(200, json=listed)) as powerbi:
        assert [one.name for one in await powerbi.list_imports("g")] == ["Progress", "Progress"]


async def test_a_template_file_that_is_not_there_is_a_mistake_in_the_setup(powerbi: PowerBI, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"gone\.pbix cannot be read"):
        await powerbi.import_pbix("g", "Progress", tmp_path / "gone.pbix", deadline=DEADLINE)


async def test_a_dataset_names_the_tenants_own_server_and_database(powerbi: PowerBI, acme: Any) -> None:
    (source,) = await powerbi.wait_for_datasources(acme.workspace, acme.dataset, deadline=DEADLINE)
    assert (source.type, source.server, source.database) == ("Sql", acme.endpoint.server, acme.endpoint.id)


async def test_a_bound_and_refreshed_dataset_answers_from_the_tenants_own_tables(powerbi: PowerBI, bound: Any) -> None:
    refresh = await powerbi.refresh_dataset(bound.workspace, bound.dataset)
    await powerbi.wait_for_refresh(bound.workspace, bound.dataset, refresh, deadline=DEADLINE)
    rows = await powerbi.execute_query(bound.workspace, bound.dataset, "EVALUATE 'tenant'")
    assert rows == ({"tenant[organization_id]": "organization-1"},)
    counted = await powerbi.execute_query(bound.workspace, bound.dataset, "EVALUATE ROW(\"n\", COUNTROWS('learners'))")
    assert len(counted) == 1
    assert counted[0]["[n]"] in {0, None}


async def test_a_failed_refresh_ends_with_the_vendors_reason(powerbi: PowerBI, bound: Any, simulator: Any) -> None:
    simulator.fault("powerbi", "refresh_dataset", "refresh_failed", message="The source does not answer.")
    refresh = await powerbi.refresh_dataset(bound.workspace, bound.dataset)
    with pytest.raises(VendorRejected, match=r"the refresh ended as Failed: .*The source does not answer\."):
        await powerbi.wait_for_refresh(bound.workspace, bound.dataset, refresh, deadline=DEADLINE)


async def test_a_refresh_of_an_unbound_dataset_fails_with_the_vendors_reason(powerbi: PowerBI, acme: Any) -> None:
    async def refresh() -> None:
        begun = await powerbi.refresh_dataset(acme.workspace, acme.dataset)
        await powerbi.wait_for_refresh(acme.workspace, acme.dataset, begun, deadline=DEADLINE)

    with pytest.raises(VendorRejected):
        await refresh()


async def test_a_refresh_under_way_is_taken_up_instead_of_refused(powerbi: PowerBI, bound: Any, simulator: Any) -> None:
    await powerbi.get_dataset(bound.workspace, bound.dataset)
    simulator.control("PUT", "/latency", {"profile": "realistic", "scale": 0.02})
    first = await powerbi.refresh_dataset(bound.workspace, bound.dataset)
    assert await powerbi.refresh_dataset(bound.workspace, bound.dataset) == first
    await powerbi.wait_for_refresh(bound.workspace, bound.dataset, first, deadline=DEADLINE)
    assert await powerbi.find_running_refresh(bound.workspace, bound.dataset) is None


async def test_a_mistaken_query_is_refused_with_the_vendors_reason(powerbi: PowerBI, bound: Any) -> None:
    refresh = await powerbi.refresh_dataset(bound.workspace, bound.dataset)
    await powerbi.wait_for_refresh(bound.workspace, bound.dataset, refresh, deadline=DEADLINE)
    with pytest.raises(VendorRejected) as caught:
        await powerbi.execute_query(bound.workspace, bound.dataset, "EVALUATE 'no such table'")
    assert "no such table" in caught.value.message


async def test_a_token_that_expired_meanwhile_costs_the_caller_nothing(
    powerbi: PowerBI, acme: Any, template: str, simulator: Any
) -> None:
    await powerbi.list_reports(acme.workspace)
    simulator.control("POST", "/clock", {"advance": 7200})
    await clone(powerbi, acme, template)
    statuses = [seen["status"] for seen in simulator.requests() if seen["operation"] == "clone_report"]
    assert statuses == [403, 200]


async def test_an_import_with_an_expired_token_sends_the_whole_file_again(
    powerbi: PowerBI, acme: Any, pbix: Path, simulator: Any
) -> None:
    await powerbi.list_reports(acme.workspace)
    simulator.control("POST", "/clock", {"advance": 7200})
    brought = await powerbi.import_pbix(acme.workspace, "Progress", pbix, deadline=DEADLINE)
    assert [report.name for report in brought.reports] == ["Progress"]
    statuses = [seen["status"] for seen in simulator.requests() if seen["operation"] == "import"]
    assert statuses == [403, 202]


async def test_a_workspace_of_almost_the_same_name_is_not_taken_for_ours(tokens: EntraTokens) -> None:
    listed = {"value": [{"id": "g-1", "name": "ACME reports"}]}
    async with scripted(tokens, lambda _request: httpx.Response(200, json=listed)) as powerbi:
        assert await powerbi.find_group("Acme reports") is None


async def test_an_import_is_one_file_part_with_its_options_in_the_query(tokens: EntraTokens, pbix: Path) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "POST":
            return httpx.Response(202, json={"id": "i-1"})
        return httpx.Response(200, json={"id": "i-1", "importState": "Succeeded", "reports": [], "datasets": []})

    async with scripted(tokens, answer) as powerbi:
        await powerbi.import_pbix("g", "Progress & more", pbix, deadline=DEADLINE)
    query = dict(sent[0].url.params)
    assert query == {"datasetDisplayName": "Progress & more.pbix", "nameConflict": "CreateOrOverwrite"}
    assert sent[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert sent[0].content.count(b"Content-Disposition") == 1
    assert content_of(pbix) in sent[0].content


async def test_an_import_sent_on_to_the_home_cluster_takes_the_whole_file_along(
    tokens: EntraTokens, pbix: Path
) -> None:
    sent: list[tuple[str, int]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.host, len(request.content)))
        if len(sent) == 1:
            where = "https://wabi-north-europe-redirect.analysis.windows.net/v1.0/myorg/groups/g/imports"
            return httpx.Response(307, headers={"Location": where})
        if request.method == "POST":
            return httpx.Response(202, json={"id": "i-1"})
        return httpx.Response(200, json={"id": "i-1", "importState": "Succeeded"})

    async with scripted(tokens, answer) as powerbi:
        await powerbi.import_pbix("g", "Progress", pbix, deadline=DEADLINE)
    hosts = [host for host, _ in sent]
    assert hosts == ["powerbi.test", "wabi-north-europe-redirect.analysis.windows.net", "powerbi.test"]
    assert sent[0][1] == sent[1][1] > len(content_of(pbix))


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "DatasetExecuteQueriesError", "message": "Out of memory."}, "results": []},
        {"results": [{"error": {"code": "DatasetExecuteQueriesError", "message": "Out of memory."}}]},
        {"results": [{"tables": [{"rows": [], "error": {"code": "RowLimit", "message": "Out of memory."}}]}]},
    ],
)
async def test_an_error_inside_a_successful_query_is_not_taken_for_no_rows(tokens: EntraTokens, body: Any) -> None:
    async with scripted(tokens, lambda _request: httpx.Response(200, json=body)) as powerbi:
        with pytest.raises(VendorRejected, match=r"the query failed: Out of memory\."):
            await powerbi.execute_query("g", "d", "EVALUATE 'tenant'")


async def test_datasources_are_waited_for_until_there_is_one(tokens: EntraTokens) -> None:
    details = {"datasourceType": "Sql", "connectionDetails": {"server": "s", "database": "d"}}
    unseen = httpx.Response(404, json={"error": {"code": "PowerBIEntityNotFound"}})
    answers = [unseen, *(httpx.Response(200, json={"value": listed}) for listed in ([], [details]))]
    async with scripted(tokens, lambda _request: answers.pop(0)) as powerbi:
        (source,) = await powerbi.wait_for_datasources("g", "d", deadline=DEADLINE)
    assert (source.server, source.database, source.gateway_id) == ("s", "d", None)


async def test_datasources_are_waited_for_until_they_are_the_ones_wanted(tokens: EntraTokens) -> None:
    def of(server: str) -> httpx.Response:
        told = {"datasourceType": "Sql", "connectionDetails": {"server": server, "database": "d"}}
        return httpx.Response(200, json={"value": [told]})

    answers = [of("before"), of("own")]
    async with scripted(tokens, lambda _request: answers.pop(0)) as powerbi:
        (source,) = await powerbi.wait_for_datasources(
            "g", "d", deadline=DEADLINE, until=lambda found: found[0].server == "own"
        )
    assert source.server == "own"


async def test_many_clones_at_once_arrive_once_each(powerbi: PowerBI, acme: Any, template: str, simulator: Any) -> None:
    names = [f"Report {number}" for number in range(20)]
    await asyncio.gather(*(clone(powerbi, acme, template, name) for name in names))
    assert sorted(report.name for report in await powerbi.list_reports(acme.workspace)) == sorted(names)


def content_of(file: Path) -> bytes:
    """What the file holds."""
    return file.read_bytes()


def scripted(tokens: EntraTokens, answer: Callable[[httpx.Request], httpx.Response]) -> PowerBI:
    """Power BI as a function answers it."""
    return PowerBI("https://powerbi.test/v1.0/myorg", tokens, transport=httpx.MockTransport(answer))


async def clone(powerbi: PowerBI, acme: Any, template: str, name: str = "Attendance") -> str:
    """The id of the template's copy in Acme's workspace."""
    made = await powerbi.clone_report(
        TEMPLATES, template, name=name, target_group_id=acme.workspace, target_dataset_id=acme.dataset
    )
    return made.id
