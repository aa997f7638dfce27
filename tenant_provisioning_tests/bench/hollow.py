"""Dagster's own part of P2: processor seconds of a run that has the assets, checks and reports of a real one, and does nothing.

Steps are hollow, everything around them is as it is: the graph of all templates, the selection of one customer, the executor, the
storage in PostgreSQL. It runs in this process, which has loaded the project already; what loading takes is told beside it.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster_async_executor import async_executor

from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.defs.assets import assets
from tenant_provisioning.defs.checks import build_checks
from tenant_provisioning.defs.jobs import provision_tenant
from tenant_provisioning.defs.reports import build_reports
from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning.model.catalog import Catalog, matching_reports
from tenant_provisioning.model.plan import planned_steps
from tenant_provisioning_tests.bench.family import Family
from tenant_provisioning_tests.bench.measure import Measure

ROWS, QUICK_ROWS = 7, 1
ACME = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
LOAD = "import dagster._grpc.impl, tenant_provisioning.definitions as it; it.defs.get_all_jobs()"


def measure(quick: bool) -> Iterator[Measure]:
    """The median, and the parts that are not in it: PostgreSQL's, and loading."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, throwaway_postgres() as postgres:
        catalog = write_sample(Path(folder) / "catalog")
        storage = {
            "module": "tenant_provisioning.defs.storage", "class": "KeptConnectionsStorage",
            "config": {"postgres_url": postgres.url("dagster", driver="psycopg2")},
        }  # fmt: skip
        with dg.instance_for_test(overrides={"storage": {"custom": storage}}) as instance:
            steps = planned_steps([report.key for report in matching_reports(catalog.reports, ACME)])
            rows = [
                _run(instance, catalog, f"hollow-{number}", steps)
                for number in range(1 + (QUICK_ROWS if quick else ROWS))
            ][1:]
        loading = [_loading(Path(folder) / "catalog") for _ in range(1 if quick else 3)]
    seconds = median(own for own, _ in rows)
    facts = {
        "rows": len(rows), "assets": len(steps), "each": [round(own, 2) for own, _ in rows],
        "postgres": round(median(theirs for _, theirs in rows), 2), "loading": round(median(loading), 2),
    }  # fmt: skip
    yield Measure("hollow", "CPU of Dagster alone, steps that do nothing", round(seconds, 2), "s", facts=facts)


def hollow_job(catalog: Catalog) -> dg.JobDefinition:
    """`provision_tenant`, of assets and checks that are like the real ones from outside."""
    real = [*assets, *build_reports(catalog)]
    definitions = dg.Definitions(
        assets=[_hollow_asset(one) for one in real],
        asset_checks=[_hollow_checks(one) for one in build_checks()],
        jobs=[provision_tenant],
        executor=async_executor,
    )
    return definitions.resolve_job_def(provision_tenant.name)


def _hollow_asset(real: dg.AssetsDefinition) -> dg.AssetsDefinition:
    # a hollow report leaves as many facts as a real one
    facts = dict.fromkeys(("report_id", "title", "strategy", "content_hash", "open"), "nothing of the kind")

    @dg.multi_asset(name=real.node_def.name, specs=list(real.specs), can_subset=real.can_subset)
    # Dagster knows the annotation of a generator, but not of an async one
    async def nothing(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        for key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata=facts)

    return nothing


def _hollow_checks(real: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=real.node_def.name, specs=list(real.check_specs), can_subset=True)
    async def nothing(context: dg.AssetCheckExecutionContext):  # type: ignore[no-untyped-def]
        for key in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(passed=True, asset_key=key.asset_key, check_name=key.name)

    return nothing


def _run(instance: dg.DagsterInstance, catalog: Catalog, name: str, steps: Sequence[str]) -> tuple[float, float]:
    """Processor seconds of this process and of its children, for the second of which there is only PostgreSQL."""
    job = hollow_job(catalog)
    instance.add_dynamic_partitions("tenant", [name])
    family = Family(os.getpid())
    began, before = time.process_time(), family.cpu()["postgres"]
    selection = {dg.AssetKey(step.split("/")) for step in steps}
    part = job.get_subset(asset_selection=selection)
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    run = instance.create_run_for_job(
        part, run_config=quiet, tags={"dagster/partition": name}, asset_selection=frozenset(selection)
    )
    execute_run(InMemoryJob(part), run, instance, raise_on_error=True)
    own, theirs = time.process_time() - began, family.cpu()["postgres"] - before
    family.close()
    return own, theirs


def _loading(catalog: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-W", "ignore", "-c", LOAD], env={"CATALOG_PATH": str(catalog)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
