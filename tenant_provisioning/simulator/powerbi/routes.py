"""Power BI's routes, all below /v1.0/myorg; paths are matched without regard to case.

Not simulated: "My workspace", dashboards, dataflows, apps, scorecards, exports to other formats, refresh schedules,
on-premises gateways, query scale-out, and the admin calls but for restoring a group.
"""

from typing import TYPE_CHECKING

from starlette.routing import Route

from tenant_provisioning.simulator.powerbi.dataset_calls import dataset_routes
from tenant_provisioning.simulator.powerbi.group_calls import group_routes
from tenant_provisioning.simulator.powerbi.import_calls import import_routes
from tenant_provisioning.simulator.powerbi.report_calls import report_routes

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World


def routes(world: "World") -> list[Route]:  # noqa: ARG001 - the shape of every vendor's
    """Every route of Power BI."""
    return [*group_routes(), *import_routes(), *dataset_routes(), *report_routes()]
