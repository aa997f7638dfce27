"""The Fabric client against the simulator over TLS; what a simulator should not do comes from a transport."""

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.fabric import Fabric
from tenant_provisioning.vendors.fabric_records import DefinitionPart, Lakehouse, ServicePrincipal, SqlEndpoint
from tenant_provisioning.vendors.microsoft import EntraTokens

pytestmark = pytest.mark.usefixtures("no_waiting")
CAPACITY, TEMPLATES = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
MODEL, NOTEBOOK = "55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"
CREDENTIALS = ServicePrincipal(
    "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "simulated-client-secret"
)
DEADLINE = 10.0


@pytest.fixture
async def workspace(fabric: Fabric) -> str:
    """A workspace of its own on the capacity."""
    made = await fabric.create_workspace("Acme data", capacity_id=CAPACITY, description="mark")
    return made.id


async def test_a_workspace_is_made_on_the_capacity_with_our_mark(fabric: Fabric) -> None:
    made = await fabric.create_workspace("Acme data", capacity_id=CAPACITY, description="mark")
    arrived = await fabric.wait_for_capacity(made.id, CAPACITY, deadline=DEADLINE)
    assert (arrived.name, arrived.description, arrived.capacity_id) == ("Acme data", "mark", CAPACITY)


async def test_a_workspace_without_description_is_read_although_the_vendor_leaves_it_out(fabric: Fabric) -> None:
    made = await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    assert (await fabric.get_workspace(made.id)).description == ""


async def test_a_taken_workspace_name_is_refused_with_the_vendors_code(fabric: Fabric, workspace: str) -> None:
    with pytest.raises(VendorRejected) as caught:
        await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    assert caught.value.code == "WorkspaceNameAlreadyExists"


async def test_workspaces_are_listed_page_after_page(fabric: Fabric) -> None:
    names = {f"Workspace {number}" for number in range(105)}
    few = asyncio.Semaphore(4)  # a hundred new connections at once take a busy machine longer than the client waits

    async def create(name: str) -> None:
        async with few:
            await fabric.create_workspace(name, capacity_id=CAPACITY)

    await asyncio.gather(*(create(name) for name in names))
    assert names <= {found.name for found in await fabric.list_workspaces()}


async def test_a_workspace_that_cannot_reach_its_capacity_says_so(fabric: Fabric, simulator: Any) -> None:
    simulator.fault("fabric", "assign_to_capacity", "capacity_failed")
    made = await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    with pytest.raises(VendorRejected, match="could not be put on its capacity"):
        await fabric.wait_for_capacity(made.id, CAPACITY, deadline=DEADLINE)


async def test_a_workspace_is_put_on_its_capacity_after_it_was_made(fabric: Fabric, simulator: Any) -> None:
    simulator.fault("fabric", "assign_to_capacity", "capacity_failed")
    made = await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    assert not (await fabric.get_workspace(made.id)).is_on(CAPACITY)
    await fabric.assign_to_capacity(made.id, CAPACITY)
    assert (await fabric.wait_for_capacity(made.id, CAPACITY, deadline=DEADLINE)).is_on(CAPACITY)


async def test_a_workspace_on_another_capacity_has_not_arrived(tokens: EntraTokens) -> None:
    told = {"id": "w", "displayName": "Acme data", "capacityAssignmentProgress": "Completed"}
    answers = [httpx.Response(200, json={**told, **on}) for on in ({}, {"capacityId": "c-2"}, {"capacityId": "c-1"})]
    async with scripted(tokens, lambda _request: answers.pop(0)) as fabric:
        arrived = await fabric.wait_for_capacity("w", "c-1", deadline=DEADLINE)
    assert (arrived.capacity_id, answers) == ("c-1", [])


async def test_deleting_a_workspace_twice_is_quiet(fabric: Fabric, workspace: str) -> None:
    await fabric.delete_workspace(workspace)
    await fabric.delete_workspace(workspace)
    assert workspace not in {found.id for found in await fabric.list_workspaces()}


async def test_a_capacity_tells_whether_it_is_active(fabric: Fabric) -> None:
    paused = await fabric.get_capacity("33333333-3333-4333-8333-333333333334")
    assert ((await fabric.get_capacity(CAPACITY)).state, paused.state) == ("Active", "Inactive")


