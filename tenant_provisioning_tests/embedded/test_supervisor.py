"""What a supervisor starts is kept running, and never outlives it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tenant_provisioning.embedded.processes import Program
from tenant_provisioning.embedded.supervisor import Event, Supervisor
from tenant_provisioning.embedded.watchdog import end_marked
from tenant_provisioning.model.errors import SetupError

Supervise = Callable[..., "subprocess.Popen[str]"]


def watchdogs(litter) -> list[psutil.Process]:
    return [one for one in litter.processes() if "tenant_provisioning.embedded.watchdog" in one.cmdline()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_a_supervisor_ends_no_process_is_left(
    supervise: Supervise, litter, tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = supervise()
    assert litter.names().count("sleep") == 2
    supervisor.send_signal(number)
    assert supervisor.wait(30) == (-9 if number == signal.SIGKILL else 130)
    assert litter.is_gone()
    assert not (tmp_path / "up.env").exists()


def test_ctrl_c_also_ends_a_supervisor_that_a_shell_started_in_the_background(supervise: Supervise, litter) -> None:
    supervisor = supervise(like_a_background_job=True)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(30) == 130
    assert litter.is_gone()


def test_a_program_can_be_interrupted_even_where_its_supervisor_was_told_to_ignore_that(
    tmp_path: Path, family_environment: dict[str, str]
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with (
            Supervisor(tmp_path) as supervisor,
            pytest.raises(SetupError, match=f"ended with code -{int(signal.SIGINT)}"),
        ):
            supervisor.run(Program("interrupted", ["/bin/sh", "-c", "kill -INT $$"], family_environment))
    finally:
        signal.signal(signal.SIGINT, before)


def test_killing_the_whole_process_group_leaves_no_process_either(supervise: Supervise, litter) -> None:
    supervisor = supervise()
    os.killpg(supervisor.pid, signal.SIGKILL)
    supervisor.wait(30)
    assert litter.is_gone()


def test_a_second_supervisor_on_the_same_directory_is_refused_by_name_of_the_first(
    supervise: Supervise, litter, tmp_path: Path
) -> None:
    first = supervise()
    with pytest.raises(SetupError, match=f"is in use by process {first.pid}") as refused, Supervisor(tmp_path):
        pass
    assert "\n" not in str(refused.value)
    assert litter.names().count("sleep") == 2
    first.terminate()
    first.wait(10)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SetupError, match=r"file/data cannot be written.*DATA_DIR"),
        Supervisor(tmp_path / "file" / "data"),
    ):
        pass


def test_what_a_killed_supervisor_and_watchdog_left_behind_is_ended_by_the_next_start(
    supervise: Supervise, litter, tmp_path: Path, eventually
) -> None:
    first = supervise()
    first.send_signal(signal.SIGSTOP)  # or it would start another watchdog
    (watchdog,) = watchdogs(litter)
    watchdog.kill()
    first.kill()
    first.wait(10)
    assert eventually(lambda: litter.names() == ["sleep", "sleep"])
    told: list[Event] = []
    with Supervisor(tmp_path, on_event=told.append, remove_at_death=tmp_path / "up.env"):
        assert litter.names() == []
        assert not (tmp_path / "up.env").exists()
    assert "ended 2 processes" in told[0].detail


def test_the_watchdog_of_a_killed_supervisor_spares_the_next_ones_programs(
    supervise: Supervise, litter, tmp_path: Path, family_environment: dict[str, str], eventually
) -> None:
    first = supervise()
    (watchdog,) = watchdogs(litter)
    watchdog.suspend()  # as if it came late to its work
    first.kill()
    first.wait(10)
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(Program("next", ["sleep", "600"], family_environment), lambda: True)
        process = child.process
        watchdog.resume()
        assert eventually(lambda: litter.names() == ["sleep"])
        assert child.process is process  # not ended and started again


def test_a_watchdog_that_dies_is_replaced(supervise: Supervise, litter, eventually) -> None:
    supervisor = supervise()
    (first,) = watchdogs(litter)
    first.kill()
    assert eventually(lambda: [one.pid for one in watchdogs(litter)] not in ([], [first.pid]))
    supervisor.kill()
    supervisor.wait(30)
    assert litter.is_gone()


def test_a_program_that_dies_is_started_again_without_its_orphans(
    tmp_path: Path, litter, family_environment: dict[str, str], eventually
) -> None:
    told: list[Event] = []
    with Supervisor(tmp_path, on_event=told.append) as supervisor:
        family = Program("family", ["/bin/sh", "-c", "sleep 600 & wait"], family_environment)
        child = supervisor.start(family, lambda: litter.names() == ["sh", "sleep"])
        before = {process.pid for process in litter.processes()}
        child.process.kill()
        assert eventually(lambda: any(event.state == "restarted" for event in told))
        assert eventually(lambda: litter.names() == ["sh", "sleep"])
        assert not before & {process.pid for process in litter.processes()}
    assert [event.state for event in told] == ["starting", "ready", "died", "restarted", "stopped"]


def test_a_program_that_keeps_dying_is_started_less_and_less_often(
    tmp_path: Path, family_environment: dict[str, str], eventually
) -> None:
    told: list[Event] = []
    with Supervisor(tmp_path, on_event=told.append) as supervisor:
        supervisor.start(Program("short", ["sleep", "0.05"], family_environment), lambda: True)
        assert eventually(lambda: sum(event.state == "died" for event in told) == 3)
    waits = [event.detail.rpartition("again in ")[2] for event in told if event.state == "died"]
    assert waits == ["0.25 s", "0.5 s", "1 s"]


def test_a_program_that_ends_before_it_is_ready_is_reported_with_its_last_words(
    tmp_path: Path, family_environment: dict[str, str]
) -> None:
    with Supervisor(tmp_path) as supervisor:
        failing = Program("failing", ["/bin/sh", "-c", "echo no such column; exit 3"], family_environment)
        with pytest.raises(SetupError, match=r"failing ended with code 3[\s\S]*failing.log:\nno such column"):
            supervisor.start(failing, lambda: False)


def test_programs_are_stopped_in_reverse_order(tmp_path: Path, family_environment: dict[str, str]) -> None:
    told: list[Event] = []
    with Supervisor(tmp_path, on_event=told.append) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(Program(name, ["sleep", "600"], family_environment), lambda: True)
    assert [event.part for event in told if event.state == "stopped"] == ["third", "second", "first"]


def test_a_program_that_ignores_its_stop_signal_is_killed_after_its_time(
    tmp_path: Path, litter, family_environment: dict[str, str]
) -> None:
    stubborn = ["/bin/sh", "-c", "trap '' TERM; touch ready; while :; do sleep 1; done"]
    program = Program("stubborn", stubborn, family_environment, directory=tmp_path, stop_seconds=0.3)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program, (tmp_path / "ready").exists)
        begun = time.monotonic()
    assert time.monotonic() - begun >= 0.3
    assert litter.names() == []


def test_an_orphan_that_ignores_being_asked_is_killed(tmp_path: Path, litter, eventually) -> None:
    prefix = f"test-{litter.id}"
    environment = {**os.environ, "TENANT_PROVISIONING_STACK": prefix, "TENANT_PROVISIONING_TEST_LITTER": litter.id}
    stubborn = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM; touch ready; while :; do sleep 1; done"], env=environment, cwd=tmp_path
    )
    assert eventually((tmp_path / "ready").exists)
    assert end_marked(prefix, grace=0.2) >= 1
    assert stubborn.wait(5) == -signal.SIGKILL
    assert litter.is_gone()


def test_a_program_that_has_lost_a_part_of_itself_is_started_again(tmp_path: Path, eventually) -> None:
    def parts(pid: int) -> list[psutil.Process]:
        return [one for one in psutil.Process(pid).children() if "600" in one.cmdline()]

    # lives on without its part
    program = Program("maimed", ["/bin/sh", "-c", "sleep 600 & wait; exec sleep 599"], dict(os.environ), tmp_path)
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(program, lambda: True, is_whole=lambda pid: bool(parts(pid)))
        first = child.process.pid
        assert eventually(lambda: child.whole_at is not None)

        parts(first)[0].kill()

        assert eventually(lambda: child.process.pid != first and parts(child.process.pid), 20)
