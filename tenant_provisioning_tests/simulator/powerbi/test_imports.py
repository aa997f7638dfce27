"""Imports at the simulated Power BI: what a package brings, and the four ways with a name that is taken."""

from typing import Any

import pytest


def test_an_import_brings_a_dataset_and_a_report_named_without_the_extension(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    begun = powerbi.upload(group, pbix(), "Learner progress.pbix")
    assert (begun.status_code, set(begun.json())) == (202, {"id"})
    ended = powerbi.call("GET", f"/groups/{group}/imports/{begun.json()['id']}").json()
    assert (ended["importState"], ended["name"]) == ("Succeeded", "Learner progress")
    assert [found["name"] for found in ended["datasets"]] == ["Learner progress"]
    assert ended["reports"][0]["datasetId"] == ended["datasets"][0]["id"]
    assert powerbi.names(group, "datasets") == powerbi.names(group, "reports") == ["Learner progress"]


def test_an_import_is_publishing_for_a_while(powerbi: Any, pbix: Any, slow: Any) -> None:
    group = powerbi.group()
    begun = powerbi.upload(group, pbix()).json()["id"]
    shown = powerbi.call("GET", f"/groups/{group}/imports/{begun}").json()
    assert (shown["importState"], shown["reports"], powerbi.names(group, "reports")) == ("Publishing", [], [])
    slow()
    assert powerbi.call("GET", f"/groups/{group}/imports/{begun}").json()["importState"] == "Succeeded"


@pytest.mark.parametrize("content", [b"not a zip", b"PK\x03\x04broken", b""])
def test_a_file_that_is_no_package_ends_as_a_failed_import(powerbi: Any, content: bytes) -> None:
    group = powerbi.group()
    ended = powerbi.imported(group, content)
    assert (ended["importState"], ended["error"]["code"]) == ("Failed", "RequestedFileIsEncryptedOrCorrupted")
    assert powerbi.names(group, "datasets") == []


def test_a_thin_package_brings_a_report_only(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    dataset = powerbi.imported(group, pbix(), "Base.pbix")["datasets"][0]["id"]
    ended = powerbi.imported(group, pbix(live=dataset), "Thin.pbix")
    assert (ended["importState"], ended["datasets"], ended["reports"][0]["datasetId"]) == ("Succeeded", [], dataset)
    assert powerbi.names(group, "datasets") == ["Base"]


def test_a_thin_package_of_an_unknown_dataset_fails(powerbi: Any, pbix: Any) -> None:
    ended = powerbi.imported(powerbi.group(), pbix(live="99999999-9999-4999-8999-999999999999"))
    assert ended["importState"] == "Failed"


def test_ignore_is_the_default_and_makes_a_duplicate_after_which_overwriting_fails(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    powerbi.imported(group, pbix())
    powerbi.imported(group, pbix())
    assert powerbi.names(group, "datasets") == ["Progress", "Progress"]
    for conflict in ("Overwrite", "CreateOrOverwrite"):
        refused = powerbi.upload(group, pbix(), nameConflict=conflict)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "MoreThanOneDuplicatePackageFoundError")


def test_abort_refuses_what_is_there(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    assert powerbi.imported(group, pbix(), nameConflict="Abort")["importState"] == "Succeeded"
    refused = powerbi.upload(group, pbix(), nameConflict="Abort")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "DuplicatePackageFoundError")


def test_abort_without_report_over_a_dataset_alone_is_a_bad_request(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    powerbi.imported(group, pbix(), skipReport="true")
    assert powerbi.names(group, "reports") == []
    assert powerbi.upload(group, pbix(), nameConflict="Abort", skipReport="true").status_code == 400


def test_overwrite_refuses_what_is_not_there(powerbi: Any, pbix: Any) -> None:
    refused = powerbi.upload(powerbi.group(), pbix(), nameConflict="Overwrite")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "DuplicatePackageNotFoundError")


def test_create_or_overwrite_keeps_the_ids(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    first = powerbi.imported(group, pbix(), nameConflict="CreateOrOverwrite")
    second = powerbi.imported(group, pbix(table="courses"), nameConflict="CreateOrOverwrite")
    assert [found["id"] for found in second["datasets"]] == [found["id"] for found in first["datasets"]]
    assert [found["id"] for found in second["reports"]] == [found["id"] for found in first["reports"]]
    assert powerbi.names(group, "reports") == ["Progress"]


def test_an_import_can_be_made_to_fail_for_good_by_its_name(powerbi: Any, pbix: Any, simulator: Any) -> None:
    group = powerbi.group()
    plan = {"match": {"name": "Learner progress"}, "times": "forever", "message": "The model has an error."}
    fault = simulator.add_fault("powerbi", "import_failed", **plan)
    for _ in range(2):
        ended = powerbi.imported(group, pbix(), "Learner progress.pbix", nameConflict="CreateOrOverwrite")
        assert (ended["importState"], ended["error"]["message"]) == ("Failed", "The model has an error.")
    assert powerbi.imported(group, pbix(), "Attendance.pbix")["importState"] == "Succeeded"
    simulator.control("DELETE", f"faults/{fault}")
    assert powerbi.imported(group, pbix(), "Learner progress.pbix")["importState"] == "Succeeded"


def test_an_import_can_stay_publishing(powerbi: Any, pbix: Any, simulator: Any) -> None:
    simulator.add_fault("powerbi", "import_stuck")
    ended = powerbi.imported(powerbi.group(), pbix())
    assert ended["importState"] == "Publishing"


def test_wrong_imports_are_refused(powerbi: Any, pbix: Any) -> None:
    group = powerbi.group()
    options = {"datasetDisplayName": "x.pbix", "nameConflict": "Ignore"}
    assert powerbi.call("POST", f"/groups/{group}/imports", options).status_code == 400
    assert powerbi.call("POST", f"/groups/{group}/imports", files={"f": ("x.pbix", pbix())}).status_code == 400
    assert powerbi.upload(group, pbix(), nameConflict="Replace").status_code == 400
    plain = {"params": {"datasetDisplayName": "x"}, "content": b"x", "headers": {"Content-Type": "text/plain"}}
    assert powerbi.call("POST", f"/groups/{group}/imports", **plain).status_code == 415
    assert powerbi.call("GET", f"/groups/{group}/imports/undefined").status_code == 404


def test_a_large_file_goes_through_a_temporary_place_on_another_host(powerbi: Any, pbix: Any, http: Any) -> None:
    group = powerbi.group()
    place = powerbi.call("POST", f"/groups/{group}/imports/createTemporaryUploadLocation").json()
    assert not place["url"].startswith(str(http.base_url).rstrip("/"))
    assert http.put(place["url"], content=pbix()).status_code == 400
    assert http.put(place["url"][:-3], content=pbix(), headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
    assert http.put(place["url"], content=pbix(), headers={"x-ms-blob-type": "BlockBlob"}).status_code == 201
    begun = powerbi.call("POST", f"/groups/{group}/imports?datasetDisplayName=Large.pbix", {"fileUrl": place["url"]})
    assert begun.status_code == 202
    assert powerbi.names(group, "reports") == ["Large"]
