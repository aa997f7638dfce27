"""One organization, live."""

from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.portal import pages
from tenant_provisioning.store.organizations import get_organization


async def page(request: Request) -> Response:
    """The organization's page."""
    organization = await get_organization(pages.db(request), request.path_params["organization_id"])
    return pages.render(request, "organization.html", organization=organization)
