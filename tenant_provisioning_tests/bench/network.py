"""Hosts of the bench: network namespaces with addresses of their own on one bridge. Needs root and iproute2.

This machine is the gateway. What listens on its loopback is reached from the hosts through `door`, at the gateway's address; there
the name localhost means the gateway, because that is the name in the simulator's certificate.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

GATEWAY = "10.213.0.1"
BRIDGE = f"tp{os.getpid() % 10000}"
ETC = Path("/etc/netns")


def why_not() -> str:
    """Why there can be no hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("ip") else "iproute2 is not installed"


@dataclass(frozen=True)
class Host:
    """One host on the network."""

    name: str
    address: str

    @property
    def inside(self) -> list[str]:
        """The words that start a program there."""
        return ["ip", "netns", "exec", self.name]

    def processes(self) -> list[int]:
        """Those that run there."""
        told = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False).stdout
        return [int(word) for word in told.split()]

    def die(self) -> int:
        """Its link goes down, so that nobody hears of its end, and every process is killed; returns how many."""
        _ip("link", "set", f"v{self.name}", "down")
        killed = self.processes()
        for process in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(killed)


@contextlib.contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many hosts that reach this machine at GATEWAY and each other; gone with all their processes afterwards."""
    with contextlib.ExitStack() as cleanup:
        _ip("link", "add", BRIDGE, "type", "bridge")
        cleanup.callback(_ip, "link", "del", BRIDGE)
        _ip("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        yield [_host(number, cleanup) for number in range(1, count + 1)]


@contextlib.contextmanager
def door(folder: Path, tcp: Sequence[int], udp: Sequence[int]) -> Iterator[None]:
    """These ports of this machine's loopback can be reached at GATEWAY."""
    ready = folder / "door.ready"
    ports = [*(f"tcp:{port}" for port in tcp), *(f"udp:{port}" for port in udp)]
    words = [sys.executable, "-m", "tenant_provisioning_tests.bench.door", GATEWAY, str(ready), *ports]
    with (folder / "door.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the door did not open: {(folder / 'door.log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def _host(number: int, cleanup: contextlib.ExitStack) -> Host:
    host = Host(f"{BRIDGE}n{number}", f"10.213.0.{10 + number}")
    _ip("netns", "add", host.name)
    cleanup.callback(_ip, "netns", "del", host.name)
    cleanup.callback(host.die)
    (ETC / host.name).mkdir(parents=True)
    cleanup.callback(shutil.rmtree, ETC / host.name)
    (ETC / host.name / "hosts").write_text(f"{GATEWAY} localhost\n{host.address} {host.name}\n")
    link = f"v{host.name}"
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    _ip("link", "set", link, "master", BRIDGE, "up")
    _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
    _ip("-n", host.name, "link", "set", "eth0", "up")
    _ip("-n", host.name, "link", "set", "lo", "up")
    return host


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
