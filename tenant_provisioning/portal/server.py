"""The portal as a process: uvicorn, on loopback unless told otherwise. A proxy in front ends TLS and keeps its own log."""

import logging
from urllib.parse import urlsplit

import uvicorn

from tenant_provisioning.portal.app import create_app
from tenant_provisioning.settings import Settings

LAST_WORDS = 3  # seconds that open streams get to end


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C. The port is the one of PORTAL_URL unless it is given."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    address = urlsplit(settings.portal_url)
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port or address.port or 8400,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    uvicorn.Server(config).run()
