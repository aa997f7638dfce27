"""Dagster's part, played in this process: which runs there are, in what order their steps go, when they are tried again.

The code of the steps, the checks and the sensors' decisions is the product's own, called as Dagster calls it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import dagster as dg

from tenant_provisioning.defs.assets import assets
from tenant_provisioning.defs.checks import build_checks
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.reports import build_reports
from tenant_provisioning.defs.rollback import OPS
from tenant_provisioning.defs.runs import PARTITION, RETRIED_AS, WILL_RETRY
from tenant_provisioning.model.plan import GO_LIVE, REPORT_PREFIX, STEPS

CRASH_RETRIES = 2  # dagster.yaml: run_retries.max_retries
CHECKS_OF = {step.name: step.checks for step in STEPS}
LOG = logging.getLogger("faults.run")


@dataclass
class Run:
    """One run in our books."""

    run: dg.DagsterRun
    end_time: float | None = None


@dataclass
class Runs:
    """Stands where sensors and steps expect the Dagster instance: as much of it as they use."""

    known: dict[str, Run] = field(default_factory=dict)

    @property
    def run_coordinator(self) -> "Runs":
        return self

    def add(self, job: str, tags: Mapping[str, str], parent: dg.DagsterRun | None = None) -> dg.DagsterRun:
        """A run that has started."""
        run = dg.DagsterRun(
            job_name=job, run_id=f"run-{len(self.known) + 1}", status=dg.DagsterRunStatus.STARTED, tags=dict(tags),
            parent_run_id=parent.run_id if parent else None,
            root_run_id=(parent.root_run_id or parent.run_id) if parent else None,
        )  # fmt: skip
        self.known[run.run_id] = Run(run)
        return run

    def end(self, run: dg.DagsterRun, *, success: bool, **tags: str) -> None:
        """The run has ended; so long ago that nobody waits for its sake any more."""
        status = dg.DagsterRunStatus.SUCCESS if success else dg.DagsterRunStatus.FAILURE
        ended = run.with_status(status).with_tags({**run.tags, **tags})
        self.known[run.run_id] = Run(ended, time.time() - 3600)

    def get_run_by_id(self, run_id: str) -> dg.DagsterRun | None:
        return self.known[run_id].run if run_id in self.known else None

    def get_run_record_by_id(self, run_id: str) -> Run | None:
        return self.known.get(run_id)

    def get_run_records(self, filters: dg.RunsFilter) -> list[Run]:
        return [record for record in reversed(self.known.values()) if _matches(record.run, filters)]

    def get_runs(self, filters: dg.RunsFilter) -> list[dg.DagsterRun]:
        return [record.run for record in self.get_run_records(filters)]

    def get_dynamic_partitions(self, _: str) -> list[str]:
        return []

    def cancel_run(self, run_id: str) -> None:
        self.end(self.known[run_id].run, success=False)


def _matches(run: dg.DagsterRun, filters: dg.RunsFilter) -> bool:
    if filters.run_ids and run.run_id not in filters.run_ids:
        return False
    if filters.statuses and run.status not in filters.statuses:
        return False
    for name, wanted in (filters.tags or {}).items():
        values = [wanted] if isinstance(wanted, str) else wanted
        if run.tags.get(name) not in values:
            return False
    return True


@dataclass(frozen=True)
class Unit:
    """An op of a run: its name, what it waits for, and the function that Dagster would call with context and platform."""

    name: str
    after: frozenset[str]
    function: Callable[..., Any]
    selected: tuple[str, ...] = ()


class Jobs:
    """The units of every job, in an order that Dagster could choose, drawn from the real definitions."""

    def __init__(self, platform: Platform) -> None:
        keys = [report.key for report in platform.catalog.reports]
        definitions = {
            "/".join(key.path): one for one in [*assets, *build_reports(platform.catalog)] for key in one.keys
        }
        checks = {f"check_{step.name}": check for step, check in zip(
            (step for step in STEPS if step.checks), build_checks(), strict=True)}  # fmt: skip
        self._reports = tuple(f"{REPORT_PREFIX}{key}" for key in keys)
        made = [self._asset(name, definitions[name]) for name in CHECKS_OF if name != "deployed_reports"]
        made.insert(
            next(at for at, unit in enumerate(made) if unit.name == "module_configuration"),
            self._asset("deployed_reports", definitions["deployed_reports"]),
        )
        reports = Unit(
            "reports",
            frozenset({"dataset_shell", "report_imports"}),
            _function(definitions[self._reports[0]]),
        )
        made.insert(next(at for at, unit in enumerate(made) if unit.name == "deployed_reports"), reports)
        self.provision = [step for unit in made for step in self._with_check(unit, checks)]
        only_checks = [unit for unit in self.provision if unit.name.startswith("check_")]
        alone = [Unit(unit.name, frozenset(), unit.function, unit.selected) for unit in only_checks]
        blocking = frozenset(unit.name for unit in alone) - {"check_dns_record"}
        self.go_live = [*alone, Unit(GO_LIVE.name, blocking, _function(definitions[GO_LIVE.name]))]
        self.rollback = [
            Unit(op.name, frozenset({before.name} if before else ()), op.compute_fn.decorated_fn)  # type: ignore[union-attr]
            for before, op in zip([None, *OPS], OPS, strict=False)
        ]

    def units(self, run: dg.DagsterRun) -> list[Unit]:
        """What the run does, in order."""
        if run.job_name != "provision_tenant":
            return {"go_live": self.go_live, "check_tenant": self.go_live[:-1], "rollback_tenant": self.rollback}[
                run.job_name
            ]
        selected = set(run.tags["selected"].split())
        units = []
        for unit in self.provision:
            reports = tuple(name for name in self._reports if name in selected) if unit.name == "reports" else ()
            if reports or unit.name.removeprefix("check_") in selected:
                units.append(Unit(unit.name, unit.after, unit.function, reports or unit.selected))
        return units

    def _asset(self, name: str, definition: dg.AssetsDefinition) -> Unit:
        wanted = {"/".join(key.path) for key in definition.asset_deps[dg.AssetKey(name.split("/"))]}
        upstream = {"reports" if one.startswith(REPORT_PREFIX) else one for one in wanted}
        guarded = {f"check_{one}" for one in upstream if CHECKS_OF.get(one) and one != "dns_record"}
        return Unit(name, frozenset(upstream | guarded), _function(definition))

    @staticmethod
    def _with_check(unit: Unit, checks: Mapping[str, Any]) -> Iterator[Unit]:
        yield unit
        if check := checks.get(f"check_{unit.name}"):
            function = check.node_def.compute_fn.decorated_fn
            yield Unit(f"check_{unit.name}", frozenset({unit.name}), function, CHECKS_OF[unit.name])


def _function(definition: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = definition.op.compute_fn.decorated_fn
    return function


def carry_out(unit: Unit, run: dg.DagsterRun, runs: Runs, platform: Platform, said: list[str]) -> bool:
    """Whether the unit succeeded, tried again within its run as often as its own code asks for. Errors are added to `said`."""
    for retry in count():
        context: Any = SimpleNamespace(
            partition_key=run.tags[PARTITION], run=run, retry_number=retry, instance=runs, log=LOG,
            selected_asset_keys={dg.AssetKey(name.split("/")) for name in unit.selected},
            selected_asset_check_keys=[SimpleNamespace(name=name) for name in unit.selected],
            op_execution_context=SimpleNamespace(retry_number=retry),
            add_output_metadata=lambda metadata: said.append(str(metadata)),
        )  # fmt: skip
        try:
            return asyncio.run(_called(unit, context, platform, said))
        except dg.RetryRequested:
            continue
        except dg.Failure as failure:
            said.append(f"{unit.name}: {failure.description}")
            return False
        except Exception as error:
            LOG.exception("%s of %s", unit.name, run.run_id)
            said.append(f"{unit.name}: {type(error).__name__}: {error}")
            return False
    raise AssertionError("unreachable")


async def _called(unit: Unit, context: Any, platform: Platform, said: list[str]) -> bool:
    called = unit.function(context, platform)
    if asyncio.iscoroutine(called):
        said.append(str(await called))
        return True
    passed = True
    async for result in called:
        said.append(str(result))
        blocking = isinstance(result, dg.AssetCheckResult) and result.check_name != "resolves_to_the_web_app"
        passed = passed and (not blocking or result.passed)
    return passed


def retried_after_crash(runs: Runs, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """What Dagster's run retries make of a run whose process is gone: another one, or None when it was the last."""
    retries = sum(one.run.root_run_id == (run.root_run_id or run.run_id) for one in runs.known.values())
    if retries >= CRASH_RETRIES:
        runs.end(run, success=False)
        return None
    successor = runs.add(run.job_name, run.tags, parent=run)
    runs.end(run, success=False, **{WILL_RETRY: "true", RETRIED_AS: successor.run_id})
    return successor
