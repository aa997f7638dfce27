"""What is said to the vendors: a tenant's whole life without Dagster, and everything that the tests of the clients and of the
simulator do.

What is checked about it is not here.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import (
    deployed_reports,
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    module_configuration,
    powerbi_dataset,
    powerbi_workspace,
    super_users,
)
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.steps.removal import remove_created
from tenant_provisioning.steps.report_definition import bound_definition
from tenant_provisioning.steps.reports import ensure_reports
from tenant_provisioning.store import artifacts, organizations
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.requests import submit

RUN = "contract"
BEFORE_REPORTS = (hosting_domain, dns_record, fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
VERIFIED = (dns_record, fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset, super_users)


async def live_a_life(settings: Settings, form: Mapping[str, Any], templates: Sequence[TemplateReport]) -> None:
    """One tenant is onboarded, provisioned, provisioned again, verified and removed; what fails is raised.

    The step that speaks to no vendor is left out, it asks for the progress that Dagster keeps.
    """
    async with open_database(settings.database_url.get_secret_value(), max_size=1) as db:
        tenant = await submit(db, dict(form), requested_by="sam@yourplatform.com", default_domain="yourplatform.com")
        await organizations.claim(db, tenant.id, RUN, actor=f"run {RUN}")
    async with open_context(settings, tenant.subdomain, RUN) as ctx:
        await _provision(ctx, templates)
        await _provision(ctx, templates)  # finds everything
    async with open_context(settings, tenant.subdomain, RUN) as ctx:
        for step in VERIFIED:
            await step.verify(ctx)
        await deployed_reports.verify(ctx, tuple(templates))
        async for _ in remove_created(ctx):
            pass


async def live_briefly(settings: Settings, form: Mapping[str, Any], report: TemplateReport) -> None:
    """One tenant gets a data store, a dataset over it and a report that is a definition; all is verified and removed."""
    async with open_database(settings.database_url.get_secret_value(), max_size=1) as db:
        tenant = await submit(
            db, dict(form), requested_by="sam@yourplatform.com", default_domain="yourplatform.com",
            offered=settings.offered_data_stores,
        )  # fmt: skip
    async with open_context(settings, tenant.subdomain, RUN) as ctx:
        steps = (fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)
        for step in steps:
            await step.ensure(ctx)
        parts = await bound_definition(ctx, report, str((await _dataset(ctx)).vendor_id))
        workspace = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.POWERBI_WORKSPACE)
        assert workspace is not None
        await ctx.vendors.fabric.create_report(str(workspace.vendor_id), report.title, parts, deadline=60)
        for step in steps:
            await step.verify(ctx)
        async for _ in remove_created(ctx):
            pass


async def _dataset(ctx: StepContext) -> Artifact:
    found = await artifacts.find_artifact(ctx.db, ctx.organization.id, ArtifactKind.DATASET)
    assert found is not None
    return found


async def _provision(ctx: StepContext, templates: Sequence[TemplateReport]) -> None:
    for step in (*BEFORE_REPORTS, super_users):
        await step.ensure(ctx)
    async for outcome in ensure_reports(ctx, templates):
        if outcome.error is not None:
            raise outcome.error
    await deployed_reports.ensure(ctx, tuple(templates))
    await module_configuration.ensure(ctx)


def run_tests(root: Path, folder: str, recording: Path) -> None:
    """The tests of a folder pass, in processes of their own; what their simulators are asked and answer goes to the recording.

    The simulators add to one file: each line is written at once.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        f"tenant_provisioning_tests/{folder}",
    ]
    environment = {**os.environ, "SIMULATOR_RECORD": str(recording)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise AssertionError(
            f"the tests of {folder} fail, see to them first:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
        )
