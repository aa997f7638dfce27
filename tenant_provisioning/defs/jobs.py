"""The jobs. Sensors launch them with a selection; a person may launch them, or any asset, from the UI."""

import dagster as dg

# A run whose process was killed is started again by the daemon; one whose step failed has said why and waits for a person.
CRASH_RETRIES = {"dagster/max_retries": "2", "dagster/retry_on_asset_or_op_failure": "false"}

provision_tenant = dg.define_asset_job(
    "provision_tenant",
    selection=dg.AssetSelection.all(),
    description="Everything one tenant needs, up to the point where a person looks. Reports that do not match are passed over.",
    tags=CRASH_RETRIES,
)
