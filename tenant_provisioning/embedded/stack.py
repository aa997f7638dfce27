"""Everything that the product needs, started on this computer from packages alone, and ended again without a trace.

What comes up after what is `launch`; how a process is kept and ended is `supervisor`; what a person reads meanwhile is
the command's.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.embedded.environment import write_up_env
from tenant_provisioning.embedded.launch import Launch
from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.embedded.portal import Operator
from tenant_provisioning.embedded.ports import LOOPBACK, Ports
from tenant_provisioning.embedded.processes import signals_interrupt
from tenant_provisioning.embedded.supervisor import Event, Supervisor


@dataclass(frozen=True)
class Stack:
    """The parts that are up, and where. `settings` is what `up.env` holds, passwords included."""

    data_dir: Path
    simulator_url: str
    mail_url: str
    dagster_url: str | None
    portal_url: str | None
    operator: Operator
    settings: Mapping[str, str]
    seconds: float  # that it took until everything was ready
    supervisor: Supervisor

    @property
    def logs(self) -> Path:
        """The directory with one log a part."""
        return self.data_dir / "logs"

    def wait(self) -> None:
        """Keeps everything up until Ctrl-C, SIGTERM or SIGHUP, which it raises as KeyboardInterrupt."""
        while True:
            self.supervisor.pause(60)


@contextlib.contextmanager
def start_stack(
    data_dir: Path,
    *,
    latency: str = "realistic",
    scale: float = 0.1,
    ports: Ports | None = None,
    dagster: bool = True,
    catalog: Path | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Iterator[Stack]:
    """All parts, ready; none is left at the end of the block, or of this process. SetupError when one does not come up.

    Without `dagster` there is no portal either: it would show what nobody works on. Ports and CATALOG_PATH come from the
    environment unless given; a catalog folder without a catalog gets the sample. `on_event` is called from several threads.
    In the main thread, SIGTERM and SIGHUP act like Ctrl-C inside the block. While the stack is up, DATA_DIR/up.env holds
    its settings.
    """
    begun = time.monotonic()
    data_dir = data_dir.resolve()
    folder = catalog or Path(os.environ.get("CATALOG_PATH") or data_dir / "catalog")
    up_env = data_dir / "up.env"
    with contextlib.ExitStack() as cleanup:
        if threading.current_thread() is threading.main_thread():
            cleanup.enter_context(signals_interrupt())
        supervisor = cleanup.enter_context(Supervisor(data_dir, on_event=on_event, remove_at_death=up_env))
        chosen = (ports or Ports.from_environment()).chosen(data_dir / "ports.json")
        mail = cleanup.enter_context(MailSink(data_dir / "mail", smtp_port=chosen.mail_smtp, web_port=chosen.mail))
        launch = Launch(supervisor, chosen, folder.absolute(), latency=latency, scale=scale)
        cleanup.callback(launch.postgres.release)
        launch.everything(dagster=dagster)
        write_up_env(up_env, launch.settings)
        stack = Stack(
            data_dir=data_dir,
            simulator_url=f"https://localhost:{chosen.simulator}",
            mail_url=mail.url,
            dagster_url=f"http://{LOOPBACK}:{chosen.dagster}" if dagster else None,
            portal_url=launch.settings["PORTAL_URL"] if dagster else None,
            operator=launch.operator,
            settings=launch.settings,
            seconds=time.monotonic() - begun,
            supervisor=supervisor,
        )
        supervisor.tell("stack", "ready", seconds=stack.seconds)
        yield stack
