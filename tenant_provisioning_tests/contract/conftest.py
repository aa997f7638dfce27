"""The vendors' documents, simulators that record, and the summary at the end. Without `--specs` what needs documents is skipped."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from tenant_provisioning.model.catalog import ReportStrategy, TemplateReport
from tenant_provisioning.settings import Settings
from tenant_provisioning_tests.contract.exceptions import ADDED
from tenant_provisioning_tests.contract.findings import Findings, read_exchanges
from tenant_provisioning_tests.contract.journey import live_a_life, live_briefly, run_tests
from tenant_provisioning_tests.contract.specs import Specs, read_specs

FINDINGS = pytest.StashKey[Findings]()
BRISK = {"profile": "realistic", "scale": 0.01}  # fast, yet slow enough to be told that things are not finished


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--specs DIR`, known when this folder is named on the command line."""
    parser.addoption("--specs", type=Path, help="the folder of the vendors' OpenAPI documents")


@pytest.fixture(scope="session")
def specs(request: pytest.FixtureRequest) -> Specs:
    """The vendors' documents; a test that asks for them is skipped where no folder of them was named."""
    folder = request.config.getoption("--specs", None)
    if folder is None:
        pytest.skip("no vendors' documents to check against: `make contract` does, with SPECS=DIR")
    try:
        return read_specs(folder, ADDED)
    except FileNotFoundError as missing:
        pytest.fail(f"the vendors' documents are not there: {missing}", pytrace=False)


@pytest.fixture(scope="session")
def findings(specs: Specs, request: pytest.FixtureRequest) -> Findings:
    """What the check of everything recorded found; made once, shown at the end."""
    found = Findings(specs)
    ours: Path = request.getfixturevalue("journey")
    run_tests(request.config.rootpath, "vendors", ours)
    others = ours.with_name("simulator.jsonl")
    run_tests(request.config.rootpath, "simulator", others)
    for exchange in read_exchanges(ours):
        found.add(exchange)
    for exchange in read_exchanges(others):  # its requests are not ours, and many are wrong on purpose
        found.add(exchange, requests=False)
    request.config.stash[FINDINGS] = found
    return found


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file to which every simulator started from here on writes what it is asked and answers."""
    file = tmp_path_factory.mktemp("recording") / "ours.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMULATOR_RECORD", str(file))
        yield file


@pytest.fixture(scope="session")
def defined_report(tmp_path_factory: pytest.TempPathFactory) -> TemplateReport:
    """A template report that is a definition."""
    folder = tmp_path_factory.mktemp("definition")
    (folder / "definition.pbir").write_text('{"datasetReference": {"byPath": {"path": "../a.SemanticModel"}}}')
    (folder / "report.json").write_text("{}")
    return TemplateReport("defined", "Defined", ReportStrategy.DEFINITION, "f", "h", definition_path=str(folder))


@pytest.fixture(scope="session")
def journey(
    recording: Path,
    request: pytest.FixtureRequest,
    make_settings: Callable[[Any, str], Settings],
    new_database: Callable[[], str],
    template_reports: list[dict[str, str]],
    acme_reports: tuple[TemplateReport, ...],
    onboarding_form: Callable[..., dict[str, Any]],
    defined_report: TemplateReport,
) -> Path:
    """The recording of the lives of two tenants: with everything answered at once, and with everything taking its time.

    Between them, tenants with every other kind of data store live up to a report.
    """
    world = request.getfixturevalue("world_process")  # started only now, when it knows that it is to record
    world.reset(template_reports)
    settings = make_settings(world, new_database())
    with stamina.set_testing(True, attempts=6, cap=True):
        asyncio.run(live_a_life(settings, onboarding_form("acme"), acme_reports))
        for kind in settings.offered_data_stores[1:-1]:  # the first has had its life, the last brings its own
            form = onboarding_form(f"{kind.replace('_', '-')}", data_store=kind)
            asyncio.run(live_briefly(settings, form, defined_report))
    world.control("PUT", "latency", BRISK)
    asyncio.run(live_a_life(settings, onboarding_form("brisk"), acme_reports))
    return recording


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The summary of the check, where it was carried out."""
    found = config.stash.get(FINDINGS, None)
    if found is not None:
        terminalreporter.section("what our clients and the simulator say, checked against the vendors' documents")
        for line in found.summary():
            terminalreporter.write_line(line)
