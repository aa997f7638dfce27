"""Mail goes out once: what a mail server refuses is tried again, what it may have taken is not."""

import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.steps.delivery import MOST_ATTEMPTS, deliver_due
from tenant_provisioning.store import outbox
from tenant_provisioning.store.outbox import Mail

NUMBERS = itertools.count(1)


class Moody:
    """A mail server that keeps what it is given and then answers as it pleases; None hangs up without a word."""

    def __init__(self) -> None:
        self.answer: str | None = "250 kept"
        self.kept: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        if self.answer is None or self.answer.startswith("250"):
            self.kept += envelope.rcpt_tos
        if self.answer is None:
            server.transport.abort()
        return self.answer or "250 never heard"


@pytest.fixture
def moody() -> Iterator[tuple[Moody, int]]:
    """The server and its port."""
    handler = Moody()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()


@pytest.fixture
async def ctx(
    onboard: Callable[..., Any],
    open_ctx: Callable[..., AbstractAsyncContextManager[StepContext]],
    moody: tuple[Moody, int],
) -> AsyncIterator[StepContext]:
    """An organization with two mails in its outbox."""
    organization = await onboard(f"post-{next(NUMBERS)}")
    async with open_ctx(organization.subdomain, smtp_port=moody[1]) as context:
        for name in ("ada", "bob"):
            await outbox.queue_mail(
                context.db, organization.id, kind="being_prepared", recipient=f"{name}@post.example",
                subject="s", text="t", html="h",
            )  # fmt: skip
        yield context


async def deliver(ctx: StepContext, *, hurry: bool = True) -> int:
    """How many were sent, waits between attempts being over if there is hurry."""
    if hurry:
        async with ctx.db.connection() as connection:
            await connection.execute("update email_outbox set not_before = now() where state = 'queued'")
    return await deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=ctx.organization.id)


async def mails(ctx: StepContext) -> list[Mail]:
    return await outbox.list_mail(ctx.db, ctx.organization.id)


async def test_each_mail_goes_out_once(ctx: StepContext, moody: tuple[Moody, int]) -> None:
    assert [await deliver(ctx), await deliver(ctx)] == [2, 0]

    assert sorted(moody[0].kept) == ["ada@post.example", "bob@post.example"]
    assert all(mail.message_id == f"<{mail.id}@yourplatform.com>" for mail in await mails(ctx))


async def test_a_mail_whose_answer_was_lost_is_not_sent_again_by_itself_and_is_seen(
    ctx: StepContext, moody: tuple[Moody, int]
) -> None:
    moody[0].answer = None
    for _ in range(4):
        await deliver(ctx)

    assert sorted(moody[0].kept) == ["ada@post.example", "bob@post.example"]  # arrived, though we never heard so
    assert [mail.told_state for mail in await mails(ctx)] == ["uncertain", "uncertain"]
    assert all("after the text had been sent" in str(mail.last_error) for mail in await mails(ctx))


async def test_a_mail_that_was_put_off_waits_and_goes_out_later(ctx: StepContext, moody: tuple[Moody, int]) -> None:
    moody[0].answer = "451 try later"
    first = [await deliver(ctx), await deliver(ctx, hurry=False)]  # the other one is tried, this one waits
    moody[0].answer = "250 kept"

    assert first == [0, 0]
    assert sorted(mail.attempts for mail in await mails(ctx)) == [1, 1]
    assert await deliver(ctx) == 2


async def test_a_mail_that_is_refused_for_good_has_failed_and_does_not_hold_up_the_next(
    ctx: StepContext, moody: tuple[Moody, int]
) -> None:
    moody[0].answer = "554 not here"

    assert await deliver(ctx) == 0

    assert [mail.told_state for mail in await mails(ctx)] == ["failed", "failed"]
    assert all("not here" in str(mail.last_error) and "@" not in str(mail.last_error) for mail in await mails(ctx))


async def test_a_mail_is_not_tried_for_ever(ctx: StepContext, moody: tuple[Moody, int]) -> None:
    moody[0].answer = "451 try later"
    async with ctx.db.connection() as connection:
        await connection.execute(
            "update email_outbox set attempts = %s where organization_id = %s", (MOST_ATTEMPTS - 1, ctx.organization.id)
        )

    await deliver(ctx)

    assert sorted(mail.told_state for mail in await mails(ctx)) == ["failed", "queued"]
