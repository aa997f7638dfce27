"""From an approval to a live customer inside a real Dagster: what is launched, in which order it runs, and what stops it."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import dagster as dg
import pytest

from tenant_provisioning.defs import execution
from tenant_provisioning.defs.assets import assets
from tenant_provisioning.defs.checks import build_checks
from tenant_provisioning.defs.decisions import GO_LIVE_ATTEMPTS, GO_LIVE_WAIT, LONGEST_GO_LIVE_WAIT, is_go_live_due
from tenant_provisioning.defs.jobs import check_tenant, go_live, provision_tenant
from tenant_provisioning.defs.platform import Platform
from tenant_provisioning.defs.quality import approval_sensor, checks_sensor, outbox_sensor
from tenant_provisioning.defs.reports import build_reports
from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.model.catalog import Catalog
from tenant_provisioning.model.estimate import FEWEST
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome, Verdict
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.approval import CHECKS, approve
from tenant_provisioning.store import approvals, check_requests, checklist, organizations, outbox, progress, qa_results
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.requests import submit

T = TypeVar("T")
PARTITION, RUN_KEY = "dagster/partition", "dagster/run_key"


@pytest.mark.parametrize(
    ("at_work", "runs", "seconds_since_last", "due"),
    [
        (False, 0, None, True),
        (True, 0, None, False),
        (False, 1, GO_LIVE_WAIT - 1, False),
        (False, 1, GO_LIVE_WAIT, True),
        (True, 1, GO_LIVE_WAIT, False),
        (False, 3, 2 * GO_LIVE_WAIT, False),
        (False, 3, 4 * GO_LIVE_WAIT, True),
        (False, GO_LIVE_ATTEMPTS - 1, LONGEST_GO_LIVE_WAIT, True),
        (False, GO_LIVE_ATTEMPTS, 10 * LONGEST_GO_LIVE_WAIT, False),
    ],
)
def test_an_approval_gets_a_run_and_a_few_more_where_vendors_were_away(
    at_work: bool, runs: int, seconds_since_last: float | None, due: bool
) -> None:
    assert is_go_live_due(at_work=at_work, runs=runs, seconds_since_last=seconds_since_last) is due


class Desk:
    """One organization on its way through Dagster, with a catalog of two reports."""

    def __init__(
        self, instance: dg.DagsterInstance, settings: Settings, catalog: Catalog, organization: Organization
    ) -> None:
        self.instance, self.settings, self.organization = instance, settings, organization
        self.platform = Platform(lambda: settings)
        self.platform.catalog = catalog
        self.instance.add_dynamic_partitions("tenant", [organization.subdomain])
        self.definitions = dg.Definitions(
            assets=[*assets, *build_reports(catalog)],
            asset_checks=build_checks(),
            jobs=[provision_tenant, go_live, check_tenant],
            resources={"platform": self.platform},
            executor=dg.in_process_executor,
        )

    def rows(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """What the work in the platform's database gives."""

        async def with_pool() -> T:
            async with open_database(self.settings.database_url.get_secret_value(), max_size=2) as db:
                return await work(db)

        return asyncio.run(with_pool())

    def run(self, job: str, **tags: str) -> dg.ExecuteInProcessResult:
        """The job, run for this tenant; what finished runs leave behind is settled."""
        tags |= {PARTITION: self.organization.subdomain}
        definition = self.definitions.resolve_job_def(job)
        result = definition.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)
        self.rows(lambda db: organizations.release(db, self.organization.id, result.run_id))
        return result

    def tick(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        """The runs that the sensor requests now."""
        found = sensor(dg.build_sensor_context(instance=self.instance, resources={"platform": self.platform}))
        return list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []

    def approve(self) -> approvals.Approval:
        """The checklist ticked, and an approval."""

        async def work(db: Database) -> approvals.Approval:
            for item in MANUAL_ITEMS:
                await checklist.tick(db, self.organization.id, item, done_by="quinn")
            return await approve(db, self.organization.id, self.settings, by="quinn")

        return self.rows(work)

    def approval(self) -> approvals.Approval:
        found = self.rows(lambda db: approvals.find_approval(db, self.organization.id))
        assert found is not None
        return found

    @property
    def status(self) -> Status:
        return self.rows(lambda db: organizations.get_organization(db, self.organization.id)).status

    def invited(self) -> int:
        """How many invitations have gone out."""
        mails = self.rows(lambda db: outbox.list_mail(db, self.organization.id))
        return sum(mail.kind == "platform_ready" and mail.sent_at is not None for mail in mails)

    def verdicts(self, run_id: str) -> dict[str, Outcome]:
        """What the checks said last, as far as this run asked them."""
        found = self.rows(lambda db: qa_results.latest_verdicts(db, self.organization.id))
        return {each.verdict.check: each.verdict.outcome for each in found if each.run_id == run_id}


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MailSink]:
    with MailSink(tmp_path / "mail") as server:
        yield server


