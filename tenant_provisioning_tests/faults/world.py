"""The vendors of one worker, mail server included, in a process of its own, whose state can be kept and brought back.

The simulator is the product's own. What is added: checkpoints, and a mail server that can be struck by faults too.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.faults import FaultPlan
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.server import serve
from tenant_provisioning.simulator.world import World

HANG_SECONDS = 60
A_DAY = 86_400.0


@dataclass(frozen=True)
class Endless(Latency):
    """Every answer at once, and one process in the background that takes a day."""

    process: str = ""

    def lasts(self, process: str) -> float:
        """Seconds until the background process is done."""
        return A_DAY if process == self.process else 0.0


class Post:
    """The mail server's handler: keeps mails in memory; one fault at a time strikes the n-th mail from now on."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []
        self.seen = 0
        self._fault: tuple[str, int] | None = None

    def strike(self, kind: str, nth: int) -> None:
        """This kind of fault happens to the n-th mail that is begun from now on."""
        self._fault, self.seen = (kind, nth), 0

    def calm(self) -> None:
        """No fault any more."""
        self._fault = None

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accepts the recipient, unless the fault says otherwise."""
        self.seen += 1
        match self._now():
            case "451":
                return "451 4.3.0 try again later"
            case "550":
                return "550 5.7.1 not today"
            case "reset":
                _abort(server)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keeps the mail, unless the fault says otherwise."""
        fault = self._now()
        if fault != "lost_text":
            message = message_from_bytes(bytes(envelope.content or b""), policy=policy.default)
            body = message.get_body(("plain",))
            text = str(body.get_content()) if body else ""
            self.mails.append((", ".join(envelope.rcpt_tos), str(message["Subject"]), text))
        if fault in {"lost_text", "lost_response"}:
            _abort(server)
        if fault == "hang_after":
            await asyncio.sleep(HANG_SECONDS)
        return "250 2.0.0 kept"

    def _now(self) -> str:
        return self._fault[0] if self._fault and self._fault[1] == self.seen else ""


def _abort(server: SMTP) -> None:
    if server.transport is not None:
        server.transport.abort()


class WorldProcess:
    """The world from outside: a process that ends with its owner. Everything asked is answered before `ask` returns."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        ready, ready_theirs = multiprocessing.Pipe()
        self.ca_file = folder / "ca.pem"
        process = multiprocessing.get_context("fork").Process(
            target=_run, args=(self.ca_file, theirs, ready_theirs, self._ours), daemon=True
        )
        process.start()
        theirs.close()
        ready_theirs.close()  # should it die before it is ready, that is heard
        self.url, self.dns_port, self.tds_port, self.smtp_port = ready.recv()

    def ask(self, command: str, *arguments: Any) -> Any:
        """What a command of `_Desk` answers."""
        self._ours.send((command, arguments))
        answer = self._ours.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Desk:
    """What can be asked of the world; each method is a command."""

    def __init__(self, world: World, post: Post) -> None:
        self._world, self._post = world, post
        self._kept: dict[str, Any] = {}

    def keep(self, name: str) -> None:
        """The world as it is now can be brought back under this name."""
        tables = {table: dict(kept._records) for table, kept in self._world._tables.items()}
        self._kept[name] = (tables, self._world.random.getstate(), list(self._post.mails))

    def bring_back(self, name: str) -> None:
        """The world is again as it was, without faults and with an empty log."""
        tables, randomness, mails = self._kept[name]
        for table, kept in self._world._tables.items():
            kept._records = dict(tables.get(table, {}))
        self._world.random.setstate(randomness)
        self._world._skew = 0.0
        self._world._make_vendors()  # as after a restart: each makes its indexes anew from its tables
        self._post.mails = list(mails)
        self._world.log.clear()
        self.calm()

    def seed_reports(self, reports: list[tuple[str, str]]) -> None:
        """The template workspace holds these reports."""
        for identifier, name in reports:
            self._world.powerbi.add_template_report(identifier, name)

    def fault(self, plan: dict[str, Any]) -> None:
        """A fault in the way of a vendor's call."""
        self._world.faults.add(FaultPlan.model_validate(plan))

    def mail_fault(self, kind: str, nth: int) -> None:
        """A fault in the way of the n-th mail."""
        self._post.strike(kind, nth)

    def endless(self, process: str) -> None:
        """A process in the background, such as `powerbi.import`, does not come to its end."""
        self._world.latency = Endless(process=process)

    def a_day_later(self) -> None:
        """Whatever went on in the background is done."""
        self._world.advance(A_DAY)

    def struck(self) -> bool:
        """Whether the one fault in force has happened."""
        return any(fault.struck for fault in self._world.faults.all()) or bool(
            self._post._fault and self._post.seen >= self._post._fault[1]
        )

    def calm(self) -> None:
        """No fault any more."""
        self._world.faults.clear()
        self._world.latency = Latency()
        self._post.calm()

    def calls(self) -> list[str]:
        """The operations asked for since the last look, oldest first; the sending of a mail is one."""
        told = [f"{seen.vendor}.{seen.operation}" for seen in self._world.log] + ["mail.send"] * self._post.seen
        self._world.log.clear()
        self._post.seen = 0
        return told

    def snapshot(self) -> dict[str, Any]:
        """Everything that exists, by vendor."""
        return {name: state.snapshot() for name, state in self._world.states().items()}

    def mails(self) -> list[tuple[str, str, str]]:
        """Every mail taken: recipient, subject, text."""
        return list(self._post.mails)


def _run(ca_file: Path, asked: Connection, ready: Connection, owners: Connection) -> None:
    owners.close()  # so that the owner's end, however it comes, is heard as the end of the pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(ca_file, asked, ready))
    os._exit(0)


async def _serve(ca_file: Path, asked: Connection, ready: Connection) -> None:
    loop, post, world = asyncio.get_running_loop(), Post(), build_world(seed=7)
    desk, stop = _Desk(world, post), asyncio.Event()
    smtp = await loop.create_server(lambda: SMTP(post, hostname="localhost", loop=loop), "127.0.0.1", 0)
    smtp_port = smtp.sockets[0].getsockname()[1]

    def answer() -> None:
        try:
            command, arguments = asked.recv()
        except EOFError:
            stop.set()
            return
        asked.send(_answered(desk, command, arguments))

    loop.add_reader(asked.fileno(), answer)
    await serve(world, ca_file=ca_file, ready=lambda *reached: ready.send((*reached, smtp_port)), stop=stop)


def _answered(desk: _Desk, command: str, arguments: tuple[Any, ...]) -> Any:
    method: Callable[..., Any] = getattr(desk, command)
    try:
        return method(*arguments)
    except Exception as error:  # noqa: BLE001 - belongs to whoever asked
        return error
