"""The board of organizations by status, with search, filters and the next action of each."""

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.portal import pages
from tenant_provisioning.store import organizations


async def page(request: Request) -> Response:
    """The board."""
    rows = await organizations.list_organizations(pages.db(request))
    return pages.render(request, "organizations.html", rows=rows)
