"""`python -m tenant_provisioning.portal`: serves the portal where PORTAL_URL says, until it is told to stop."""

from tenant_provisioning.portal.server import serve
from tenant_provisioning.settings import load_settings

if __name__ == "__main__":
    serve(load_settings())
