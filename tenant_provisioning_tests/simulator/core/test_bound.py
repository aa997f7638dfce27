"""The best that could have been made of some calls, and the worst: what had to wait for what follows from the calls themselves."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tenant_provisioning.simulator.bound import bound_of
from tenant_provisioning.simulator.following import Call, Process, ids

WORKSPACE, OPERATION, IMPORT, DATASET = (f"{number:08}-0000-4000-8000-000000000000" for number in range(1, 5))


def call(
    operation: str, began: float, seconds: float = 1.0, *, method: str = "POST", names: str = "", tells: str = "",
    processes: tuple[Process, ...] = (), path: str = "",
) -> Call:  # fmt: skip
    return Call(
        operation, method, path or operation, seconds, began, ids([names.encode()]), began + seconds / 2, began + seconds,
        200, ids([tells.encode()]), list(processes),
    )  # fmt: skip


def test_calls_that_name_nothing_new_could_all_go_at_once() -> None:
    bound = bound_of([call("fabric.create_item", at, names=WORKSPACE) for at in range(5)])

    assert (bound.critical_path, bound.loop) == (1, 5)


def test_a_call_comes_after_the_answer_that_told_it_an_id() -> None:
    made = call("fabric.create_workspace", 0, tells=WORKSPACE)
    used = [call("fabric.create_item", at, 2, names=WORKSPACE) for at in (5, 9)]

    bound = bound_of([made, *used])

    assert (bound.critical_path, bound.loop) == (3, 5)
    assert bound.path == ("fabric.create_workspace 1.00 s", "fabric.create_item 2.00 s")


def test_who_knew_an_id_before_was_not_told_it() -> None:
    known = call("fabric.get_workspace", 0, method="GET", names=WORKSPACE, tells=WORKSPACE)

    assert bound_of([known, call("fabric.create_item", 5, names=WORKSPACE)]).critical_path == 1


def test_what_is_configured_waits_for_no_answer_that_happens_to_tell_it() -> None:
    calls = [
        call("powerbi.list_groups", 0, method="GET", tells=f"{WORKSPACE} {DATASET}"),
        call("fabric.get_item_definition", 5, names=f"{WORKSPACE} {DATASET}"),
    ]

    assert bound_of(calls).critical_path == 2
    assert bound_of(calls, configured=ids([WORKSPACE.encode(), DATASET.encode()])).critical_path == 1


def test_nothing_that_needs_a_capacity_is_made_before_the_workspace_is_on_it() -> None:
    made = call("fabric.create_workspace", 0, tells=WORKSPACE, processes=(Process("fabric.capacity_assignment", 5),))
    other = call("fabric.create_workspace", 0, tells=OPERATION, processes=(Process("fabric.capacity_assignment", 50),))

    bound = bound_of([made, other, call("fabric.create_lakehouse", 60, names=WORKSPACE)])

    assert bound.critical_path == 0.5 + 5 + 0.5  # of its own workspace, whichever other is late


@pytest.mark.parametrize("later", [0, 20], ids=["told at once", "told by an operation"])
def test_a_dataset_has_nothing_to_load_before_the_endpoint_shows_what_the_notebook_made(later: float) -> None:
    begun = tuple([Process("fabric.operation", later)] if later else [])
    calls = [
        call("fabric.run_job", 0, processes=(Process("fabric.notebook_job", 60),)),
        call("fabric.refresh_metadata", 61, processes=begun),
        call("powerbi.refresh_dataset", 90),
    ]

    # calls take effect in their middle: the notebook's, 60 s later that of the metadata, then the dataset's with half of it left
    assert bound_of(calls).critical_path == 0.5 + 60 + (later or 0.5) + 0.5


def test_a_look_is_not_taken_for_what_made_a_thing() -> None:
    made = call("fabric.create_workspace", 0, 4, tells=WORKSPACE)
    looked = call("fabric.list_workspaces", 2.5, method="GET", tells=WORKSPACE)  # answered while that was under way

    assert bound_of([made, looked, call("fabric.create_item", 5, names=WORKSPACE)]).critical_path == 5


def test_background_work_is_waited_for_where_the_answer_needs_it_and_not_by_whoever_looked_too_early() -> None:
    begun = call("powerbi.import", 0, tells=IMPORT, processes=(Process("powerbi.import", 15),))
    looks = [
        call("powerbi.get_import", at, method="GET", names=IMPORT, tells=DATASET if at > 15 else "", path="one")
        for at in (2, 10, 20)
    ]
    bound = bound_of([begun, *looks, call("powerbi.delete_dataset", 22, names=DATASET)])

    # the import takes effect after half a second, the look that sees its end has half of its own second left then
    assert bound.critical_path == 0.5 + 15 + 0.5 + 1
    assert bound.looks_too_early == 2
    assert bound.loop == 3 + 16  # three calls that count, and fifteen seconds looked at every two


def test_work_that_the_caller_waits_for_without_need_is_not_in_the_bound() -> None:
    made = call("powerbi.refresh_dataset", 0, processes=(Process("powerbi.refresh", 15),))

    assert bound_of([made, call("powerbi.clone_report", 20)]).critical_path == 1


def test_more_calls_than_a_minute_allows_take_longer_than_their_path() -> None:
    many = [call("godaddy.put_records", at) for at in range(90)]

    bound = bound_of(many, {"godaddy": 60})

    assert (bound.critical_path, bound.by_limits, bound.seconds) == (1, 30, 30)


def test_the_simulator_follows_real_calls_and_keeps_no_token(
    simulator: Any, signed_in: Callable[[str], httpx.Client]
) -> None:
    simulator.control("PUT", "latency", {"profile": "realistic", "scale": 0.1})
    simulator.control("POST", "followed")
    fabric = signed_in("fabric")
    body = {"displayName": "acme", "capacityId": "33333333-3333-4333-8333-333333333333"}
    workspace = fabric.post("/v1/workspaces", json=body).json()
    while True:
        told = fabric.get(f"/v1/workspaces/{workspace['id']}").json()
        if told["capacityAssignmentProgress"] == "Completed":
            break

    followed = simulator.control("GET", "followed")

    path = [name.split()[0] for name in followed["bound"]["path"]]
    assert path == ["entra.token", "fabric.create_workspace", "fabric.capacity_assignment", "fabric.get_workspace"]
    # token 0.25, half of create 1.5, the assignment 5, half of a read 0.12, all scaled: the answer counts from its middle
    assert followed["bound"]["critical_path"] == pytest.approx((0.25 + 0.75 + 5 + 0.06) / 10)
    assert "eyJ" not in str(followed)
    simulator.control("DELETE", "followed")
    assert simulator.control("GET", "followed")["calls"] == []