async def test_a_create_whose_answer_is_lost_is_left_to_the_step_and_made_one_workspace(
    fabric: Fabric, simulator: Any
) -> None:
    simulator.fault("fabric", "create_workspace", "lost_response")
    with pytest.raises(VendorUnavailable):
        await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    assert [found.name for found in await fabric.list_workspaces()].count("Acme data") == 1


async def test_a_token_that_expired_meanwhile_costs_the_caller_nothing(fabric: Fabric, simulator: Any) -> None:
    await fabric.get_capacity(CAPACITY)
    simulator.control("POST", "/clock", {"advance": 7200})
    await fabric.create_workspace("Acme data", capacity_id=CAPACITY)
    statuses = [seen["status"] for seen in simulator.requests() if seen["operation"] == "create_workspace"]
    assert statuses == [401, 201]


@pytest.mark.parametrize("at_once", [1.0, 0.0], ids=["201", "202"])
async def test_a_lakehouse_is_made_whether_the_vendor_answers_at_once_or_later(
    fabric: Fabric, simulator: Any, workspace: str, at_once: float
) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"created_at_once": at_once})
    told: list[str] = []
    made = await create_lakehouse(fabric, workspace, on_operation=told.append)
    found = await fabric.find_item(workspace, "Lakehouse", "lh_acme")
    assert found is not None
    assert (found.id, found.description, len(told)) == (made.id, "mark", 0 if at_once else 1)


async def test_a_crash_right_after_the_vendor_accepted_loses_nothing(
    fabric: Fabric, simulator: Any, workspace: str
) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"created_at_once": 0})
    kept: list[str] = []

    async def crash(operation_id: str) -> None:
        kept.append(operation_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await fabric.create_lakehouse(workspace, "lh_acme", deadline=DEADLINE, on_operation=crash)
    assert [seen["operation"] for seen in simulator.requests()].count("get_operation") == 0
    await fabric.wait_for_operation(kept[0], deadline=DEADLINE)
    assert await fabric.operation_result(kept[0], lambda body: body["displayName"]) == "lh_acme"


async def test_a_failed_operation_ends_with_the_vendors_reason(fabric: Fabric, simulator: Any, workspace: str) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"created_at_once": 0})
    plan = {"code": "UnsupportedCapacitySKU", "message": "The capacity is too small."}
    simulator.fault("fabric", "create_item", "operation_failed", **plan)
    with pytest.raises(VendorRejected, match=r"create lakehouse: it failed: The capacity is too small\.") as caught:
        await fabric.create_lakehouse(workspace, "lh_acme", deadline=DEADLINE)
    assert caught.value.code == "UnsupportedCapacitySKU"


async def test_an_operation_that_takes_too_long_says_what_was_waited_for_and_how_long(
    fabric: Fabric, simulator: Any, workspace: str
) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"created_at_once": 0})
    await fabric.list_items(workspace)
    simulator.control("PUT", "/latency", {"profile": "realistic", "scale": 0.1})
    with pytest.raises(VendorUnavailable) as caught:
        await fabric.create_lakehouse(workspace, "lh_acme", deadline=0.2)
    told = r"Microsoft Fabric: create lakehouse: not finished after 0\.2 seconds; the vendor last said: \w+"
    assert re.fullmatch(told, str(caught.value))


async def test_the_sql_endpoint_is_waited_for_while_its_address_is_null(
    fabric: Fabric, simulator: Any, workspace: str
) -> None:
    made = await create_lakehouse(fabric, workspace)
    endpoint = await fabric.wait_for_sql_endpoint(workspace, made.id, deadline=DEADLINE)
    assert endpoint.server.endswith(".datawarehouse.fabric.microsoft.com")
    assert uuid.UUID(endpoint.id)


@pytest.mark.parametrize("known", [None, "known early"])
def test_a_lakehouse_in_progress_has_no_endpoint_yet(known: str | None) -> None:
    told = {"id": known, "connectionString": known, "provisioningStatus": "InProgress"}
    body = {"id": "l", "displayName": "lh", "workspaceId": "w", "properties": {"sqlEndpointProperties": told}}
    assert Lakehouse.read(body).sql_endpoint is None
    ready = {"id": "e", "connectionString": "host", "provisioningStatus": "Success"}
    found = Lakehouse.read({**body, "properties": {"sqlEndpointProperties": ready}})
    assert found.sql_endpoint == SqlEndpoint("e", "host")


