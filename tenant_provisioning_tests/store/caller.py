"""A process of its own that makes calls within a budget: `python -m …caller URL TENANT CALLS BUDGET SECONDS SLACK URGENT`.

Each call is a line on standard output, the time at which it was let through; so is "waiting", said once before the first.
"""

import asyncio
import sys
import time
from uuid import UUID

from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.database import open_database


async def main(url: str, tenant: str, calls: str, budget: str, seconds: str, slack: str, urgent: str) -> None:
    """As many calls at once as it is told."""
    async with open_database(url, max_size=4) as db:
        allowed = CallBudget(int(budget), "us", float(seconds), float(slack))
        gate = CallBudgets(db, {"vendor": allowed}, UUID(tenant), urgent=urgent == "urgent")

        async def call() -> None:
            async with gate.let_through("vendor"):
                print(time.time(), flush=True)  # noqa: T201

        print("waiting", flush=True)  # noqa: T201
        await asyncio.gather(*(call() for _ in range(int(calls))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
