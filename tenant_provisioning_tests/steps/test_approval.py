"""Who may let an organization go live, and when that word no longer counts."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome, Verdict
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import evidence
from tenant_provisioning.steps.approval import CHECKS, approve, obstacles, settle, standing
from tenant_provisioning.store import approvals, artifacts, audit, checklist, organizations, progress, qa_results
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.reports import delete_deployed_report, save_deployed_report

NUMBERS = itertools.count(1)
STEP_OF = {check: step.name for step in STEPS for check in step.checks}
Change = Callable[[Database, Organization, tuple[TemplateReport, ...]], Awaitable[None]]


async def say(db: Database, organization: Organization, check: str, outcome: Outcome, run_id: str = "run-1") -> None:
    """The check has come to this outcome."""
    reason = "" if outcome is Outcome.PASSED else "the reason why"
    verdict = Verdict(check, outcome, "so", "so" if outcome is Outcome.PASSED else "otherwise", reason)
    await qa_results.record_verdict(
        db, organization.id, run_id=run_id, step=STEP_OF[check], verdict=verdict, blocking=True
    )


async def deploy(db: Database, organization: Organization, template: TemplateReport, **changes: str) -> None:
    row = {"powerbi_report_id": f"id of {template.key}", "workspace_id": "w", "dataset_id": "d", "content_hash": "h"}
    await save_deployed_report(db, organization.id, template.key, **{**row, **changes})


@pytest.fixture
def two(acme_reports: tuple[TemplateReport, ...]) -> tuple[TemplateReport, ...]:
    """The templates of the reports that the organization has."""
    return acme_reports[:2]


@pytest.fixture
async def waiting(platform_db: Database, onboard: Callable[..., Any], two: tuple[TemplateReport, ...]) -> Organization:
    """An organization in QA: everything made, every check passed, every item ticked."""
    db, organization = platform_db, await onboard(f"waiting-{next(NUMBERS)}")
    await organizations.claim(db, organization.id, "run-1", actor="test")
    for step in STEPS:
        await progress.start_step(db, organization.id, step.name, run_id="run-1")
        await progress.finish_step(db, organization.id, step.name)
    row = await artifacts.intend(db, organization.id, ArtifactKind.DATASET)
    await artifacts.record_present(db, row.id, "d")
    for template in two:
        await deploy(db, organization, template)
    for check in CHECKS:
        await say(db, organization, check, Outcome.PASSED)
    for item in MANUAL_ITEMS:
        await checklist.tick(db, organization.id, item, done_by="quinn")
    await organizations.move(db, organization.id, Status.PENDING_QA, actor="test")
    await organizations.release(db, organization.id, "run-1")
    return await organizations.get_organization(db, organization.id)


async def test_an_approval_names_who_when_why_and_a_hash_of_its_evidence(
    platform_db: Database, waiting: Organization, settings: Settings
) -> None:
    given = await approve(platform_db, waiting.id, settings, by="quinn", note="looked at all of it")

    found = await standing(platform_db, waiting, settings)
    assert (found.stands, found.approval) == (True, given)
    assert (given.approved_by, given.note, given.lapsed_at) == ("quinn", "looked at all of it", None)
    assert given.evidence_hash == (await evidence.gather(platform_db, waiting.id)).hash
    assert len(given.evidence_hash) == 64
    assert set(given.evidence["verdicts"]) == set(CHECKS)
    (entry,) = [each for each in await audit.list_audit(platform_db, waiting.id) if each.action == "approved"]
    assert (entry.actor, entry.reason) == ("quinn", "looked at all of it")
    assert entry.details["evidence_hash"] == given.evidence_hash


async def open_an_item(db: Database, organization: Organization) -> None:
    await checklist.untick(db, organization.id, "reports_load", undone_by="quinn")


async def put_a_run_to_work(db: Database, organization: Organization) -> None:
    await organizations.claim(db, organization.id, "run-2", actor="test")


def a_check(check: str, outcome: Outcome) -> Callable[[Database, Organization], Awaitable[None]]:
    return lambda db, organization: say(db, organization, check, outcome)


async def forget_a_verdict(db: Database, organization: Organization) -> None:
    async with db.connection() as connection:
        await connection.execute(
            "delete from qa_results where organization_id = %s and check_name = 'schema_is_ready'", (organization.id,)
        )


@pytest.mark.parametrize(
    ("obstacle", "said"),
    [
        (open_an_item, "reports load in Power BI and show this customer's data” is not ticked"),
        (put_a_run_to_work, "The run run-2 is at work on it"),
        (a_check("schema_is_ready", Outcome.FAILED), "“schema is ready” has failed: the reason why"),
        (a_check("endpoint_is_ready", Outcome.NOT_CARRIED_OUT), "“endpoint is ready” could not be carried out"),
        (a_check("resolves_to_the_web_app", Outcome.FAILED), "“resolves to the web app” has failed"),
        (forget_a_verdict, "“schema is ready” has not been asked yet"),
    ],
)
async def test_what_stands_against_an_approval_is_told_and_nothing_is_approved(
    platform_db: Database,
    waiting: Organization,
    settings: Settings,
    obstacle: Callable[[Database, Organization], Awaitable[None]],
    said: str,
) -> None:
    await obstacle(platform_db, waiting)

    with pytest.raises(LifecycleError) as refusal:
        await approve(platform_db, waiting.id, settings, by="quinn")

    assert said in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 2
    assert await approvals.find_approval(platform_db, waiting.id) is None


async def test_every_obstacle_is_told_at_once(platform_db: Database, waiting: Organization, settings: Settings) -> None:
    await open_an_item(platform_db, waiting)
    await say(platform_db, waiting, "schema_is_ready", Outcome.FAILED)

    assert len(await obstacles(platform_db, waiting, settings, by="quinn")) == 2


async def test_what_is_not_in_qa_cannot_be_approved(
    platform_db: Database, onboard: Callable[..., Any], settings: Settings
) -> None:
    organization = await onboard(f"early-{next(NUMBERS)}")

    with pytest.raises(LifecycleError, match="is requested: only what is in pending_qa can be approved"):
        await approve(platform_db, organization.id, settings, by="quinn")


async def test_an_item_that_is_not_required_may_stay_open(
    platform_db: Database, waiting: Organization, settings: Settings
) -> None:
    await open_an_item(platform_db, waiting)

    lenient = settings.model_copy(update={"required_manual_items": "subdomain_opens"})

    assert await obstacles(platform_db, waiting, lenient, by="quinn") == []


async def test_a_second_person_is_needed_only_where_the_setting_says_so(
    platform_db: Database, waiting: Organization, settings: Settings
) -> None:
    strict = settings.model_copy(update={"require_second_approver": True})
    requested_by = await approvals.requested_by(platform_db, waiting.id)

    assert await obstacles(platform_db, waiting, settings, by=requested_by) == []
    assert "somebody else has to approve it" in str(
        await obstacles(platform_db, waiting, strict, by=requested_by.upper())
    )
    assert await obstacles(platform_db, waiting, strict, by="quinn") == []


async def deploy_again(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await deploy(db, organization, two[0])  # the same ids, the same content


async def lose_a_report(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await delete_deployed_report(db, organization.id, two[0].key)


async def set_column(db: Database, organization: Organization, template: TemplateReport, column: str) -> None:
    update = f"update organization_powerbi_reports set {column} = 'another'"  # noqa: S608 - one of two names, below
    async with db.connection() as connection:
        await connection.execute(
            f"{update} where organization_id = %s and template_key = %s".encode(), (organization.id, template.key)
        )


async def bind_elsewhere(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await set_column(db, organization, two[0], "dataset_id")


async def change_content(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await set_column(db, organization, two[0], "content_hash")


async def change_catalog(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    async with db.connection() as connection:
        await connection.execute(
            "update report_templates set content_hash = content_hash || 'x' where key = %s", (two[0].key,)
        )


async def replace_dataset(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    row = await artifacts.find_artifact(db, organization.id, ArtifactKind.DATASET)
    assert row is not None
    await artifacts.record_present(db, row.id, "another")


async def lose_dataset(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    row = await artifacts.find_artifact(db, organization.id, ArtifactKind.DATASET)
    assert row is not None
    await artifacts.record_removed(db, row.id)


async def add_something(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    row = await artifacts.intend(db, organization.id, ArtifactKind.DATA_STORE)
    await artifacts.record_present(db, row.id, "new")


async def fail_a_check(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await say(db, organization, "schema_is_ready", Outcome.FAILED)


async def run_a_step_again(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await progress.start_step(db, organization.id, "powerbi_dataset", run_id="run-3")
    await progress.finish_step(db, organization.id, "powerbi_dataset")


async def untick(db: Database, organization: Organization, two: tuple[TemplateReport, ...]) -> None:
    await checklist.untick(db, organization.id, "subdomain_opens", undone_by="quinn")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (deploy_again, "the report “{title}” was deployed again"),
        (lose_a_report, "the report “{title}” is gone"),
        (bind_elsewhere, "the report “{title}” is bound to another dataset"),
        (change_content, "the report “{title}” has other content"),
        (change_catalog, "the report “{title}” has another template in the catalog now"),
        (replace_dataset, "the dataset was replaced"),
        (lose_dataset, "the dataset is gone"),
        (add_something, "the data store is new"),
        (fail_a_check, "the check “schema is ready” fails now"),
        (run_a_step_again, "the step “Dataset” was run again"),
        (untick, "“The subdomain opens the platform in a browser” is not ticked"),
    ],
)
async def test_an_approval_lapses_by_itself_when_its_evidence_changes_and_says_what_changed(
    platform_db: Database,
    waiting: Organization,
    settings: Settings,
    two: tuple[TemplateReport, ...],
    change: Change,
    said: str,
) -> None:
    await approve(platform_db, waiting.id, settings, by="quinn")

    await change(platform_db, waiting, two)

    expected = said.format(title=two[0].title)
    assert (await standing(platform_db, waiting, settings)).against == (expected,)
    await settle(platform_db, waiting, settings, noticed_by="sensor")
    await settle(platform_db, waiting, settings, noticed_by="sensor")
    lapsed = await approvals.find_approval(platform_db, waiting.id)
    assert lapsed is not None
    assert (lapsed.lapsed_at is not None, lapsed.lapse_reason) == (True, expected)
    entries = [each for each in await audit.list_audit(platform_db, waiting.id) if each.action == "approval_lapsed"]
    assert [(each.actor, each.reason) for each in entries] == [("sensor", expected)]


async def test_many_changes_are_counted(
    platform_db: Database, waiting: Organization, settings: Settings, two: tuple[TemplateReport, ...]
) -> None:
    await approve(platform_db, waiting.id, settings, by="quinn")
    for check in CHECKS[:8]:
        await say(platform_db, waiting, check, Outcome.FAILED)

    await settle(platform_db, waiting, settings, noticed_by="sensor")

    lapsed = await approvals.find_approval(platform_db, waiting.id)
    assert lapsed is not None
    assert str(lapsed.lapse_reason).endswith("; and 3 more")


async def test_an_approval_outlasts_checks_that_say_the_same_again_or_nothing_at_all(
    platform_db: Database, waiting: Organization, settings: Settings
) -> None:
    given = await approve(platform_db, waiting.id, settings, by="quinn")
    for check in CHECKS:
        await say(platform_db, waiting, check, Outcome.PASSED, run_id="run-2")
    await say(platform_db, waiting, "schema_is_ready", Outcome.NOT_CARRIED_OUT)

    found = await settle(platform_db, waiting, settings, noticed_by="sensor")

    assert (found.stands, found.approval) == (True, given)


async def test_what_has_lapsed_does_not_stand_again_when_the_change_is_taken_back(
    platform_db: Database, waiting: Organization, settings: Settings
) -> None:
    await approve(platform_db, waiting.id, settings, by="quinn")
    await say(platform_db, waiting, "schema_is_ready", Outcome.FAILED)
    await settle(platform_db, waiting, settings, noticed_by="sensor")

    await say(platform_db, waiting, "schema_is_ready", Outcome.PASSED)

    assert not (await standing(platform_db, waiting, settings)).stands
    second = await approve(platform_db, waiting.id, settings, by="quinn")
    assert (await standing(platform_db, waiting, settings)).approval == second


async def test_a_live_organization_shows_what_changed_until_its_checks_have_passed_again(
    platform_db: Database, waiting: Organization, settings: Settings, two: tuple[TemplateReport, ...]
) -> None:
    await approve(platform_db, waiting.id, settings, by="quinn")
    live = await organizations.move(platform_db, waiting.id, Status.ACTIVE, actor="test")
    assert (await standing(platform_db, live, settings)).stands

    await deploy(platform_db, live, two[1])
    changed = await standing(platform_db, live, settings)
    for check in CHECKS[1:]:
        await say(platform_db, live, check, Outcome.PASSED)
    almost = await standing(platform_db, live, settings)
    await say(platform_db, live, CHECKS[0], Outcome.PASSED)
    after = await standing(platform_db, live, settings)

    assert changed.against == almost.against == (f"the report “{two[1].title}” was deployed again",)
    assert after.stands
    kept = await approvals.find_approval(platform_db, live.id)
    assert kept is not None
    assert kept.lapsed_at is None
