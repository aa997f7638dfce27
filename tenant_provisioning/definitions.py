"""The Dagster project: what `workspace.yaml` loads. The assets themselves are in `defs`; `defs/assets.py` is the place to start.

Loading reads the catalog's manifest and nothing else: no database, no vendor, no credential.
"""

from tenant_provisioning.loading import for_good

with for_good():
    import asyncio
    from typing import Any

    import dagster as dg
    import uvloop
    from dagster_async_executor import async_executor

    from tenant_provisioning.catalog.manifest import load_catalog
    from tenant_provisioning.defs.access import access_sensor
    from tenant_provisioning.defs.assets import assets
    from tenant_provisioning.defs.checks import build_checks
    from tenant_provisioning.defs.jobs import check_tenant, go_live, provision_tenant
    from tenant_provisioning.defs.platform import Platform
    from tenant_provisioning.defs.quality import approval_sensor, checks_sensor, outbox_sensor
    from tenant_provisioning.defs.reports import build_reports
    from tenant_provisioning.defs.repository import Project
    from tenant_provisioning.defs.retention import retention_sensor
    from tenant_provisioning.defs.rollback import rollback_sensor, rollback_tenant
    from tenant_provisioning.defs.sensors import onboarding_sensor, run_failure_sensor
    from tenant_provisioning.settings import catalog_path


def build_defs(**resource_overrides: Any) -> dg.Definitions:
    """The whole project, with resources replaced by name. CatalogInvalid when there is no sound catalog to draw assets from."""
    return dg.Definitions(
        assets=[*assets, *build_reports(load_catalog(catalog_path()))],
        asset_checks=build_checks(),
        jobs=[provision_tenant, go_live, check_tenant, rollback_tenant],
        sensors=[
            onboarding_sensor,
            run_failure_sensor,
            approval_sensor,
            checks_sensor,
            outbox_sensor,
            rollback_sensor,
            access_sensor,
            retention_sensor,
        ],
        resources={"platform": Platform(linger=2.0), **resource_overrides},  # the next step is usually there at once
        # A run is waiting, not computing: one process, in whose event loop steps that do not need each other go side by side.
        # Tenants run side by side as runs.
        executor=async_executor,
    )


# a run's steps wait for many answers side by side, in an event loop that the executor makes
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

with for_good():
    defs = Project(build_defs().get_repository_def())
