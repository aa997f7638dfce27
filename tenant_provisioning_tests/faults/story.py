"""The tenant's story in three chapters, each told until it reaches its end: by itself, or with a person's help where it needs one.

The sensors' decisions and the steps are the product's. A person submits, approves, asks for a rollback, and asks again.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg

from tenant_provisioning.defs import quality, rollback, sensors
from tenant_provisioning.defs.runs import PARTITION, RUN_KEY
from tenant_provisioning.model.errors import LifecycleError, ProvisioningError, RequestInvalid
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.steps import approval
from tenant_provisioning.store import check_requests, checklist, organizations, outbox, requests, rollbacks
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning_tests.faults.injection import COMMITS
from tenant_provisioning_tests.faults.lab import FORM, TENANT, Lab
from tenant_provisioning_tests.faults.runs import Unit, carry_out, retried_after_crash

CHAPTERS = ("provisioning", "go_live", "rollback")
PERSON = "sam@yourplatform.com"
MOST_TURNS, MOST_HELP = 12, 2
SENSORS = {
    "provisioning": ("sensor/onboarding", "sensor/run_failure", "sensor/checks", "sensor/outbox"),
    "go_live": ("sensor/approval", "sensor/run_failure", "sensor/checks", "sensor/outbox"),
    "rollback": ("sensor/rollback", "sensor/outbox"),
}

BeforeUnit = Callable[[str, dg.DagsterRun | None, frozenset[str]], None]


@dataclass
class Ending:
    """How a chapter ended: whether it reached its end, and if not, what was said last."""

    reached: bool
    why: str = ""


class Story:
    """Tells the chapters in one laboratory.

    `before_unit` is called with the name of each unit (a step or check of a run, a sensor's look, a person's act), its run if it
    is a run's, and what that run has done. `helped` counts how often a person had to do something again.
    """

    def __init__(self, lab: Lab, before_unit: BeforeUnit = lambda *_: None) -> None:
        self.lab, self._before_unit, self.helped = lab, before_unit, 0

    def begin(self, chapter: str) -> None:
        """The person's part of the chapter, repeated when it failed."""
        act = {"provisioning": _submit, "go_live": _approve, "rollback": _wish_rollback}[chapter]
        name = f"person/{act.__name__.strip('_')}"
        for attempt in range(3):
            self.helped += attempt > 0
            try:
                self._before_unit(name, None, frozenset())
                asyncio.run(_with_db(self.lab, act))
            except (ProvisioningError, psycopg.Error) as error:
                self.lab.said.lines.append(f"{name}: {error}")
            else:
                return

    def tell(self, chapter: str) -> Ending:
        """The chapter's end, reached by the sensors' turns alone, or with a person who asks again where they stand still."""
        for _ in range(MOST_TURNS):
            self.lab.time_passes()
            acted = self.turn(chapter)
            with COMMITS.looking_away():
                if asyncio.run(_with_db(self.lab, lambda lab, db: _has_ended(lab, db, chapter))):
                    return Ending(True)
            if not acted:
                if self.helped == MOST_HELP:
                    break
                self.helped += 1
                with COMMITS.looking_away():
                    asyncio.run(_with_db(self.lab, lambda lab, db: _help(lab, db, chapter)))
        return Ending(False, self.lab.said.text()[-2000:])

    def turn(self, chapter: str) -> bool:
        """One look of every sensor that has a part in the chapter, and the runs they ask for; whether anything happened."""
        acted = False
        for sensor in SENSORS[chapter]:
            self._before_unit(sensor, None, frozenset())
            try:
                acted = self.look(sensor) or acted
            except (psycopg.Error, ProvisioningError) as error:  # its tick has failed, and another follows
                self.lab.said.lines.append(f"{sensor}: {error}")
                acted = True
        return acted

    def look(self, sensor: str) -> bool:
        """One look of one sensor, and the runs it asks for carried out; whether anything happened."""
        runs: Any = self.lab.runs
        platform = self.lab.platform
        match sensor:
            case "sensor/onboarding":
                launches = asyncio.run(sensors._launches(runs, platform))
                for launch in launches:
                    self.start("provision_tenant", launch.run_key, selected=" ".join(launch.steps))
                return bool(launches)
            case "sensor/approval":
                approved = asyncio.run(quality._approved(runs, platform))
                for one in approved:
                    self.start("go_live", f"{one.approval}:{one.number}", **{quality.APPROVAL: one.approval})
                return bool(approved)
            case "sensor/rollback":
                wishes, told = asyncio.run(rollback.attend_to_rollbacks(runs, platform))
                for wish in wishes:
                    self.start("rollback_tenant", wish.run_key)
                return bool(wishes or told)
            case "sensor/checks":
                checks = asyncio.run(quality._check_requests(runs, platform))
                for check in checks:
                    self.start("check_tenant", quality._run_key(check))
                return bool(checks)
            case "sensor/run_failure":
                return bool(asyncio.run(sensors._settle(runs, platform)))
        return bool(asyncio.run(quality._send_mail(platform)))

    def start(self, job: str, run_key: str, **tags: str) -> None:
        """A new run, carried out to its end."""
        run = self.lab.runs.add(job, {PARTITION: TENANT, RUN_KEY: run_key, **tags})
        self.go_on(run, frozenset())

    def go_on(self, run: dg.DagsterRun, done: frozenset[str], report: Callable[[str], None] = lambda _: None) -> None:
        """The run from where it stands to its end, in what is a new process; `report` hears of each unit that is done."""
        lab = self.lab
        lab.new_process()
        succeeded = set(done)
        units = lab.jobs.units(run)
        names = {unit.name for unit in units}
        for unit in units:
            if unit.name in succeeded or not (unit.after & names) <= succeeded:
                continue
            self._before_unit(unit.name, run, frozenset(succeeded))
            if self._carry_out(unit, run):
                succeeded.add(unit.name)
                report(unit.name)
        lab.runs.end(run, success=names <= succeeded)

    def _carry_out(self, unit: Unit, run: dg.DagsterRun) -> bool:
        return carry_out(unit, run, self.lab.runs, self.lab.platform, self.lab.said.lines)

    def in_child(self, work: Callable[[Callable[[str], None]], None]) -> tuple[bool, list[str]]:
        """Work done in a process of its own: whether that was killed, and the units it reported done."""
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            code = 1
            try:
                os.close(reading)
                with os.fdopen(writing, "wb", buffering=0) as told:
                    work(lambda name: told.write(f"{name}\n".encode()) and None)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading, "rb") as heard:
            told = heard.read()
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status), told.decode().split()

    def crashed(self, run: dg.DagsterRun, done: frozenset[str]) -> None:
        """The run's process is gone: Dagster notices, and starts it again from what was not done."""
        successor = retried_after_crash(self.lab.runs, run)
        if successor is not None:
            self.go_on(successor, done)


