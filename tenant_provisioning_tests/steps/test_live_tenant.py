"""Going live: with permission only, once, and one mail to each person whatever is repeated or dies in between."""

import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.model.errors import ChecksOutstanding, LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus as Status
from tenant_provisioning.model.plan import STEPS
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome, Verdict
from tenant_provisioning.steps import letters, live_tenant, super_users
from tenant_provisioning.steps.approval import approve
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.delivery import deliver_due, mailed_link_may_be_open
from tenant_provisioning.store import approvals, audit, checklist, organizations, outbox, qa_results
from tenant_provisioning.store.outbox import MailState
from tenant_provisioning.vendors.supabase import User

NUMBERS = itertools.count(1)
OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]
FOLDED = re.compile(r"\s+")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MailSink]:
    """A mail server of the test's own."""
    with MailSink(tmp_path / "mail") as server:
        yield server


async def ask_everything(ctx: StepContext, run_id: str, outcome: Outcome = Outcome.PASSED) -> None:
    """Every check has said the same in this run."""
    for step in STEPS:
        for check in step.checks:
            verdict = Verdict(check, outcome, "so", "so", "" if outcome is Outcome.PASSED else "the reason why")
            await qa_results.record_verdict(
                ctx.db, ctx.organization.id, run_id=run_id, step=step.name, verdict=verdict, blocking=True
            )


async def status(ctx: StepContext) -> Status:
    return (await organizations.get_organization(ctx.db, ctx.organization.id)).status


@pytest.fixture
async def waiting(onboard: Callable[..., Any], open_ctx: OpenCtx, world: Any, sink: MailSink) -> str:
    """The subdomain of an organization in QA with two super users, every check passed, every item ticked; not approved."""
    organization = await onboard(f"ready-{next(NUMBERS)}")
    async with open_ctx(organization.subdomain, smtp_port=sink.smtp_port) as ctx:
        await organizations.claim(ctx.db, organization.id, "run-1", actor="test")
        await super_users.ensure(ctx)
        await ask_everything(ctx, "run-1")
        for item in MANUAL_ITEMS:
            await checklist.tick(ctx.db, organization.id, item, done_by="quinn")
        await organizations.move(ctx.db, organization.id, Status.PENDING_QA, actor="test")
        await organizations.release(ctx.db, organization.id, "run-1")
    return str(organization.subdomain)


@pytest.fixture
async def ctx(waiting: str, open_ctx: OpenCtx, sink: MailSink) -> AsyncIterator[StepContext]:
    """The context of the go_live run, `live-1`, before which the checks have been run again in it."""
    async with open_ctx(waiting, run_id="live-1", smtp_port=sink.smtp_port) as context:
        yield context


@pytest.fixture
async def approved(ctx: StepContext) -> StepContext:
    await approve(ctx.db, ctx.organization.id, ctx.settings, by="quinn")
    await ask_everything(ctx, "live-1")
    return ctx


def invitations(sink: MailSink) -> list[tuple[str, str, str]]:
    """Recipient, Message-ID and text of every invitation that arrived."""
    kept = [(mail, sink.mails.message(mail.id)) for mail in sink.mails.listed() if "is ready" in mail.subject]
    told = []
    for mail, message in kept:
        text = message.get_body(("plain",))
        assert text is not None
        told.append((mail.recipients, str(message["Message-ID"]), str(text.get_content())))
    return sorted(told)


def link_in(text: str) -> str:
    found = re.search(r"https://\S+/verify\?\S+", text)
    assert found is not None
    return found[0]


async def user(ctx: StepContext, number: int = 0) -> User:
    found = await ctx.vendors.supabase.find_user_by_email(ctx.form.super_users[number].email)
    assert found is not None
    return found


async def again(ctx: StepContext, open_ctx: OpenCtx, run_id: str = "live-2", **changes: Any) -> None:
    """The step, repeated by another run."""
    port = changes.pop("smtp_port", ctx.settings.smtp_port)
    async with open_ctx(ctx.organization.subdomain, run_id=run_id, smtp_port=port, **changes) as later:
        await live_tenant.ensure(later, {run_id, ctx.run_id})


async def test_it_becomes_active_and_each_super_user_gets_one_link_to_the_own_subdomain(
    approved: StepContext, sink: MailSink, world: Any
) -> None:
    result = await live_tenant.ensure(approved, {"live-1"})

    assert await status(approved) is Status.ACTIVE
    assert (result.facts["invitations"], result.facts["sent"]) == (2, 2)
    arrived = invitations(sink)
    assert [to for to, _, _ in arrived] == sorted(person.email for person in approved.form.super_users)
    for _, _, text in arrived:
        assert link_in(text).endswith(f"redirect_to=https://{approved.host}/set-password")
        followed = world.client.get(link_in(text))
        assert followed.headers["location"].startswith(f"https://{approved.host}/set-password#access_token=")
        assert "error_code=otp_expired" in world.client.get(link_in(text)).headers["location"]
    moved = [
        each
        for each in await audit.list_audit(approved.db, approved.organization.id)
        if each.to_status is Status.ACTIVE
    ]
    assert [(each.actor, each.reason) for each in moved] == [("run live-1", "approved by quinn")]


