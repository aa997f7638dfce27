"""The kinds of data store as the wizard offers them: what each is called, what it means, and which fields it asks for.

Which kinds there are, and whether what was entered is right, is the model's to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from tenant_provisioning.model.data_store import TITLES, DataStoreKind
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
OF_THE_CUSTOMER = (WORKSPACE_URL, CONNECTION_STRING)
WORDS = {
    DataStoreKind.LAKEHOUSE: "A lakehouse in the tenant's own workspace. The usual choice.",
    DataStoreKind.WAREHOUSE: "A warehouse in the tenant's own workspace, for SQL through and through.",
    DataStoreKind.FABRIC_SQL_DATABASE: "A transactional database within Fabric.",
    DataStoreKind.AZURE_SQL_DATABASE: "A copy of the template database, in Azure SQL.",
    DataStoreKind.BRING_YOUR_OWN: "A workspace that the customer runs and has shared with the platform.",
}
FIELDS = OF_THE_CUSTOMER


def offered(kinds: Sequence[DataStoreKind]) -> list[Store]:
    """These kinds, in words."""
    return [Store(kind, TITLES[kind], WORDS.get(kind, ""), _fields(kind)) for kind in kinds]


def entered(form: FormData) -> tuple[dict[str, str], dict[str, str]]:
    """What was entered about the data store, and apart from it the secrets that were entered anew."""
    plain = forms.texts(form, ("kind", *(field.name for field in FIELDS if not field.secret)))
    secret = {field.name: forms.text(form, field.name) for field in FIELDS if field.secret}
    return plain, {name: value for name, value in secret.items() if value}


def as_request(plain: Mapping[str, Any], secret: Mapping[str, str]) -> Any:
    """The request's `data_store`: the kind, with the fields that it asks for; nothing when none was chosen yet."""
    kind = plain.get("kind") or None
    asked = _fields(kind)
    if not asked:
        return kind
    told = {field.name: (secret if field.secret else plain).get(field.name, "") for field in asked}
    return {"kind": kind, **told}


def _fields(kind: str | None) -> tuple[Field, ...]:
    return OF_THE_CUSTOMER if kind == DataStoreKind.BRING_YOUR_OWN else ()
