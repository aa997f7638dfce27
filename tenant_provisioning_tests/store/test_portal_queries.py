"""What the portal's pages ask of the rows of all organizations: history, overview, timeline, coverage."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_provisioning.model.estimate import REPORTS
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.store import audit, coverage, history, organizations, overview, timeline
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.reports import save_deployed_report
from tenant_provisioning.store.requests import submit
from tenant_provisioning.store.timeline import Filters

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = {"dns_record": (0, 4), "reports/a": (4, 9), "reports/b": (5, 20), "organization_record": (20, 21)}


async def step_rows(db: Database, organization: Organization, run: dict[str, tuple[int, int]], **changes: Any) -> None:
    async with db.connection() as connection:
        for step, (start, end) in run.items():
            row = {"state": "done", "run_id": "run-1", "attempt": 1} | changes.get(step, {})
            await connection.execute(
                """insert into provisioning_steps (organization_id, step, state, run_id, attempt, started_at, finished_at)
                   values (%s, %s, %s, %s, %s, %s, %s)""",
                (
                    organization.id, step, row["state"], row["run_id"], row["attempt"],
                    BEGAN + timedelta(seconds=start), BEGAN + timedelta(seconds=end),
                ),
            )  # fmt: skip


async def test_a_past_run_tells_how_long_each_step_kept_it_waiting(db: Database, acme: Organization) -> None:
    await step_rows(db, acme, RUN)

    (run,) = await history.past_runs(db)

    assert run.seconds == {"dns_record": 4, REPORTS: 16, "organization_record": 1}


@pytest.mark.parametrize(
    "change", [{"run_id": "run-2"}, {"attempt": 2}, {"state": "failed"}], ids=["two runs", "repeated", "failed"]
)
async def test_a_run_that_did_not_go_through_at_once_is_no_measure(
    db: Database, acme: Organization, change: dict[str, Any]
) -> None:
    await step_rows(db, acme, RUN, dns_record=change)

    assert await history.past_runs(db) == []


async def test_the_overview_counts_and_lists_by_status_the_longest_waiting_first(
    db: Database, acme: Organization, other: Organization
) -> None:
    await step_rows(db, acme, RUN)
    for organization in (other, acme):
        await organizations.move(db, organization.id, Status.PROVISIONING, actor="run")

    assert await overview.count_by_status(db) == {Status.PROVISIONING: 2}
    first, second = await overview.list_in(db, Status.PROVISIONING, limit=5)
    assert [first.subdomain, second.subdomain] == ["other", "acme"]
    assert (second.steps_done, second.reports_done, second.reports_begun) == (2, 2, 2)
    assert await overview.list_in(db, Status.FAILED, limit=5) == []


async def test_each_of_the_last_days_is_there_with_what_came_to_pass_on_it(db: Database, acme: Organization) -> None:
    await organizations.move(db, acme.id, Status.PROVISIONING, actor="run")
    await organizations.move(db, acme.id, Status.FAILED, actor="run")
    await organizations.move(db, acme.id, Status.PROVISIONING, actor="run")

    days = await overview.moves_by_day(db, days=14)

    assert len(days) == 14
    today = max(days)
    assert today in {datetime.now(UTC).date(), datetime.now(UTC).date() - timedelta(days=1)}
    assert days.pop(today) == {Status.REQUESTED: 1, Status.PROVISIONING: 1, Status.FAILED: 1}
    assert all(moves == {} for moves in days.values())


async def test_the_timeline_is_newest_first_narrowed_and_paged(
    db: Database, acme: Organization, other: Organization
) -> None:
    for number in range(3):
        await audit.append(db, acme.id, actor="quinn", action="viewed", reason=f"{number}")
    await audit.append(db, other.id, actor="sam", action="viewed")

    async def told(limit: int = 10, **filters: Any) -> list[tuple[str, str, str]]:
        return [
            (each.subdomain, each.actor, each.reason)
            for each in await timeline.list_timeline(db, Filters(**filters), limit=limit)
        ]

    assert await told(actor="quinn") == [("acme", "quinn", "2"), ("acme", "quinn", "1"), ("acme", "quinn", "0")]
    assert len(await told(organization_id=acme.id)) == 4
    assert [each[0] for each in await told(organization="OTHER", action="viewed")] == ["other"]
    assert [each[0] for each in await told(organization="acme train", action="requested")] == ["acme"]
    assert await told(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(await told(until=datetime.now(UTC) + timedelta(hours=1))) == 6
    page = await timeline.list_timeline(db, Filters(), limit=4)
    following = await timeline.list_timeline(db, Filters(before=page[-1].id), limit=4)
    assert [each.id for each in page + following] == sorted((each.id for each in page + following), reverse=True)
    assert len(page + following) == 6


async def test_the_whole_timeline_streams_and_knows_who_did_what(
    db: Database, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "BATCH", 2)
    for number in range(5):
        await audit.append(db, acme.id, actor=f"run {number}", action="rematerialize")

    streamed = [each async for each in timeline.stream_timeline(db, Filters())]

    assert [each.action for each in streamed] == ["rematerialize"] * 5 + ["requested"]
    assert await timeline.known_actors(db) == ["sam@platform.example"]
    assert await timeline.known_actions(db) == ["rematerialize", "requested"]


@pytest.fixture
async def deployed(db: Database, acme: Organization, other: Organization) -> None:
    for organization, content in ((acme, "hash of pipeline-hubspot"), (other, "an older hash")):
        await save_deployed_report(
            db, organization.id, "pipeline-hubspot", powerbi_report_id="r", workspace_id="w", dataset_id="d",
            content_hash=content,
        )  # fmt: skip


async def test_a_template_tells_who_has_it_and_with_which_content(db: Database, deployed: None) -> None:
    found, total = await coverage.list_templates(db, search="PIPELINE", limit=10)

    assert total == 1
    assert (found[0].key, found[0].current, found[0].outdated) == ("pipeline-hubspot", 1, 1)
    assert await coverage.find_template(db, "pipeline-hubspot") == found[0]
    assert await coverage.find_template(db, "nothing") is None
    tenants = await coverage.tenants_with(db, "pipeline-hubspot", limit=10)
    assert [(each.subdomain, each.content_hash) for each in tenants] == [
        ("acme", "hash of pipeline-hubspot"), ("other", "an older hash"),
    ]  # fmt: skip


async def test_templates_are_paged_and_their_number_is_known(filled_db: Database) -> None:
    first, total = await coverage.list_templates(filled_db, limit=3)
    rest, again = await coverage.list_templates(filled_db, offset=3, limit=3)

    assert (total, again, len(first), len(rest)) == (4, 4, 3, 1)
    assert len(await coverage.template_needs(filled_db)) == 4


async def test_a_customer_is_told_what_matches_its_providers(filled_db: Database) -> None:
    found = await coverage.matching_templates(filled_db, {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"})

    assert list(found) == ["attendance-again", "attendance-aptem", "pipeline-hubspot", "progress-bksb"]
    assert list(await coverage.matching_templates(filled_db, {"lms": "BUD"})) == ["attendance-again"]


async def test_combinations_in_use_are_counted(
    filled_db: Database, acme: Organization, form: Callable[..., dict[str, Any]]
) -> None:
    bud = form("bud", lms="BUD", hr="BREATHE")
    await submit(filled_db, bud, requested_by="sam@platform.example", default_domain="yourplatform.com")

    assert await coverage.combinations_in_use(filled_db) == {
        ("APTEM", "BKSB", "HUBSPOT", None): 1, ("BUD", "BKSB", "HUBSPOT", "BREATHE"): 1,
    }  # fmt: skip
