"""One worker process of P4: takes queued organizations, some at a time, and makes the calls of each in their order.

It uses the product's clients and their budgets; what the steps do beside calling vendors it leaves out.
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from tenant_provisioning.embedded.environment import SIMULATED_WORLD as WORLD
from tenant_provisioning.model.call_budget import CallBudget
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.fabric import Fabric
from tenant_provisioning.vendors.godaddy import GoDaddy, Record
from tenant_provisioning.vendors.microsoft import EntraTokens

TARGET = "cname.vercel-dns-0.com"


async def main(order: dict[str, Any]) -> None:
    """Until no organization is left."""
    ca_file = Path(order["ca_file"])
    tokens = EntraTokens(
        order["url"],
        WORLD["ENTRA_TENANT_ID"],
        WORLD["ENTRA_CLIENT_ID"],
        secret=WORLD["ENTRA_CLIENT_SECRET"],
        ca_file=ca_file,
    )
    budgets = {kind: CallBudget(**budget) for kind, budget in order["budgets"].items()}
    async with open_database(order["database"], max_size=order["connections"]) as db:
        told: dict[str, Any] = {"waited": 0.0, "longest": 0.0, "tenants": {}}

        async def work() -> None:
            while (organization := await take(db, order["worker"])) is not None:
                began = time.time()
                gate = CallBudgets(db, budgets, organization["id"], counted=True)
                await make(organization["subdomain"], gate, order, tokens, ca_file)
                await finish(db, organization["id"])
                told["tenants"][str(organization["id"])] = (began, time.time())
                told["waited"] += gate.waited
                told["longest"] = max(told["longest"], gate.waited)

        await asyncio.gather(*(work() for _ in range(order["at_once"])))
    print(json.dumps({**told, "cpu": time.process_time()}))  # noqa: T201


async def make(name: str, gate: CallBudgets, order: dict[str, Any], tokens: EntraTokens, ca_file: Path) -> None:
    """What one tenant asks of the vendors that count: workspace, lakehouse, DNS record."""
    how: Any = {"verify": trust(ca_file), "admission": gate}
    async with AsyncExitStack() as stack:
        fabric = await stack.enter_async_context(Fabric(f"{order['url']}/v1", tokens, **how))
        key, secret = WORLD["GODADDY_API_KEY"], WORLD["GODADDY_API_SECRET"]
        godaddy = await stack.enter_async_context(GoDaddy(order["url"], key, secret, **how))
        domain = WORLD["PLATFORM_DOMAIN"]
        workspace = await fabric.create_workspace(name, capacity_id=WORLD["FABRIC_CAPACITY_ID"], description=name)
        await fabric.get_workspace(workspace.id)
        await fabric.create_lakehouse(workspace.id, "store", deadline=600)
        if await godaddy.find_record(domain, "CNAME", name) is None:
            await godaddy.put_record(domain, Record("CNAME", name, TARGET))


async def take(db: Database, worker: str) -> dict[str, Any] | None:
    """The organization that has waited longest, taken."""
    async with db.connection() as connection:
        rows = await connection.execute(
            """update organizations set deployment_status = 'provisioning', claimed_by_run = %s, claimed_at = now()
               where id = (select id from organizations where deployment_status = 'requested'
                           order by created_at, id limit 1 for update skip locked)
               returning id, subdomain""",
            (worker,),
        )
        return await rows.fetchone()


async def finish(db: Database, organization: UUID) -> None:
    """It is made."""
    async with db.connection() as connection:
        await connection.execute(
            """update organizations set deployment_status = 'pending_qa', claimed_by_run = null, claimed_at = null
               where id = %s""",
            (organization,),
        )


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