async def test_a_sql_endpoint_that_cannot_be_made_says_so(fabric: Fabric, simulator: Any, workspace: str) -> None:
    simulator.fault("fabric", "create_lakehouse", "endpoint_failed")
    made = await create_lakehouse(fabric, workspace)
    with pytest.raises(VendorRejected, match="the SQL endpoint of lakehouse lh_acme could not be made"):
        await fabric.wait_for_sql_endpoint(workspace, made.id, deadline=DEADLINE)


async def test_the_notebook_makes_the_tables_and_the_refresh_shows_them_to_sql(fabric: Fabric, workspace: str) -> None:
    lakehouse = await create_lakehouse(fabric, workspace)
    endpoint = await fabric.wait_for_sql_endpoint(workspace, lakehouse.id, deadline=DEADLINE)
    job = await fabric.run_notebook(
        TEMPLATES, NOTEBOOK, parameters={"organization_id": "o-1"}, default_lakehouse=lakehouse
    )
    await fabric.wait_for_job(job, deadline=DEADLINE)
    tables = await fabric.refresh_sql_endpoint_metadata(workspace, endpoint.id, deadline=DEADLINE)
    assert set(tables) == {"tenant", "learners", "courses", "enrolments", "assessments", "attendance"}


async def test_a_failed_notebook_ends_with_the_vendors_reason(fabric: Fabric, simulator: Any, workspace: str) -> None:
    simulator.fault("fabric", "run_job", "job_failed", code="SparkError", message="No Spark session could be had.")
    lakehouse = await create_lakehouse(fabric, workspace)
    job = await fabric.run_notebook(
        TEMPLATES, NOTEBOOK, parameters={"organization_id": "o"}, default_lakehouse=lakehouse
    )
    with pytest.raises(VendorRejected, match=r"the job ended as Failed: No Spark session could be had\."):
        await fabric.wait_for_job(job, deadline=DEADLINE)


@pytest.mark.parametrize("at_once", [1.0, 0.0], ids=["200", "202"])
async def test_a_definition_is_read_whether_the_vendor_answers_at_once_or_later(
    fabric: Fabric, simulator: Any, at_once: float
) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"definition_at_once": at_once})
    parts = await fabric.get_definition(TEMPLATES, MODEL, deadline=DEADLINE)
    expressions = next(part for part in parts if part.path == "definition/expressions.tmdl")
    assert b'Sql.Database("template-endpoint.datawarehouse.fabric.microsoft.com"' in expressions.content


async def test_a_semantic_model_is_made_from_a_rewritten_definition_and_bound_through_a_connection(
    fabric: Fabric, acme: Any
) -> None:
    to = {"server": acme.endpoint.server, "database": acme.endpoint.id}
    connection = await fabric.create_connection(f"tenant-provisioning {acme.workspace}", **to, credentials=CREDENTIALS)
    assert await fabric.list_item_connections(acme.workspace, acme.dataset) == ()
    await fabric.bind_connection(acme.workspace, acme.dataset, connection.id, **to)
    await fabric.bind_connection(acme.workspace, acme.dataset, connection.id, **to)
    assert await fabric.list_item_connections(acme.workspace, acme.dataset) == (connection.id,)
    assert connection.path == f"{acme.endpoint.server};{acme.endpoint.id}"
    parts = await fabric.get_definition(acme.workspace, acme.dataset, deadline=DEADLINE)
    assert any(acme.endpoint.server.encode() in part.content for part in parts)


@pytest.mark.parametrize("at_once", [1.0, 0.0], ids=["200", "202"])
async def test_a_definition_is_changed_whether_the_vendor_answers_at_once_or_later(
    fabric: Fabric, acme: Any, simulator: Any, at_once: float
) -> None:
    simulator.control("PATCH", "/knobs/fabric", {"definition_at_once": at_once})
    template = await fabric.get_definition(TEMPLATES, MODEL, deadline=DEADLINE)
    parts = [part for part in template if part.path != ".platform"]
    await fabric.update_definition(acme.workspace, acme.dataset, parts, deadline=DEADLINE)
    changed = await fabric.get_definition(acme.workspace, acme.dataset, deadline=DEADLINE)
    assert {part.path: part.content for part in parts}.items() <= {part.path: part.content for part in changed}.items()
    found = await fabric.find_item(acme.workspace, "SemanticModel", "Acme dataset")
    assert found is not None
    assert found.id == acme.dataset