@pytest.fixture
def small_catalog(sample_catalog: Catalog) -> Catalog:
    """The two first templates that need nothing but what Acme has."""
    mine = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}
    matching = [each for each in sample_catalog.reports if each.needs and each.needs.items() <= mine.items()]
    return Catalog(sample_catalog.providers, sample_catalog.modules, tuple(matching[:2]))


@pytest.fixture
def requested(
    settings: Settings,
    small_catalog: Catalog,
    sink: MailSink,
    onboarding_form: Callable[..., dict[str, Any]],
    no_waiting: None,
) -> Iterator[Desk]:
    """Acme, submitted."""
    settings = settings.model_copy(update={"smtp_port": sink.smtp_port, "step_retries": 1, "step_retry_wait": 0})

    async def begin() -> Organization:
        async with open_database(settings.database_url.get_secret_value(), max_size=1) as db:
            return await submit(db, onboarding_form("acme"), requested_by="sam", default_domain="yourplatform.com")

    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        yield Desk(instance, settings, small_catalog, asyncio.run(begin()))


@pytest.fixture
def provisioned(requested: Desk) -> Desk:
    """Acme in QA, made by a run of its own."""
    assert requested.run("provision_tenant").success
    assert requested.status is Status.PENDING_QA
    return requested


@pytest.fixture
def in_qa(requested: Desk) -> Desk:
    """Acme in QA as far as the rows go: nothing is there at the vendors."""

    requested.rows(lambda db: pretend(db, requested.organization.id))
    return requested


async def pretend(db: Database, organization_id: UUID) -> None:
    """Every step done and every check passed, on record."""
    await organizations.claim(db, organization_id, "run-1", actor="test")
    for step in STEPS:
        await progress.start_step(db, organization_id, step.name, run_id="run-1")
        await progress.finish_step(db, organization_id, step.name)
        for check in step.checks:
            await qa_results.record_verdict(
                db, organization_id, run_id="run-1", step=step.name, blocking=True,
                verdict=Verdict(check, Outcome.PASSED, "so", "so"),
            )  # fmt: skip
    await organizations.move(db, organization_id, Status.PENDING_QA, actor="test")
    await organizations.release(db, organization_id, "run-1")


