"""A certificate of the provisioner's, known to the simulated Entra, its key encrypted."""

import pytest

from tenant_provisioning_tests.certificates import pem_with_certificate
from tenant_provisioning_tests.conftest import World

CLIENT = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def encrypted_certificate(world: World) -> str:
    """Key and certificate as PEM; “open sesame” opens the key."""
    pem, certificate = pem_with_certificate(days=90, password="open sesame")
    world.control("PUT", f"entra/clients/{CLIENT}", {"certificate": certificate})
    return pem