async def _with_db(lab: Lab, act: Callable[[Lab, Database], Any]) -> Any:
    async with open_database(lab.settings.database_url.get_secret_value(), max_size=2) as db:
        return await act(lab, db)


async def _organization(db: Database) -> Any:
    found = await organizations.find_by_subdomain(db, TENANT)
    assert found is not None
    return found


async def _submit(lab: Lab, db: Database) -> None:
    try:
        await requests.submit(db, FORM, requested_by=PERSON, default_domain=lab.settings.platform_domain)
    except RequestInvalid as refusal:
        if set(refusal.errors) != {"subdomain", "super_users.0.email", "super_users.1.email"}:
            raise  # whoever is told that it is all taken sees that the request is there


async def _approve(lab: Lab, db: Database) -> None:
    organization = await _organization(db)
    if (await approval.standing(db, organization, lab.settings)).stands:
        return
    for item in MANUAL_ITEMS:
        await checklist.tick(db, organization.id, item, done_by=PERSON)
    await approval.approve(db, organization.id, lab.settings, by=PERSON)


async def _wish_rollback(lab: Lab, db: Database) -> None:
    organization = await _organization(db)
    await rollbacks.request_rollback(db, organization.id, actor=PERSON, confirmed=organization.name)


async def _has_ended(lab: Lab, db: Database, chapter: str) -> bool:
    organization = await _organization(db)
    wanted = {"provisioning": "pending_qa", "go_live": "active", "rollback": "rolled_back"}[chapter]
    if organization.status != wanted or organization.claimed_by_run is not None:
        return False
    if chapter == "rollback":
        return True
    verdicts = await approval.qa_results.latest_verdicts(db, organization.id)
    arrived = {(recipient, subject) for recipient, subject, _ in lab.world.ask("mails")}
    return not approval.check_obstacles(verdicts) and all(
        mail.told_state == "sent" or (mail.is_uncertain and (mail.recipient, mail.subject) in arrived)
        for mail in await outbox.list_mail(db, organization.id)
    )


async def _help(lab: Lab, db: Database, chapter: str) -> None:
    """What a person does who sees that it does not go on by itself: `retry`, `checks`, `mail-retry`, approve or ask again."""
    organization = await _organization(db)
    arrived = {(recipient, subject) for recipient, subject, _ in lab.world.ask("mails")}
    for mail in await outbox.list_mail(db, organization.id):
        if mail.told_state == "failed" or (mail.is_uncertain and (mail.recipient, mail.subject) not in arrived):
            await outbox.requeue(db, organization.id, mail.id, actor=PERSON)
    try:
        if chapter == "provisioning" and organization.status == "failed":
            await requests.next_attempt(db, organization.id, actor=PERSON, reason="tried again")
        elif chapter == "rollback":
            await _wish_rollback(lab, db)
        elif approval.check_obstacles(await approval.qa_results.latest_verdicts(db, organization.id)):
            await check_requests.request_checks(db, organization.id, actor=PERSON)
        elif chapter == "go_live" and organization.status == "pending_qa":
            await _approve(lab, db)
    except LifecycleError as error:
        lab.said.lines.append(str(error))
