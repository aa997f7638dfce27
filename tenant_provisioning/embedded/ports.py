"""The ports of the embedded parts: free ones, kept so that addresses stay, unless a person sets them."""

import json
import os
import random
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from tenant_provisioning.embedded.kept import write_private
from tenant_provisioning.model.errors import SetupError

LOOPBACK = "127.0.0.1"
# below those that systems give to outgoing connections: one of these could hold what a killed stack wants back
OURS = range(20_000, 32_000)


@dataclass(frozen=True)
class Ports:
    """TCP ports on loopback, `dns` UDP as well; 0 leaves the choice to us. DAGSTER_PORT sets `dagster`, and so on."""

    postgres: int = 0
    simulator: int = 0
    dns: int = 0
    tds: int = 0
    mail_smtp: int = 0
    mail: int = 0
    dagster: int = 0
    portal: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The ports that a person has set. SetupError for what is not a port."""
        wanted = {}
        for variable in fields(cls):
            name = f"{variable.name.upper()}_PORT"
            text = environment.get(name, "") or "0"
            if not text.isdecimal() or int(text) > 65535:
                raise SetupError(f"{name} is {text!r}: set it to a port, or to 0 to have a free one chosen")
            wanted[variable.name] = int(text)
        return cls(**wanted)

    def chosen(self, memory: Path) -> Self:
        """Every port decided: the one set, else the one remembered in this file if it is free, else a free one.

        SetupError names a port that was set and is taken.
        """
        try:
            remembered = json.loads(memory.read_text())
        except (FileNotFoundError, ValueError):
            remembered = {}
        ports: dict[str, int] = {}
        for part, wanted in asdict(self).items():
            if wanted and not is_free(wanted):
                raise SetupError(f"port {wanted} for {part} is taken: free it, or set {part.upper()}_PORT to another")
            kept = remembered.get(part, 0)
            ports[part] = wanted or (kept if kept not in ports.values() and is_free(kept) else free_port())
        write_private(memory, json.dumps(ports))
        return type(self)(**ports)


def free_port() -> int:
    """A port that nobody uses now, on TCP and UDP."""
    return next(port for port in random.sample(OURS, len(OURS)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now, on TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            if kind == socket.SOCK_STREAM:
                # connections of an earlier server that wait for their end do not keep a new one from listening
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return port != 0
