"""Acmes at every stage of their making, for the tests of the steps.

Database and world are made once a module; each test has an organization of its own in them, so that none sees another's things.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.catalog.definitions import inspect_definition
from tenant_provisioning.model.catalog import Catalog, ReportStrategy, TemplateReport
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import fabric_data_store, fabric_workspace, powerbi_dataset, powerbi_workspace
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.requests import submit
from tenant_provisioning.store.vault import Vault

NUMBERS = itertools.count(1)
TEMPLATE_WORKSPACE = "44444444-4444-4444-8444-444444444444"
PASSING = {"deletedWorkspaces", "imports", "packages", "mails", "last_sign_in_at"}  # traces, not things


@pytest.fixture(autouse=True)
def _at_once(no_waiting: None) -> None:
    """Nothing here sleeps to be safe."""


@pytest.fixture(scope="module")
def platform_url(new_database: Callable[[], str]) -> str:
    """The platform database of the module's tests."""
    return new_database()


@pytest.fixture(scope="session")
def template_reports(acme_reports: tuple[TemplateReport, ...]) -> list[dict[str, str]]:
    """The reports that Acme's clones are made of: the fewer there are, the quicker is everything compared with what it was."""
    clones = (template for template in acme_reports if template.strategy is ReportStrategy.CLONE)
    return [{"id": str(template.source_report_id), "name": template.title} for template in clones]


@pytest.fixture(scope="module")
def module_world(world_process: Any, template_reports: list[dict[str, str]]) -> Any:
    """The simulated vendors of the module's tests."""
    world_process.reset(template_reports)
    return world_process


@pytest.fixture
def world(module_world: Any) -> Iterator[Any]:
    """The simulated vendors: without faults, answering at once, the log empty; what other tests made is there."""
    module_world.control("DELETE", "requests")
    yield module_world
    module_world.clear_faults()
    module_world.control("PUT", "latency", {"profile": "instant"})


@pytest.fixture
def vendors(world: Any) -> Callable[[], Any]:
    """Tells what the vendors hold: all but the template workspace, what Fabric makes by itself, and what only tells of the past."""

    def hold() -> Any:
        snapshot = world.snapshot()
        spaces = snapshot["fabric"]["workspaces"]
        for space in spaces:
            space["items"] = [item for item in space["items"] if item["type"] != "SQLEndpoint"]
        snapshot["fabric"]["workspaces"] = [space for space in spaces if space["id"] != TEMPLATE_WORKSPACE]
        return _without_traces(snapshot)

    return hold


def _without_traces(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_traces(value) for key, value in found.items() if key not in PASSING}
    return [_without_traces(one) for one in found] if isinstance(found, list) else found


@pytest.fixture(scope="module")
def module_settings(make_settings: Callable[[Any, str], Settings], module_world: Any, platform_url: str) -> Settings:
    """Settings that point at the module's world and database."""
    return make_settings(module_world, platform_url)


@pytest.fixture(scope="module")
def make_acme(
    module_settings: Settings, onboarding_form: Callable[..., dict[str, Any]]
) -> Iterator[Callable[..., str]]:
    """Makes another Acme with these fields, and does these steps for it; gives its subdomain. Not within an event loop."""

    vault = Vault(module_settings.secrets_key.get_secret_value())

    async def make(db: Database, *steps: Any, **fields: Any) -> str:
        subdomain = f"acme-{next(NUMBERS)}"
        ada = {"email": f"ada@{subdomain}.example", "first_name": "Ada", "last_name": "Admin"}
        form = onboarding_form(subdomain, super_users=[ada], **fields)
        kinds = module_settings.offered_data_stores
        await submit(
            db,
            form,
            requested_by="sam@yourplatform.com",
            default_domain="yourplatform.com",
            offered=kinds,
            vault=vault,
        )
        if steps:
            async with open_context(module_settings, subdomain, "run-1") as ctx:
                for step in steps:
                    await step.ensure(ctx)
        return subdomain

    with asyncio.Runner() as runner:
        # opened once: there are hundreds of them
        closing, opening = AsyncExitStack(), open_database(module_settings.database_url.get_secret_value(), max_size=1)
        db = runner.run(closing.enter_async_context(opening))
        yield lambda *steps, **fields: runner.run(make(db, *steps, **fields))
        runner.run(closing.aclose())


@pytest.fixture
def acme(make_acme: Callable[..., str]) -> str:
    """The subdomain of an Acme that nobody else has, just submitted."""
    return make_acme()


@pytest.fixture
async def ctx(
    acme: str, world: Any, open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]]
) -> AsyncIterator[StepContext]:
    """The context of that Acme's steps."""
    async with open_ctx(acme) as context:
        yield context


@pytest.fixture(scope="module")
def reports_acme(make_acme: Callable[..., str]) -> str:
    """The subdomain of an Acme that is ready for reports. Tests share it: each takes templates that no other takes."""
    return make_acme(fabric_workspace, fabric_data_store, powerbi_workspace, powerbi_dataset)


@pytest.fixture
async def reports_ctx(
    reports_acme: str, world: Any, open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]]
) -> AsyncIterator[StepContext]:
    """The context of the steps of the Acme that is ready for reports."""
    async with open_ctx(reports_acme) as context:
        yield context


@pytest.fixture(scope="session")
def report_definition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report's definition, as git integration lays it out."""
    folder = tmp_path_factory.mktemp("definitions") / "attendance.Report"
    (folder / "definition").mkdir(parents=True)
    (folder / ".platform").write_text('{"metadata": {"type": "Report", "displayName": "Template"}}')
    reference = {"byPath": {"path": "../attendance.SemanticModel"}}
    (folder / "definition.pbir").write_text(json.dumps({"version": "4.0", "datasetReference": reference}))
    (folder / "definition" / "report.json").write_text('{"themeCollection": {}}')
    return folder


@pytest.fixture(scope="module")
def defined_reports(platform_url: str, sample_catalog: Catalog, report_definition: Path) -> tuple[TemplateReport, ...]:
    """Templates that are definitions, which the database knows beside the sample's."""
    feature, sha256 = sample_catalog.reports[0].feature_key, inspect_definition(report_definition).sha256
    made = tuple(
        TemplateReport(
            f"defined_{number}", f"Defined Report {number}", ReportStrategy.DEFINITION, feature, sha256,
            definition_path=str(report_definition),
        )
        for number in range(40)
    )  # fmt: skip

    async def sync() -> None:
        async with open_database(platform_url, max_size=1) as db:
            await sync_catalog(db, replace(sample_catalog, reports=(*sample_catalog.reports, *made)))

    asyncio.run(sync())
    return made


@pytest.fixture(scope="module")
def next_template(
    acme_reports: tuple[TemplateReport, ...], defined_reports: tuple[TemplateReport, ...]
) -> Callable[[ReportStrategy], TemplateReport]:
    """Gives a template of this strategy that matches Acme and that nobody has had before."""
    known = (*acme_reports, *defined_reports)
    left = {strategy: iter([one for one in known if one.strategy is strategy]) for strategy in ReportStrategy}
    return lambda strategy: next(left[strategy])
