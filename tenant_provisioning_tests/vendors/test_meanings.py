"""Where people are told that nothing needs to be done, nothing does: the error is one that goes on by itself."""

import httpx
import pytest

from tenant_provisioning.model.errors import passes_in
from tenant_provisioning.model.meanings import MEANINGS, WAIT
from tenant_provisioning.vendors import azure_sql, fabric, sql
from tenant_provisioning.vendors._answers import Transient, never, refusal

# as each vendor says it, where that is not by 429
STATUS = {
    "ItemDisplayNameNotAvailableYet": 400, "WorkspaceNameIsReserved": 400, "OperationTimedOut": 500, "DatabaseUnavailable": 503,
    "TooManyRequests": 503, "ConflictingDatabaseOperation": 409, "ConflictingSystemOperationInProgress": 409,
    "TargetElasticPoolBeingUpdated": 409, "OperationInterrupted": 409, "DatabaseCopyLimitPerReplicaReached": 409,
}  # fmt: skip
TRANSIENT: dict[str, Transient] = {
    "Microsoft Fabric": fabric._passes,
    "Azure SQL": lambda _, code: code in azure_sql.PASSING,
}
RENEWED = {
    "TokenExpired",
    "ExpiredAuthenticationToken",
}  # the client signs in anew and asks again: test_http, test_microsoft
WAITED_FOR = [code for code, known in MEANINGS.items() if known.action == WAIT and code[1] not in RENEWED]


@pytest.mark.parametrize(("vendor", "code"), [one for one in WAITED_FOR if one[0] != "SQL"])
def test_what_is_said_to_go_on_by_itself_does(vendor: str, code: str) -> None:
    answer = httpx.Response(STATUS.get(code, 429), json={"error": {"code": code, "message": "not now"}})

    error = refusal(vendor, "call", answer, TRANSIENT.get(vendor, never))

    assert error.code == code
    assert passes_in(error) is not None


@pytest.mark.parametrize("number", [int(code) for vendor, code in WAITED_FOR if vendor == "SQL"])
def test_a_number_that_is_said_to_pass_is_one_that_is_tried_again(number: int) -> None:
    assert number in sql.PASSING
