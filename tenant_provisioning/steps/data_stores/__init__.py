"""The kinds of data store, one module a kind, each with the same verbs: `make`, `open_up`, `ensure`, `find`, `verify`, `remove`.

Which kind a tenant has its request says; `steps.fabric_data_store` hands over to it and does what is the same for all.
"""

from dataclasses import dataclass, field
from typing import Protocol

from tenant_provisioning.model.artifact import Artifact
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.vendors.sql import SqlDatabase

UP = "Success"  # Fabric's word for an endpoint that answers
STEP = "fabric_data_store"


@dataclass(frozen=True)
class Ready:
    """A data store that is there, with its tables: its ledger row, where a dataset reads it, and what is told of it."""

    row: Artifact
    address: SqlDatabase
    facts: dict[str, str | int | float] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True)
class Condition:
    """What `verify` sees: UP or what there is instead, and the tables that are not there."""

    endpoint: str
    missing: tuple[str, ...]


class DataStore(Protocol):
    """What every module here offers."""

    async def make(self, ctx: StepContext) -> Artifact:
        """The ledger row of the data store, which exists and is ours or the customer's; what it holds is not looked at."""

    async def open_up(self, ctx: StepContext, row: Artifact) -> SqlDatabase:
        """Where a dataset reads it, once it answers."""

    async def ensure(self, ctx: StepContext) -> Ready:
        """All of that, and it has its tables."""

    async def find(self, ctx: StepContext, row: Artifact) -> SqlDatabase | None:
        """Where the data store is read, by asking afresh; None when it is gone or does not answer."""

    async def verify(self, ctx: StepContext, row: Artifact) -> Condition:
        """Whether it answers, and has its tables."""

    async def remove(self, ctx: StepContext, artifact: Artifact) -> None:
        """It is gone; quiet when it already was."""
