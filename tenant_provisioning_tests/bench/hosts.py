"""P8: workers on two hosts against one, and a host that is lost in the middle.

The vendors take long enough that two processors are not the limit, and each worker has the same number of processes. All runs go
through one database, one Redis and one daemon on this machine. A first round, with instant vendors, is not counted. In the round
of one host the other is up and takes nothing.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator

import psutil
from celery import Celery

from tenant_provisioning.embedded.processes import signals_interrupt
from tenant_provisioning_tests.bench.measure import Measure
from tenant_provisioning_tests.bench.network import GATEWAY, Host, door, hosts, why_not
from tenant_provisioning_tests.bench.several import Parts, parts
from tenant_provisioning_tests.deploy.celery import PROFILE, REDIS, Worker, prepare_home, start_worker
from tenant_provisioning_tests.faults.state import Difference, Whole, difference, whole

PROCESSES = 2  # of each worker
TENANTS = 4 * PROCESSES  # in two goes on two hosts, in four on one: a single go is as long as its longest run
SCALE, QUICK_SCALE = 1.0, 0.1
PATIENCE = 3600
TENANT = re.compile(r"(?<![a-z])(warm|one|two|lost)[-_]\d+\b")  # with an underscore in the name of a lakehouse


def measure(quick: bool) -> Iterator[Measure]:
    """Two hosts ÷ one, and what became of the tenants of the host that was lost."""
    if reason := why_not() or ("" if REDIS else "redis-server is not installed"):
        yield Measure("P8", f"not measured: {reason}", float("nan"), "", "≥ 1.9")
        return
    slow = {"profile": "realistic", "scale": QUICK_SCALE if quick else SCALE}
    with (
        signals_interrupt(),
        hosts(2) as (first, second),
        parts(profile=PROFILE, redis_at=GATEWAY, runs=2 * PROCESSES, latency="instant") as all_parts,
        door(all_parts.folder, all_parts.tcp, all_parts.udp),
    ):
        workers = [_worker(all_parts, host) for host in (first, second)]
        for worker in workers:
            worker.wait_until_ready()
        all_parts.wait_until_ready()
        control = Celery(broker=all_parts.environment["CELERY_BROKER"]).control
        if not quick:
            _round(all_parts, "warm", 2 * PROCESSES)
        all_parts.control("PUT", "latency", slow)
        control.cancel_consumer("dagster", destination=[f"{second.name}@{second.name}"], reply=True)
        one, one_busy = _round(all_parts, "one", TENANTS)
        control.add_consumer("dagster", destination=[f"{second.name}@{second.name}"], reply=True)
        before = _things(all_parts)
        two, two_busy = _round(all_parts, "two", TENANTS)
        clean = _added(before, _things(all_parts))
        facts = {
            "tenants": TENANTS, "processes_a_worker": PROCESSES, "scale": slow["scale"], "one_host": round(one, 3),
            "two_hosts": round(two, 3), "processors_busy_one": one_busy, "processors_busy_two": two_busy,
        }  # fmt: skip
        yield Measure("P8", "two hosts ÷ one, tenants a minute", two / one, "times", "≥ 1.9", two / one >= 1.9, facts)
        yield _host_lost(all_parts, second, clean)
        for worker in workers:
            worker.kill()


def _worker(all_parts: Parts, host: Host) -> Worker:
    """A worker on this host, with a DAGSTER_HOME of its own."""
    folder = all_parts.folder / host.name
    prepare_home(folder / "home")
    environment = {**all_parts.environment_at(GATEWAY), "DAGSTER_HOME": str(folder / "home")}
    return start_worker(f"{host.name}@{host.name}", folder, environment, concurrency=PROCESSES, inside=host.inside)


def _round(all_parts: Parts, name: str, count: int) -> tuple[float, float]:
    """Tenants a minute, from the first row to the last tenant that waits for QA, and how busy this machine was, in percent."""
    names = [f"{name}-{number}" for number in range(count)]
    psutil.cpu_percent()
    began = all_parts.submit(*names)
    took = all_parts.finished(*names, within=PATIENCE) - began
    return 60 * count / took, psutil.cpu_percent()


def _host_lost(all_parts: Parts, host: Host, clean: Whole) -> Measure:
    names = [f"lost-{number}" for number in range(TENANTS)]
    before = _things(all_parts)
    all_parts.submit(*names)
    under_way = """select count(distinct organization_id) as tenants from provisioning_steps where state = 'done'
                   and organization_id in (select id from organizations where subdomain = any(%s))"""
    all_parts.wait(lambda: all_parts.rows(under_way, names)[0]["tenants"] == TENANTS, PATIENCE, "both were at work")
    killed = host.die()
    lost_at = time.time()
    finished = all_parts.finished(*names, within=PATIENCE)
    runs = all_parts.dagster_rows(
        "select partition, status, end_time from runs where partition = any(%s) order by id", names
    )
    lost = [run for run in runs if run["status"] == "FAILURE"]
    twice = difference(_added(before, _things(all_parts)), clean)
    facts = {
        "tenants": TENANTS, "processes_killed": killed, "runs_lost": len(lost),
        "noticed_after": round(max((run["end_time"] - lost_at for run in lost), default=0), 1),
        "all_done_after": round(finished - lost_at, 1), "succeeded": sum(run["status"] == "SUCCESS" for run in runs),
        "differences": _told(twice),
    }  # fmt: skip
    wrong = len(facts["differences"])
    return Measure(
        "P8", "host lost: differences from the clean state", wrong, "", "= 0", not wrong and bool(lost), facts
    )


def _things(all_parts: Parts) -> Whole:
    """What there is once every mail is out, every tenant under the same name."""
    waiting = "select count(*) as mails from email_outbox where state in ('queued', 'sending')"
    all_parts.wait(lambda: not all_parts.rows(waiting)[0]["mails"], PATIENCE, "every mail is out")
    found = whole(all_parts)  # type: ignore[arg-type]
    return Whole(*(_alike(counted) for counted in (found.things, found.mails, found.rows)))


def _alike(counted: "Counter[str]") -> "Counter[str]":
    alike = Counter[str]()
    for told, number in counted.items():
        alike[TENANT.sub("tenant", told)] += number
    return alike


def _added(before: Whole, after: Whole) -> Whole:
    return Whole(after.things - before.things, after.mails - before.mails, after.rows - before.rows)


def _told(found: Difference) -> list[str]:
    return [
        f"{kind}: {one}"
        for kind in ("duplicates", "orphans", "missing", "mails_twice", "rows")
        for one in getattr(found, kind)
    ]
