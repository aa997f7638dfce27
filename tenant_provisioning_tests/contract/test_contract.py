"""What our clients send and the simulator answers is what the vendors specify, but for the exceptions that are named."""

import pytest

from tenant_provisioning_tests.contract.exceptions import EXCUSES, SECTION_11
from tenant_provisioning_tests.contract.excuse import short
from tenant_provisioning_tests.contract.findings import Findings

pytestmark = [pytest.mark.journey, pytest.mark.timeout(1800)]
CALLED = ["fabric", "powerbi", "godaddy", "supabase", "azure_sql"]  # the vendors with a document that our clients call
SIMULATED = [*CALLED, "key_vault"]


@pytest.mark.parametrize("vendor", CALLED)
def test_every_request_of_ours_is_as_specified(findings: Findings, vendor: str) -> None:
    assert findings.requests[vendor]
    assert not findings.of(vendor, "request")


@pytest.mark.parametrize("vendor", SIMULATED)
def test_every_answer_of_the_simulator_is_as_specified(findings: Findings, vendor: str) -> None:
    assert findings.answers[vendor]
    assert not findings.of(vendor, "answer")


def test_no_exception_is_kept_that_nothing_needs(findings: Findings) -> None:
    spare = [short(excuse) for excuse in EXCUSES if not findings.used[excuse] and excuse.source != SECTION_11]

    assert not spare
