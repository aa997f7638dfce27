"""The jobs. Sensors launch them with a selection; a person may launch them, or any asset, from the UI."""

import dagster as dg

provision_tenant = dg.define_asset_job(
    "provision_tenant",
    selection=dg.AssetSelection.all(),
    description="Everything one tenant needs, up to the point where a person looks. Reports that do not match are passed over.",
)