def test_a_step_that_took_a_while_says_how_long_the_customer_still_takes(
    requested: Desk, onboarding_form: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other_customers(db: Database) -> None:
        for number in range(FEWEST):
            form = onboarding_form(f"beta-{number}")
            made = await submit(db, form, requested_by="sam", default_domain="yourplatform.com")
            await pretend(db, made.id)

    requested.rows(other_customers)  # so that it is known how long it takes
    monkeypatch.setattr(execution, "WORTH_AN_ESTIMATE", 0.0)

    made = requested.run("provision_tenant").get_asset_materialization_events()

    told = {event.asset_key.path[-1] for event in made if "tenant_done_in_seconds" in event.materialization.metadata}  # type: ignore[union-attr]
    assert {"hosting_domain", "fabric_data_store", "powerbi_dataset"} <= told


def test_of_two_runs_for_one_tenant_one_works_and_the_other_is_told_and_changes_nothing(
    requested: Desk, world: Any
) -> None:
    other = requested.instance.create_run_for_job(
        requested.definitions.resolve_job_def("provision_tenant"), tags={PARTITION: requested.organization.subdomain}
    )  # a person has launched it in the UI, and it has got as far as its claim
    requested.rows(lambda db: organizations.claim(db, requested.organization.id, other.run_id, actor="test"))
    before = world.snapshot()

    late = requested.run("provision_tenant")

    assert not late.success
    failures = [event.step_failure_data for event in late.all_events if event.is_step_failure]
    assert failures
    assert all(
        told.user_failure_data and "another run is at work on acme" in str(told.user_failure_data.description)
        for told in failures
    )
    assert world.snapshot() == before
    holder = requested.rows(lambda db: organizations.get_organization(db, requested.organization.id)).claimed_by_run
    assert holder == other.run_id
    requested.rows(lambda db: organizations.release(db, requested.organization.id, other.run_id))
    assert requested.run("provision_tenant").success
    assert requested.status is Status.PENDING_QA


def test_provisioning_lets_nobody_in_and_going_live_asks_every_check_again_before_it_does(
    provisioned: Desk, sink: MailSink
) -> None:
    assert all("is being prepared" in mail.subject for mail in sink.mails.listed())
    provisioned.approve()

    run = provisioned.run("go_live")

    assert run.success
    assert provisioned.verdicts(run.run_id) == dict.fromkeys(CHECKS, Outcome.PASSED)
    ended = [event.step_key for event in run.all_events if event.is_step_success]
    assert ended[-1] == "live_tenant"
    assert (provisioned.status, provisioned.invited()) == (Status.ACTIVE, 2)
    again = provisioned.run("go_live")
    assert again.success
    assert len([mail for mail in sink.mails.listed() if "is ready" in mail.subject]) == 2


def test_a_check_that_fails_without_blocking_still_keeps_the_customer_out(provisioned: Desk, world: Any) -> None:
    provisioned.approve()
    world.client.delete(
        "/v1/domains/yourplatform.com/records/CNAME/acme",
        headers={"Authorization": "sso-key simulated-key:simulated-godaddy-secret"},
    ).raise_for_status()

    run = provisioned.run("go_live")

    assert not run.success
    assert (provisioned.status, provisioned.invited()) == (Status.PENDING_QA, 0)
    assert provisioned.approval().lapse_reason == "the check “resolves to the web app” fails now"


def test_a_check_that_could_not_be_carried_out_is_asked_again_within_the_run(provisioned: Desk, world: Any) -> None:
    provisioned.approve()
    fault = world.fault("powerbi.list_reports", "error_before", status=503, times=1)

    run = provisioned.run("go_live")

    assert world.fault_struck(fault) == 1
    assert run.success
    assert provisioned.status is Status.ACTIVE


def test_while_a_vendor_stays_away_it_stays_in_qa_and_the_approval_stands(provisioned: Desk, world: Any) -> None:
    provisioned.approve()
    world.fault("powerbi.list_reports", "error_before", status=503, times="forever")

    run = provisioned.run("go_live")

    assert not run.success
    assert provisioned.verdicts(run.run_id)["all_reports_are_deployed"] is Outcome.NOT_CARRIED_OUT
    assert (provisioned.status, provisioned.approval().lapsed_at) == (Status.PENDING_QA, None)


def test_a_blocking_check_that_fails_stops_the_run_before_it_goes_live(in_qa: Desk) -> None:
    in_qa.approve()

    run = in_qa.run("go_live")

    assert not run.success
    assert "live_tenant" not in [event.step_key for event in run.all_events if event.is_step_start]
    assert (in_qa.status, in_qa.invited()) == (Status.PENDING_QA, 0)


def test_the_sensor_launches_one_run_for_an_approval_and_names_both(in_qa: Desk) -> None:
    assert in_qa.tick(approval_sensor) == []
    given = in_qa.approve()

    (first,) = in_qa.tick(approval_sensor)
    in_qa.instance.create_run_for_job(
        in_qa.definitions.resolve_job_def("go_live"),
        tags={**first.tags, PARTITION: "acme", RUN_KEY: str(first.run_key)},
    )

    assert (first.run_key, first.partition_key, first.tags["approval"]) == (f"{given.id}:1", "acme", str(given.id))
    assert in_qa.tick(approval_sensor) == []  # it lives


def test_the_sensor_notes_an_approval_that_has_lapsed_and_launches_nothing(in_qa: Desk) -> None:
    in_qa.approve()
    in_qa.rows(lambda db: checklist.untick(db, in_qa.organization.id, "reports_load", undone_by="quinn"))

    assert in_qa.tick(approval_sensor) == []
    assert "is not ticked" in str(in_qa.approval().lapse_reason)


def test_checks_that_are_asked_for_are_launched_once(provisioned: Desk) -> None:
    assert provisioned.tick(checks_sensor) == []
    provisioned.rows(lambda db: check_requests.request_checks(db, provisioned.organization.id, actor="quinn"))

    (wanted,) = provisioned.tick(checks_sensor)
    run = provisioned.run("check_tenant", **{**wanted.tags, RUN_KEY: str(wanted.run_key)})

    assert provisioned.tick(checks_sensor) == []
    assert run.success
    assert provisioned.verdicts(run.run_id) == dict.fromkeys(CHECKS, Outcome.PASSED)
    assert provisioned.status is Status.PENDING_QA
    assert provisioned.rows(lambda db: check_requests.list_check_requests(db, repeat_after=0)) == []


def test_mail_that_could_not_be_sent_is_sent_by_the_sensor(requested: Desk, sink: MailSink) -> None:
    async def queue(db: Database) -> None:
        await outbox.queue_mail(
            db, requested.organization.id, kind="being_prepared", recipient="ada@acme.example",
            subject="Hello", text="t", html="h",
        )  # fmt: skip

    requested.rows(queue)
    requested.tick(outbox_sensor)
    requested.tick(outbox_sensor)

    assert [mail.subject for mail in sink.mails.listed()] == ["Hello"]
