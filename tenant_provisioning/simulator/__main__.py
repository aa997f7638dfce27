"""`python -m tenant_provisioning.simulator`: runs the simulated vendors until it is told to stop.

It says that it listens by writing the ready file, whole or not at all: `{"url", "dns_port", "tds_port", "ca_file", "pid"}`.
"""

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import click
import uvloop

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.latency import PROFILES, Latency
from tenant_provisioning.simulator.server import serve


@click.command()
@click.option("--port", default=0, show_default=True, help="HTTPS port on loopback; 0 chooses a free one.")
@click.option(
    "--dns-port", default=0, show_default=True, help="DNS port on loopback (UDP and TCP); 0 chooses a free one."
)
@click.option("--tds-port", default=0, show_default=True, help="Port of the data stores' SQL; 0 chooses a free one.")
@click.option(
    "--ca-file", type=click.Path(path_type=Path), required=True, help="Where the CA certificate is, or will be."
)
@click.option("--ready-file", type=click.Path(path_type=Path), required=True, help="Written when everything listens.")
@click.option("--state", type=click.Path(path_type=Path), help="A sqlite file that makes the vendors remember.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    envvar="SIMULATOR_RECORD",
    help="A file to which every request and answer is added.",
)
@click.option(
    "--smtp-port", default=0, show_default=True, help="Loopback port for the vendors' own mails; 0 delivers none."
)
@click.option("--latency", "profile", type=click.Choice(PROFILES), default="instant", show_default=True)
@click.option("--scale", default=1.0, show_default=True, help="Stretches or shortens the latency.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same ids for the same calls.")
def main(
    *,
    port: int,
    dns_port: int,
    tds_port: int,
    ca_file: Path,
    ready_file: Path,
    state: Path | None,
    record: Path | None,
    smtp_port: int,
    profile: str,
    scale: float,
    seed: int,
) -> None:
    """Run the simulated vendors on loopback until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    ready_file.unlink(missing_ok=True)
    world = build_world(
        seed=seed, latency=Latency(profile, scale), state_file=state, record_file=record, smtp_port=smtp_port
    )

    def ready(url: str, listening_dns_port: int, listening_tds_port: int) -> None:
        told = {
            "url": url,
            "dns_port": listening_dns_port,
            "tds_port": listening_tds_port,
            "ca_file": str(ca_file.absolute()),
            "pid": os.getpid(),
        }
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(told))
        draft.replace(ready_file)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(world, ca_file=ca_file, port=port, dns_port=dns_port, tds_port=tds_port, ready=ready, stop=stop)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        world.close()
        ready_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
