"""When the text of a mail has left us and the answer is lost, nobody knows; in every other case it is known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.mail import Mailer, OutgoingMail, Unanswered

SENDER = "Training Platform <welcome@yourplatform.com>"
MAIL = OutgoingMail("ada@acme.example", "Hello", "text", "<p>text</p>", "<id@yourplatform.com>")


@asynccontextmanager
async def server(**answers: str) -> AsyncIterator[tuple[Mailer, list[str]]]:
    """A mailer and what its server has heard. A command without an answer of its own is accepted; "" breaks the connection off,
    "…" never answers. END is the end of the text."""
    heard: list[str] = []
    usual = {"EHLO": "250 there", "DATA": "354 go on", "END": "250 kept", "QUIT": "221 bye"}
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        in_text = False
        async for line in reader:
            word = line.decode().strip().partition(" ")[0]
            if in_text and word != ".":
                continue
            command = "END" if in_text else word.upper()
            heard.append(command)
            answer = answers.get(command, usual.get(command, "250 ok"))
            if not answer:
                break
            in_text = command == "DATA" and answer.startswith("354")
            if answer != "…":
                writer.write(f"{answer}\r\n".encode())

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        talks.append(this)
        try:
            with contextlib.suppress(ConnectionError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()

    running = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield Mailer("127.0.0.1", port, sender=SENDER, starttls=False, timeout=1), heard
    finally:
        running.close()
        await asyncio.wait_for(asyncio.gather(*talks), 5)
        await asyncio.sleep(0)  # the transports are closed in the loop's next round


async def sent(mailer: Mailer, heard: list[str]) -> list[str]:
    """Sends; gives what the server had heard when the text was about to go out."""
    before: list[str] = []

    async def note() -> None:
        before.extend(heard)

    await mailer.send(MAIL, before_text=note)
    return before


async def test_the_hand_over_is_announced_after_the_recipient_and_before_the_text() -> None:
    async with server() as (mailer, heard):
        before = await sent(mailer, heard)

    assert "RCPT" in before
    assert "DATA" not in before
    assert "END" in heard


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("answer", ["", "…", "421 busy"])
async def test_what_goes_wrong_before_the_text_is_known_not_to_have_been_sent(command: str, answer: str) -> None:
    answers = {command: answer, "HELO": answer}
    async with server(**answers) as (mailer, heard):
        with pytest.raises(VendorUnavailable) as failure:
            await sent(mailer, heard)

    assert not isinstance(failure.value, Unanswered)
    assert "DATA" not in heard


@pytest.mark.parametrize(("answer", "error"), [("451 try later", VendorUnavailable), ("554 no", VendorRejected)])
@pytest.mark.parametrize("command", ["DATA", "END"])
async def test_a_refusal_of_the_text_is_an_answer(command: str, answer: str, error: type[Exception]) -> None:
    answers = {command: answer}
    async with server(**answers) as (mailer, heard):
        with pytest.raises(error) as failure:
            await sent(mailer, heard)

    assert not isinstance(failure.value, Unanswered)


@pytest.mark.parametrize("answer", ["", "…"])
async def test_a_lost_answer_to_the_text_is_told_as_what_it_is(answer: str) -> None:
    async with server(END=answer) as (mailer, heard):
        with pytest.raises(Unanswered, match="after the text had been sent"):
            await sent(mailer, heard)


@pytest.mark.parametrize("answer", ["", "…", "500 what"])
async def test_a_farewell_that_fails_changes_nothing(answer: str) -> None:
    async with server(QUIT=answer) as (mailer, heard):
        await sent(mailer, heard)


async def test_nothing_is_sent_when_the_announcement_fails() -> None:
    async def refuse() -> None:
        raise KeyError

    async with server() as (mailer, heard):
        with pytest.raises(KeyError):
            await mailer.send(MAIL, before_text=refuse)

    assert "DATA" not in heard
