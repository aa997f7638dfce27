"""The vendors' own documents refuse the wrong calls that the platform was first designed with."""

from typing import Any

import pytest

from tenant_provisioning_tests.contract.check import check_request
from tenant_provisioning_tests.contract.exceptions import EXCUSES
from tenant_provisioning_tests.contract.excuse import excuse_for
from tenant_provisioning_tests.contract.specs import Specs

ID = "12345678-1234-4234-8234-123456789012"
WORKSPACE = f"/v1/workspaces/{ID}"
GROUP = f"/v1.0/myorg/groups/{ID}"
UPDATE = f"{GROUP}/datasets/{ID}/Default.UpdateDatasources"
SERVERS = f"/subscriptions/{ID}/resourceGroups/rg/providers/Microsoft.Sql/servers/sql"
CREDENTIALS = {"credentialType": "OAuth2", "encryptionAlgorithm": "RSA-OAEP"}


@pytest.mark.parametrize(
    ("vendor", "method", "path", "body", "found"),
    [
        ("godaddy", "POST", "/v1/domains/yourplatform.com/records/A/@", [{"data": "a.example"}], "wrong method at path"),
        ("fabric", "POST", f"{WORKSPACE}/lakehouses", {"displayName": "lh", "schema": {}}, "unknown property at body.schema"),
        ("fabric", "POST", "/v1/workspaces", {"displayName": "Acme", "folderId": None}, "unknown property at body.folderId"),
        ("azure_sql", "POST", f"{SERVERS}/databases/acme", None, "wrong method at path"),
        ("powerbi", "PATCH", UPDATE, {"updateDetails": []}, "wrong method at path"),
        (
            "powerbi", "POST", UPDATE, {"updateDetails": [{"credentialDetails": CREDENTIALS}]},
            "unknown property at body.updateDetails[].credentialDetails",
        ),
        ("powerbi", "POST", f"{GROUP}/imports", {"fileUrl": "https://a.example"}, "missing parameter at query.datasetDisplayName"),
        ("powerbi", "GET", f"{GROUP}/imports/undefined", None, "format at path.importId"),
    ],
)  # fmt: skip
def test_a_call_of_the_first_design_is_refused(
    specs: Specs, vendor: str, method: str, path: str, body: Any, found: str
) -> None:
    content = (
        {"content_type": "application/json", "bytes": 9, "json": body} if body else {"content_type": None, "bytes": 0}
    )
    exchange = {"vendor": vendor, "request": {"method": method, "path": path, "query": [], **content}}

    violations = list(check_request(specs, exchange))

    assert found in [f"{one.mismatch.rule} at {one.mismatch.at}" for one in violations]
    assert not any(excuse_for(one, EXCUSES) for one in violations)
