"""Fabric's routes, all below /v1.

Not simulated: Git, deployment pipelines, bulk definitions, shortcuts, schedules, managed networks, domains, tags, and
writing tables other than by a notebook's run; SQL itself (TDS) is not spoken.
"""

from typing import TYPE_CHECKING

from starlette.routing import Route

from tenant_provisioning.simulator.fabric.connection_calls import connection_routes
from tenant_provisioning.simulator.fabric.item_calls import item_routes
from tenant_provisioning.simulator.fabric.workspace_calls import workspace_routes

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World


def routes(world: "World") -> list[Route]:  # noqa: ARG001 - the shape of every vendor's
    """Every route of Fabric."""
    return [*workspace_routes(), *item_routes(), *connection_routes()]
