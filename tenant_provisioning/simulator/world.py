"""The simulated world: its clock, its randomness, its tables, and the vendors that live in it.

The constants are the identities and stand-in credentials of that world; they open nothing anywhere else. What a vendor
does is in the vendor's own folder; which vendors there are is decided in `app.py`, so that a vendor's state may import
these constants.

Background work (an operation, an import, a zone change) is no task or timer here: a state keeps the time at which the
work will be done and compares it with `now()` whenever it is asked, so that the work survives a restart.
"""

import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tenant_provisioning.simulator.faults import Faults
from tenant_provisioning.simulator.following import Call
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.recording import Recorder
from tenant_provisioning.simulator.storage import StateFile, Table

if TYPE_CHECKING:
    from tenant_provisioning.simulator.azure_sql.state import AzureSqlState
    from tenant_provisioning.simulator.entra.state import EntraState
    from tenant_provisioning.simulator.fabric.state import FabricState
    from tenant_provisioning.simulator.godaddy.state import GoDaddyState
    from tenant_provisioning.simulator.key_vault.state import KeyVaultState
    from tenant_provisioning.simulator.powerbi.state import PowerBIState
    from tenant_provisioning.simulator.supabase.state import SupabaseState
    from tenant_provisioning.simulator.vercel.state import VercelState

TENANT_ID = "11111111-1111-4111-8111-111111111111"
CLIENT_ID = "22222222-2222-4222-8222-222222222222"
CLIENT_SECRET = "simulated-client-secret"  # noqa: S105
MACHINE_CLIENT_ID = "22222222-2222-4222-8222-333333333333"
MACHINE_HEADER = "simulated-identity-header"
GODADDY_KEY = "simulated-key"
GODADDY_SECRET = "simulated-godaddy-secret"  # noqa: S105
GODADDY_ACCESS_TOKEN = "simulated-godaddy-access-token"  # noqa: S105
DOMAIN = "yourplatform.com"
VERCEL_TOKEN = "simulated-vercel-token"  # noqa: S105
VERCEL_PROJECT = "training-platform"
SUPABASE_SERVICE_KEY = "simulated-service-role-key"
SUPABASE_ANON_KEY = "simulated-anon-key"
SUPABASE_JWT_SECRET = "simulated-jwt-secret-with-at-least-32-characters"  # noqa: S105
CAPACITY_ID = "33333333-3333-4333-8333-333333333333"
TEMPLATE_WORKSPACE_ID = "44444444-4444-4444-8444-444444444444"
TEMPLATE_DATASET_ID = "55555555-5555-4555-8555-555555555555"
TEMPLATE_NOTEBOOK_ID = "66666666-6666-4666-8666-666666666666"
TEMPLATE_SQL_ENDPOINT_ID = "77777777-7777-4777-8777-777777777777"
TEMPLATE_SQL_ENDPOINT_HOST = "template-endpoint.datawarehouse.fabric.microsoft.com"

LOG_LENGTH = 100_000

R = TypeVar("R")


class VendorState(Protocol):
    """What every vendor's state offers. It may also have `knobs`, a frozen pydantic model that the control API sets."""

    def seed(self) -> None:
        """Make the world as it is before there is any tenant; called on an empty world only."""

    def snapshot(self) -> dict[str, Any]:
        """Everything that exists at this vendor, as JSON values."""


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One request in the log. It never holds a token or a body."""

    vendor: str
    operation: str
    method: str
    path: str
    status: int  # 0 when the connection was closed without an answer
    identity: str
    started: float
    seconds: float
    fault: str | None = None


class World:
    """Everything the vendors share. `reset` makes the vendors' states anew: reach them as `world.fabric`, keep none."""

    entra: "EntraState"
    godaddy: "GoDaddyState"
    vercel: "VercelState"
    fabric: "FabricState"
    powerbi: "PowerBIState"
    supabase: "SupabaseState"
    azure_sql: "AzureSqlState"
    key_vault: "KeyVaultState"

    def __init__(
        self,
        vendors: Mapping[str, Callable[["World"], VendorState]],
        *,
        seed: int = 0,
        latency: Latency | None = None,
        state_file: Path | None = None,
        record_file: Path | None = None,
        smtp_port: int = 0,
    ) -> None:
        self.smtp_port = smtp_port  # where what a vendor mails itself is delivered; 0: nowhere
        self.recorder = Recorder(record_file) if record_file else None
        self.latency = latency or Latency()
        self.log: deque[RequestSeen] = deque(maxlen=LOG_LENGTH)
        self.followed: list[Call] | None = None  # every call in its detail, once somebody has asked for that
        self._seed = seed
        self._skew = 0.0
        self._vendors = vendors
        self._file = StateFile(state_file) if state_file else None
        self._tables: dict[str, Table[Any]] = {}
        self._kept: set[str] = set()
        starts = self.table("world.starts", float, kept=True)
        # ids must not repeat after a restart, and be the same again for the same seed and the same history
        self.random = random.Random(f"{seed}:{len(starts)}")  # noqa: S311 - repeatable on purpose
        self.faults = Faults(self.random)
        starts.put(str(len(starts)), time.time())
        self._make_vendors()
        if len(starts) == 1:
            self._seed_vendors()
        self.commit()

    def now(self) -> float:
        """Seconds since the epoch by the world's clock, which the control API may put forward."""
        return time.time() + self._skew

    def advance(self, seconds: float) -> None:
        """Put the world's clock forward."""
        self._skew += seconds

    def new_id(self) -> str:
        """A UUID (version 4) from the world's own randomness."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def table(self, name: str, record_type: type[R], *, kept: bool = False) -> Table[R]:  # noqa: ARG002 - for mypy
        """The table of that name, such as `fabric.workspaces`; a kept one is not emptied by `reset`."""
        if name not in self._tables:
            self._tables[name] = Table(name, self._file)
        if kept:
            self._kept.add(name)
        return self._tables[name]

    def states(self) -> dict[str, VendorState]:
        """The vendors' states by name, in the order in which they are made."""
        return {name: getattr(self, name) for name in self._vendors}

    def commit(self) -> None:
        """Make everything that happened so far outlive this process, if the world has a state file."""
        if self._file is not None:
            self._file.commit()

    def reset(self) -> None:
        """Back to the world before any tenant: no faults, no log, the clock right, the same seed."""
        for name, table in self._tables.items():
            if name not in self._kept:
                table.clear()
        self.random.seed(f"{self._seed}:{len(self.table('world.starts', float))}")
        self._skew = 0.0
        self.faults.clear()
        self.log.clear()
        self.followed = None
        self._make_vendors()
        self._seed_vendors()
        self.commit()

    def close(self) -> None:
        """Let go of the state file and the recording."""
        if self._file is not None:
            self._file.close()
        if self.recorder is not None:
            self.recorder.close()

    def _make_vendors(self) -> None:
        for name, make in self._vendors.items():
            setattr(self, name, make(self))

    def _seed_vendors(self) -> None:
        for state in self.states().values():
            state.seed()
