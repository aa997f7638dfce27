"""The data store that a request chooses: kinds by what is offered, a customer's own by fields, a secret that nothing repeats."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.model.data_store import DataStoreKind, OwnDataStore, address_in, read_data_store

WORKSPACE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
SECRET = "hunter2-and-more"
OWN = {
    "kind": "bring_your_own",
    "workspace_url": f"https://app.fabric.microsoft.com/groups/{WORKSPACE}/list",
    "connection_string": f"Server=abc.datawarehouse.fabric.microsoft.com;Database=sales;Password={SECRET}",
}


def read(raw: Any, offered: tuple[DataStoreKind, ...] = tuple(DataStoreKind)) -> tuple[Any, dict[str, list[str]]]:
    errors: dict[str, list[str]] = defaultdict(list)
    return read_data_store(raw, offered, errors), dict(errors)


@pytest.mark.parametrize("kind", [kind for kind in DataStoreKind if kind != "bring_your_own"])
@pytest.mark.parametrize("as_object", [True, False])
def test_a_kind_that_is_offered_can_be_chosen(kind: DataStoreKind, as_object: bool) -> None:
    assert read({"kind": str(kind)} if as_object else str(kind)) == ((kind, None), {})


@pytest.mark.parametrize("nothing", [None, ""])
def test_the_first_kind_offered_is_taken_where_none_is_named(nothing: Any) -> None:
    offered = (DataStoreKind.WAREHOUSE, DataStoreKind.LAKEHOUSE)

    assert read(nothing, offered) == ((DataStoreKind.WAREHOUSE, None), {})


@pytest.mark.parametrize(
    "raw", ["warehouse", {"kind": "warehouse"}, "spreadsheet", {"kind": None}, {}, [], 7, [["lakehouse"]]]
)
def test_a_kind_that_is_not_offered_is_refused_and_what_is_offered_is_told(raw: Any) -> None:
    _, errors = read(raw, (DataStoreKind.LAKEHOUSE,))

    assert list(errors) == ["data_store"]
    assert "Choose one of: lakehouse." in errors["data_store"][0]


def test_a_connection_string_in_the_wrong_place_is_not_repeated() -> None:
    for raw in (
        OWN["connection_string"],
        {"kind": OWN["connection_string"]},
        {OWN["connection_string"]: 1, "kind": "lakehouse"},
    ):
        _, errors = read(raw)

        assert errors
        assert SECRET not in str(errors)


def test_fields_that_the_kind_does_not_have_are_refused() -> None:
    _, errors = read({**OWN, "kind": "lakehouse"})

    assert set(errors) == {"data_store.workspace_url", "data_store.connection_string"}


def test_a_customers_own_names_its_workspace_and_keeps_its_secret_to_itself() -> None:
    (kind, own), errors = read(OWN)

    assert (kind, errors) == (DataStoreKind.BRING_YOUR_OWN, {})
    assert own.workspace_id == WORKSPACE
    assert SECRET not in repr(own)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("workspace_url", None, "required"),
        ("workspace_url", " ", "required"),
        ("workspace_url", 7, "must be text"),
        ("workspace_url", "https://app.fabric.microsoft.com/groups/me/list", "not the address"),
        ("workspace_url", f"http://app.fabric.microsoft.com/groups/{WORKSPACE}", "not the address"),
        ("workspace_url", f"https://fabric.microsoft.com.evil.example/groups/{WORKSPACE}", "not the address"),
        ("workspace_url", f"https://[bad/groups/{WORKSPACE}", "not the address"),
        ("connection_string", None, "required"),
        ("connection_string", "x" * 2001, "too long"),
        ("connection_string", "Server=a\nDatabase=b", "line breaks"),
        ("connection_string", "Database=sales", "no server or no database"),
        ("connection_string", "Server=abc.datawarehouse.fabric.microsoft.com", "no server or no database"),
        ("connection_string", "Server=evil.example;Database=sales", "one of Fabric's"),
        ("connection_string", "Server=evil.example/.database.fabric.microsoft.com;Database=sales", "one of Fabric's"),
        ("connection_string", "Server=.database.fabric.microsoft.com;Database=sales", "one of Fabric's"),
    ],
)
def test_a_mistake_is_told_at_its_field_without_repeating_it(field: str, value: Any, said: str) -> None:
    _, errors = read({**OWN, field: value})

    assert list(errors) == [f"data_store.{field}"]
    assert said in errors[f"data_store.{field}"][0]
    assert SECRET not in str(errors)


@pytest.mark.parametrize(
    "text",
    [
        "Server=tcp:x.database.fabric.microsoft.com,1433;Initial Catalog=sales",
        "data source = X.database.fabric.microsoft.com ; DATABASE=sales;Encrypt=True",
        'Server="x.database.fabric.microsoft.com";Password="a;Database=wrong;b";Database=\'sales\'',
        "Authentication=Active Directory Interactive;Addr=x.database.fabric.microsoft.com;Database=sales;",
    ],
)
def test_server_and_database_are_found_as_clients_write_them(text: str) -> None:
    assert address_in(text) == ("x.database.fabric.microsoft.com", "sales")


@given(st.text(max_size=200) | st.dictionaries(st.sampled_from([*OWN, "?"]), st.none() | st.text(max_size=80)))
def test_whatever_arrives_is_taken_or_told(raw: Any) -> None:
    (kind, own), errors = read(raw)

    if not errors:
        assert kind in DataStoreKind
        assert (own is not None) == (kind is DataStoreKind.BRING_YOUR_OWN)
        assert own is None or isinstance(own, OwnDataStore)