async def test_no_link_is_kept(approved: StepContext, sink: MailSink) -> None:
    await live_tenant.ensure(approved, {"live-1"})

    tokens = [re.search(r"token=(\w+)", text) for _, _, text in invitations(sink)]
    async with approved.db.connection() as connection:
        rows = await (await connection.execute("select to_jsonb(mail)::text as kept from email_outbox mail")).fetchall()
    for token in tokens:
        assert token is not None
        assert not any(token[1] in row["kept"] for row in rows)
    mails = [
        mail
        for mail in await outbox.list_mail(approved.db, approved.organization.id)
        if mail.kind == letters.PLATFORM_READY
    ]
    assert all(letters.LINK in mail.text and letters.LINK in mail.html for mail in mails)


async def test_going_live_twice_sends_one_mail_a_person(
    approved: StepContext, sink: MailSink, open_ctx: OpenCtx
) -> None:
    await live_tenant.ensure(approved, {"live-1"})
    first = invitations(sink)

    await again(approved, open_ctx)

    assert invitations(sink) == first


@pytest.mark.parametrize("dies_after", ["queued", "moved", "claimed"])
async def test_a_run_that_dies_in_the_middle_is_repeated_and_sends_one_mail_a_person(
    approved: StepContext, sink: MailSink, open_ctx: OpenCtx, dies_after: str
) -> None:
    await live_tenant._invite(approved)
    if dies_after != "queued":
        await organizations.move(approved.db, approved.organization.id, Status.ACTIVE, actor="run live-1")
    if dies_after == "claimed":
        claimed = await outbox.claim_next(approved.db, approved.organization.id)
        assert claimed is not None
        async with approved.db.connection() as connection:  # a while ago
            await connection.execute(
                "update email_outbox set claimed_at = now() - interval '1 hour' where id = %s", (claimed.id,)
            )

    await again(approved, open_ctx)

    assert await status(approved) is Status.ACTIVE
    assert len(invitations(sink)) == len({to for to, _, _ in invitations(sink)}) == 2


async def test_a_run_that_dies_after_the_text_was_handed_over_sends_nothing_again_by_itself(
    approved: StepContext, sink: MailSink, open_ctx: OpenCtx
) -> None:
    await live_tenant._invite(approved)
    await organizations.move(approved.db, approved.organization.id, Status.ACTIVE, actor="run live-1")
    lost = await outbox.claim_next(approved.db, approved.organization.id)
    assert lost is not None
    assert await outbox.hand_over(approved.db, lost)
    async with approved.db.connection() as connection:
        await connection.execute(
            "update email_outbox set claimed_at = now() - interval '1 day' where id = %s", (lost.id,)
        )

    await again(approved, open_ctx)
    without = {to for to, _, _ in invitations(sink)}
    (uncertain,) = [mail for mail in await outbox.list_mail(approved.db, approved.organization.id) if mail.is_uncertain]
    asked = await outbox.requeue(approved.db, approved.organization.id, lost.id, actor="quinn")
    await again(approved, open_ctx, run_id="live-3")

    assert lost.recipient not in without
    assert uncertain.id == lost.id
    assert asked
    mine = [own_id for to, own_id, _ in invitations(sink) if to == lost.recipient]
    assert mine == [f"<{lost.id}@yourplatform.com>"]


async def test_a_mail_server_that_is_away_holds_nothing_up_and_the_mail_goes_out_later(
    approved: StepContext, sink: MailSink, open_ctx: OpenCtx
) -> None:
    await again(approved, open_ctx, run_id="live-1", smtp_port=1)  # nobody listens there

    waiting = [mail for mail in await outbox.list_mail(approved.db, approved.organization.id) if mail.sent_at is None]
    assert await status(approved) is Status.ACTIVE
    assert {mail.state for mail in waiting} == {MailState.QUEUED}
    assert any("mail server" in str(mail.last_error) for mail in waiting)
    async with approved.db.connection() as connection:
        await connection.execute("update email_outbox set not_before = now() where state = 'queued'")

    assert (
        await deliver_due(approved.db, approved.vendors, approved.settings, organization_id=approved.organization.id)
        == 2
    )
    assert len(invitations(sink)) == 2


