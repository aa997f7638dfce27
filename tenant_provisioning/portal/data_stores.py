"""The kinds of data store as the wizard offers them: what each is called, what it means, and which fields it asks for.

Which kinds there are, and whether what was entered is right, is the model's to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from tenant_provisioning.model.tenant import DataStoreKind
from tenant_provisioning.portal import forms


@dataclass(frozen=True)
class Field:
    """A field that a kind asks for; a secret one is never shown again."""

    name: str
    label: str
    hint: str
    secret: bool = False


@dataclass(frozen=True)
class Store:
    """A kind to choose."""

    kind: str
    title: str
    text: str
    fields: tuple[Field, ...] = ()


WORKSPACE_URL = Field(
    "workspace_url",
    "Address of the workspace",
    "Open the workspace in Fabric and copy its address from the browser.",
)
CONNECTION_STRING = Field(
    "connection_string",
    "Connection string",
    "Server=…;Database=…. It is encrypted as soon as it arrives and never shown again.",
    secret=True,
)
KNOWN = {
    store.kind: store
    for store in (
        Store("lakehouse", "Fabric lakehouse", "A lakehouse in the tenant's own workspace. The usual choice."),
        Store(
            "warehouse", "Fabric warehouse", "A warehouse in the tenant's own workspace, for SQL through and through."
        ),
        Store("fabric_sql_database", "Fabric SQL database", "A transactional database within Fabric."),
        Store("azure_sql_database", "Azure SQL database", "A copy of the template database in Azure SQL."),
        Store(
            "bring_your_own",
            "The customer's own",
            "A Fabric workspace that the customer runs and has shared with the platform.",
            (WORKSPACE_URL, CONNECTION_STRING),
        ),
    )
}
FIELDS = tuple({field.name: field for store in KNOWN.values() for field in store.fields}.values())


def offered() -> list[Store]:
    """The kinds that the model offers, in its order; one that has no words here yet is shown by its name."""
    return [KNOWN.get(kind, Store(kind, kind.replace("_", " ").capitalize(), "")) for kind in DataStoreKind]


def entered(form: FormData) -> tuple[dict[str, str], dict[str, str]]:
    """What was entered about the data store, and apart from it the secrets that were entered anew."""
    plain = forms.texts(form, ("kind", *(field.name for field in FIELDS if not field.secret)))
    secret = {field.name: forms.text(form, field.name) for field in FIELDS if field.secret}
    return plain, {name: value for name, value in secret.items() if value}


def as_request(plain: Mapping[str, Any], secret: Mapping[str, str]) -> Any:
    """The request's `data_store`: the kind, with the fields that it asks for."""
    kind = plain.get("kind") or offered()[0].kind
    asked = KNOWN[kind].fields if kind in KNOWN else ()
    if not asked:
        return kind
    told = {field.name: (secret if field.secret else plain).get(field.name, "") for field in asked}
    return {"kind": kind, **told}