async def test_an_item_is_found_by_type_and_exact_name_only(fabric: Fabric, workspace: str) -> None:
    made = await create_lakehouse(fabric, workspace)
    assert await fabric.find_item(workspace, "Lakehouse", "lh_ACME") is None
    assert await fabric.find_item(workspace, "SemanticModel", "lh_acme") is None
    await fabric.delete_item(workspace, made.id)
    await fabric.delete_item(workspace, made.id)
    assert await fabric.find_item(workspace, "Lakehouse", "lh_acme") is None


async def test_a_connection_is_found_by_name_refused_twice_and_deleted_quietly(fabric: Fabric, workspace: str) -> None:
    lakehouse = await create_lakehouse(fabric, workspace)
    endpoint = await fabric.wait_for_sql_endpoint(workspace, lakehouse.id, deadline=DEADLINE)
    to = {"server": endpoint.server, "database": endpoint.id, "credentials": CREDENTIALS}
    made = await fabric.create_connection("ours", **to)
    assert await fabric.find_connection_by_name("ours") == made
    with pytest.raises(VendorRejected) as caught:
        await fabric.create_connection("ours", **to)
    assert (caught.value.code or "").startswith("DuplicateConnectionName")
    await fabric.delete_connection(made.id)
    await fabric.delete_connection(made.id)
    assert await fabric.find_connection_by_name("ours") is None


async def test_what_is_looked_up_by_id_is_found_or_is_none(fabric: Fabric, acme: Any) -> None:
    connection = await fabric.create_connection(
        "ours", server=acme.endpoint.server, database=acme.endpoint.id, credentials=CREDENTIALS
    )
    lakehouse = await fabric.find_item(acme.workspace, "Lakehouse", "lh_acme")
    assert lakehouse is not None
    absent = str(uuid.uuid4())
    assert await fabric.find_workspace(acme.workspace) is not None
    assert await fabric.find_workspace(absent) is None
    assert await fabric.find_lakehouse(acme.workspace, lakehouse.id) is not None
    assert await fabric.find_lakehouse(acme.workspace, absent) is None
    assert await fabric.find_lakehouse(absent, lakehouse.id) is None
    assert await fabric.find_connection(connection.id) == connection
    assert await fabric.find_connection(absent) is None


async def test_refused_credentials_are_refused_without_telling_them(fabric: Fabric, workspace: str) -> None:
    lakehouse = await create_lakehouse(fabric, workspace)
    endpoint = await fabric.wait_for_sql_endpoint(workspace, lakehouse.id, deadline=DEADLINE)
    wrong = ServicePrincipal(CREDENTIALS.tenant_id, CREDENTIALS.client_id, "not-the-secret")
    with pytest.raises(VendorRejected) as caught:
        await fabric.create_connection("ours", server=endpoint.server, database=endpoint.id, credentials=wrong)
    assert "not-the-secret" not in f"{caught.value}{wrong!r}"


async def test_an_operation_is_asked_about_at_our_address_whatever_host_its_location_names(
    tokens: EntraTokens,
) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        if request.method == "POST":
            headers = {
                "Location": "https://evil.test/v1/operations/op-1",
                "x-ms-operation-id": "op-1",
                "Retry-After": "20",
            }
            return httpx.Response(202, headers=headers, content=b"null")
        if request.url.path == "/v1/operations/op-1":
            return httpx.Response(200, json={"status": "Succeeded"}, headers={"Location": "https://evil.test/result"})
        if request.url.path.endswith("/result"):
            return httpx.Response(200, json={"id": "m-1"})
        raise AssertionError(request.url)

    async with scripted(tokens, answer) as fabric:
        made = await fabric.create_semantic_model("w", "model", [DefinitionPart("a", b"b")], deadline=DEADLINE)
    assert (made.id, set(hosts)) == ("m-1", {"fabric.test"})


