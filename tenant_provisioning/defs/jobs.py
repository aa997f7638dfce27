"""The jobs. Sensors launch them with a selection; a person may launch them, or any asset, from the UI."""

import dagster as dg

from tenant_provisioning.model.plan import GO_LIVE

provision_tenant = dg.define_asset_job(
    "provision_tenant",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(GO_LIVE.name),
    description="Everything one tenant needs, up to the point where a person looks. Reports that do not match are passed over.",
)

go_live = dg.define_asset_job(
    "go_live",
    selection=dg.AssetSelection.all_asset_checks() | dg.AssetSelection.assets(GO_LIVE.name),
    description="Every check again, then the customer is let in. The approval sensor launches it once a person has approved.",
)

check_tenant = dg.define_asset_job(
    "check_tenant",
    # Dagster draws a job's partitions from its assets, and this one has none: its runs bear the tenant in their tags
    selection=dg.AssetSelection.all_asset_checks(),
    description="Every check of one tenant again, without making anything: `tenant-provisioning checks TENANT` asks for it.",
)