async def test_a_link_that_cannot_be_made_is_tried_again_and_nothing_goes_out_without_it(
    approved: StepContext, sink: MailSink, world: Any
) -> None:
    world.fault("supabase.generate_link", "error_before", status=503, times="forever")

    await live_tenant.ensure(approved, {"live-1"})

    assert invitations(sink) == []
    assert await status(approved) is Status.ACTIVE
    waiting = [mail for mail in await outbox.list_mail(approved.db, approved.organization.id) if mail.sent_at is None]
    assert {(mail.kind, mail.state) for mail in waiting} == {(letters.PLATFORM_READY, MailState.QUEUED)}


async def test_nothing_but_the_welcome_is_mailed_before_going_live(ctx: StepContext, sink: MailSink) -> None:
    await approve(ctx.db, ctx.organization.id, ctx.settings, by="quinn")
    await live_tenant._invite(ctx)

    await deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=ctx.organization.id)

    assert {mail.subject for mail in sink.mails.listed()} == {
        f"Training Platform is being prepared for {ctx.organization.name}"
    }
    assert all("http" not in str(sink.mails.message(mail.id)) for mail in sink.mails.listed())


async def test_without_an_approval_it_stays_in_qa(ctx: StepContext, sink: MailSink) -> None:
    await ask_everything(ctx, "live-1")

    with pytest.raises(LifecycleError, match="nobody has approved"):
        await live_tenant.ensure(ctx, {"live-1"})

    assert (await status(ctx), invitations(sink)) == (Status.PENDING_QA, [])


async def test_with_a_lapsed_approval_it_stays_in_qa_and_says_what_changed(
    approved: StepContext, sink: MailSink
) -> None:
    await checklist.untick(approved.db, approved.organization.id, "reports_load", undone_by="quinn")

    with pytest.raises(LifecycleError, match=r"the approval by quinn no longer stands: .* is not ticked"):
        await live_tenant.ensure(approved, {"live-1"})

    assert (await status(approved), invitations(sink)) == (Status.PENDING_QA, [])
    written = await approvals.find_approval(approved.db, approved.organization.id)
    assert written is not None
    assert written.lapsed_at is not None


@pytest.mark.parametrize("check", ["schema_is_ready", "resolves_to_the_web_app"])
async def test_a_check_that_fails_now_keeps_it_in_qa_whether_or_not_it_blocks_provisioning(
    approved: StepContext, sink: MailSink, check: str
) -> None:
    step = next(step.name for step in STEPS if check in step.checks)
    verdict = Verdict(check, Outcome.FAILED, "so", "otherwise", "The reason why.")
    await qa_results.record_verdict(
        approved.db, approved.organization.id, run_id="live-1", step=step, verdict=verdict, blocking=False
    )

    with pytest.raises(LifecycleError, match=r"stays in QA.*has failed: The reason why\."):
        await live_tenant.ensure(approved, {"live-1"})

    assert (await status(approved), invitations(sink)) == (Status.PENDING_QA, [])


@pytest.mark.parametrize("asked", [None, Outcome.NOT_CARRIED_OUT])
async def test_checks_of_another_run_or_without_a_verdict_are_waited_for_and_the_approval_stands(
    ctx: StepContext, sink: MailSink, asked: Outcome | None
) -> None:
    await approve(ctx.db, ctx.organization.id, ctx.settings, by="quinn")
    if asked:
        await ask_everything(ctx, "live-1", asked)

    with pytest.raises(ChecksOutstanding):
        await live_tenant.ensure(ctx, {"live-1"})

    assert (await status(ctx), invitations(sink)) == (Status.PENDING_QA, [])
    written = await approvals.find_approval(ctx.db, ctx.organization.id)
    assert written is not None
    assert written.lapsed_at is None


async def test_the_sign_in_check_leaves_a_mailed_link_alone_until_it_is_used(
    approved: StepContext, sink: MailSink, world: Any, open_ctx: OpenCtx
) -> None:
    await live_tenant.ensure(approved, {"live-1"})
    links = {to: link_in(text) for to, _, text in invitations(sink)}
    ada, bob = [person.email for person in approved.form.super_users]
    assert await mailed_link_may_be_open(approved.db, approved.organization.id, await user(approved))

    verdicts = await super_users.verify(approved)

    assert all(verdict.passed for verdict in verdicts)
    assert "access_token=" in world.client.get(links[ada]).headers["location"]
    assert not await mailed_link_may_be_open(approved.db, approved.organization.id, await user(approved))
    await super_users.verify(approved)  # Ada's sign-in is tried with a link again, Bob's is not
    assert "access_token=" in world.client.get(links[bob]).headers["location"]


async def test_the_sign_in_check_finds_a_closed_door_without_touching_a_mailed_link(
    approved: StepContext, sink: MailSink
) -> None:
    await live_tenant.ensure(approved, {"live-1"})
    await approved.vendors.supabase.ban_user((await user(approved)).id)

    verdicts = {verdict.check: verdict for verdict in await super_users.verify(approved)}

    assert verdicts["super_users_can_sign_in"].found == "1 of 2"
