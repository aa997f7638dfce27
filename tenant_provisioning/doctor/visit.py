"""What doctor's checks are given: the settings, the vendors' clients, and what earlier checks have learnt."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.context import Vendors, open_vendors
from tenant_provisioning.store.database import Database, open_database

T = TypeVar("T")
ATTEMPTS, TIMEOUT = 2, 10.0  # a doctor who waits as long as a provisioning run would not be asked


@dataclass(frozen=True)
class Visit:
    """One visit of the doctor. `learnt` is what a check leaves to those that need it."""

    settings: Settings
    vendors: Vendors
    now: datetime
    learnt: dict[str, Any] = field(default_factory=dict)

    def days_until(self, end: datetime) -> int:
        """Whole days until then; negative when it is over."""
        return (end - self.now).days

    async def ask_database(self, question: Callable[[Database], Awaitable[T]]) -> T:
        """The answer of the platform database, on a connection of its own; SetupError where it cannot be reached."""
        async with open_database(self.settings.database_url.get_secret_value(), max_size=1) as db:
            return await question(db)


@asynccontextmanager
async def open_visit(settings: Settings, *, now: datetime | None = None) -> AsyncIterator[Visit]:
    """A visit with few and short attempts."""
    changes = {
        "call_attempts": min(settings.call_attempts, ATTEMPTS),
        "call_timeout": min(settings.call_timeout, TIMEOUT),
    }
    brisk = settings.model_copy(update=changes)
    async with open_vendors(brisk) as vendors:
        yield Visit(brisk, vendors, now or datetime.now(UTC))