async def test_an_operation_without_result_leaves_the_new_item_to_be_found_by_name(tokens: EntraTokens) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "https://elsewhere.test/v1/operations/op-1"})
        if request.url.path.endswith("/result"):
            return httpx.Response(400, json={"errorCode": "OperationHasNoResult", "message": "none"})
        if "/operations/" in request.url.path:
            return httpx.Response(200, json={"status": "Succeeded", "percentComplete": None, "error": None})
        assert request.url.params["type"] == "SemanticModel"
        return httpx.Response(200, json={"value": [{"id": "m-1", "type": "SemanticModel", "displayName": "model"}]})

    async with scripted(tokens, answer) as fabric:
        made = await fabric.create_semantic_model("w", "model", [DefinitionPart("a", b"b")], deadline=DEADLINE)
    assert made.id == "m-1"


@pytest.mark.parametrize("ended", ["Succeeded", "Failed"])
async def test_a_definition_is_changed_only_when_the_operation_has_succeeded(tokens: EntraTokens, ended: str) -> None:
    states = ["Running", ended]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.url.path == "/v1/workspaces/w/items/m/updateDefinition"
            return httpx.Response(202, headers={"x-ms-operation-id": "op-1"}, content=b"null")
        assert request.url.path == "/v1/operations/op-1"  # it has no result to ask for
        return httpx.Response(200, json={"status": states.pop(0), "error": {"message": "No such table."}})

    async with scripted(tokens, answer) as fabric:
        updated = fabric.update_definition("w", "m", [DefinitionPart("a", b"b")], deadline=DEADLINE)
        if ended == "Failed":
            with pytest.raises(VendorRejected, match=r"update definition: it failed: No such table\."):
                await updated
        else:
            await updated
    assert states == []


async def test_a_name_still_reserved_after_a_deletion_is_tried_again(tokens: EntraTokens) -> None:
    reserved = httpx.Response(400, json={"errorCode": "ItemDisplayNameNotAvailableYet", "message": "Not yet."})
    answers = [reserved, httpx.Response(201, json={"id": "l-1"})]

    async with scripted(tokens, lambda _: answers.pop(0)) as fabric:
        assert await fabric.create_lakehouse("w", "lh", deadline=DEADLINE) == "l-1"


@pytest.mark.parametrize(("ended", "error"), [("Cancelled", VendorRejected), ("Deduped", VendorUnavailable)])
async def test_a_job_that_was_cancelled_or_passed_over_is_not_taken_for_done(
    tokens: EntraTokens, ended: str, error: type[Exception]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "https://fabric.test/v1/x/jobs/instances/j-1"})
        assert request.url.path == "/v1/workspaces/w/items/n/jobs/instances/j-1"
        return httpx.Response(200, json={"id": "j-1", "status": ended, "failureReason": None})

    lakehouse = Lakehouse("l", "lh", "", "w", "Success", None)
    async with scripted(tokens, answer) as fabric:
        job = await fabric.run_notebook("w", "n", parameters={}, default_lakehouse=lakehouse)
        with pytest.raises(error):
            await fabric.wait_for_job(job, deadline=DEADLINE)


async def test_a_table_that_cannot_be_shown_to_sql_is_named(tokens: EntraTokens) -> None:
    body = {"value": [{"tableName": "tenant", "status": "Success"}, {"tableName": "learners", "status": "Failure"}]}
    async with scripted(tokens, lambda _request: httpx.Response(200, json=body)) as fabric:
        with pytest.raises(VendorRejected, match="could not be shown: learners"):
            await fabric.refresh_sql_endpoint_metadata("w", "e", deadline=DEADLINE)


def scripted(tokens: EntraTokens, answer: Callable[[httpx.Request], httpx.Response]) -> Fabric:
    """Fabric as a function answers it."""
    return Fabric("https://fabric.test/v1", tokens, transport=httpx.MockTransport(answer))


async def create_lakehouse(
    fabric: Fabric, workspace: str, on_operation: Callable[[str], None] | None = None
) -> Lakehouse:
    """The lakehouse of Acme."""

    async def told(operation_id: str) -> None:
        if on_operation is not None:
            on_operation(operation_id)

    made = await fabric.create_lakehouse(workspace, "lh_acme", description="mark", deadline=DEADLINE, on_operation=told)
    return await fabric.get_lakehouse(workspace, made)
