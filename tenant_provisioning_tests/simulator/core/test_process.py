"""The simulator as a program: it tells when it listens, remembers over a kill, and stops at once."""

import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

ACME = "/v1/domains/yourplatform.com/records/CNAME/acme"
GODADDY = {"Authorization": "sso-key simulated-key:simulated-godaddy-secret"}
SECONDS_TO_START = 30


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], dict[str, Any]]]]:
    """Starts simulators that share a CA file and a state file; ends those that are left."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*more: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        ready = tmp_path / f"ready-{len(started)}.json"
        files = ("--ca-file", tmp_path / "ca.pem", "--ready-file", ready, "--state", tmp_path / "state.sqlite")
        command = [sys.executable, "-m", "tenant_provisioning.simulator", *map(str, files), *more]
        started.append(subprocess.Popen(command))
        deadline = time.monotonic() + SECONDS_TO_START
        while not ready.exists():
            assert started[-1].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return started[-1], json.loads(ready.read_text())

    yield run
    for process in started:
        process.kill()
        process.wait()


def call(told: dict[str, Any], method: str, path: str, body: Any = None, timeout: float = 5) -> httpx.Response:
    context = ssl.create_default_context(cafile=told["ca_file"])
    with httpx.Client(base_url=told["url"], verify=context, trust_env=False, timeout=timeout) as http:
        return http.request(method, path, json=body, headers=GODADDY)


def test_a_kill_loses_nothing_that_was_answered_and_the_ca_stays_the_same(start: Any, tmp_path: Path) -> None:
    first, told = start()
    assert call(told, "PUT", ACME, [{"data": "a.example", "ttl": 600}]).status_code == 200
    authority = (tmp_path / "ca.pem").read_bytes()
    first.send_signal(signal.SIGKILL)
    first.wait()

    _, told_again = start()

    assert [record["data"] for record in call(told_again, "GET", ACME).json()] == ["a.example"]
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_quickly_even_while_a_call_hangs(start: Any, number: signal.Signals) -> None:
    process, told = start()
    call(told, "POST", "/_control/faults", {"vendor": "godaddy", "kind": "hang"})
    context = ssl.create_default_context(cafile=told["ca_file"])
    port = int(told["url"].rpartition(":")[2])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as waiting:
        waiting.sendall(f"GET {ACME} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while not call(told, "GET", "/_control/faults").json()["faults"][0]["struck"]:
            time.sleep(0.01)
        began = time.monotonic()

        process.send_signal(number)

        assert process.wait(10) == 0
        assert time.monotonic() - began < 3


def test_it_listens_on_loopback_only_and_tells_its_own_process(start: Any) -> None:
    process, told = start()

    assert told["pid"] == process.pid
    own = psutil.Process(process.pid).net_connections("inet")
    addresses = {connection.laddr for connection in own if connection.status in {"LISTEN", psutil.CONN_NONE}}
    assert addresses == {
        ("127.0.0.1", port) for port in (int(told["url"].rpartition(":")[2]), told["dns_port"], told["tds_port"])
    }
