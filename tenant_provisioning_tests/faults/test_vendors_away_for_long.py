"""Vendors that misbehave for longer than a run waits: it ends, says why and when it goes on, and goes on by itself.

The sensors' decisions, the steps and the waiting are the product's, told as in the sweep, and what comes out in the end is what
would have come out without the trouble: nothing twice, nothing left over. A sample, or with FAULTS=all (`make faults`) all of them.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.model.lifecycle import FIRST_WAIT
from tenant_provisioning_tests.faults.lab import Lab, Moment, new_lab
from tenant_provisioning_tests.faults.state import Whole, difference, whole
from tenant_provisioning_tests.faults.story import CHAPTERS, Story

DEADLINE = 0.3  # seconds that an operation gets here
LOOKS = {"provisioning": 1, "rollback": 2}  # a rollback's failure is counted when its sensor looks again
HOUR = 3600


@dataclass
class Stage:
    """A laboratory with the beginning and the end of each chapter, as they are without trouble."""

    lab: Lab
    beginnings: dict[str, Moment] = field(default_factory=dict)
    ends: dict[str, Whole] = field(default_factory=dict)


@pytest.fixture(scope="module")
def stage(postgres_server: EmbeddedPostgres) -> Iterator[Stage]:
    """The clean story, told once."""
    level = logging.getLogger().level
    with new_lab(postgres_server.url, 0) as lab:
        stage, story = Stage(lab), Story(lab)
        lab.begin()
        for chapter in CHAPTERS:
            stage.beginnings[chapter] = lab.keep(f"before {chapter}")
            story.begin(chapter)
            assert story.tell(chapter).reached
            stage.ends[chapter] = whole(lab)
        yield stage
    logging.getLogger().setLevel(level)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong for long, at one vendor's call or in a process behind its answer, and what people are told of it."""

    name: str
    words: str
    call: str = ""  # vendor.operation, or a vendor alone for all that it does
    process: str = ""
    chapter: str = "provisioning"
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> timedelta:
        """For how long the vendor asks to be left alone."""
        return timedelta(seconds=self.plan.get("retry_after", 0))

    def begin(self, lab: Lab) -> None:
        """From now on."""
        if self.process:
            lab.world.ask("endless", self.process)
            return
        vendor, _, operation = self.call.partition(".")
        lab.world.ask("fault", {"vendor": vendor, "operation": operation or None, "times": "forever", **self.plan})

    def end(self, lab: Lab) -> None:
        """The vendor is back."""
        lab.world.ask("calm")
        if self.process:
            lab.world.ask("a_day_later")


def down(vendor: str, **more: Any) -> Trouble:
    """A vendor that answers nothing but 503."""
    return Trouble(f"{vendor} is down", "HTTP 503", call=vendor, plan={"kind": "error_before", "status": 503}, **more)


def refused(name: str, call: str, status: int, code: str) -> Trouble:
    """A refusal that passes by itself."""
    return Trouble(name, code, call=call, plan={"kind": "error_before", "status": status, "code": code})


TROUBLES = (
    Trouble("an import stays Publishing", "Publishing", process="powerbi.import"),
    Trouble("an operation never ends", "the vendor last said: NotStarted", process="fabric.operation"),
    Trouble("a SQL endpoint never comes up", "not finished after", process="fabric.sql_endpoint"),
    Trouble("a notebook never ends", "not finished after", process="fabric.notebook_job"),
    Trouble("a refresh never ends", "not finished after", process="powerbi.refresh"),
    refused("DNS is changing", "godaddy.put_records", 409, "CONFLICT"),
    refused("an item's name is reserved", "fabric.create_lakehouse", 400, "ItemDisplayNameNotAvailableYet"),
    refused("a workspace's name is reserved", "fabric.create_workspace", 400, "WorkspaceNameIsReserved"),
    Trouble(
        "throttling outlasts the run", "HTTP 429", call="fabric.create_workspace",
        plan={"kind": "throttle", "retry_after": HOUR},
    ),
    down("vercel"),
    down("entra"),
    down("supabase"),
    down("fabric", chapter="rollback"),
    down("godaddy", chapter="rollback"),
)  # fmt: skip


ALL = os.environ.get("FAULTS") == "all"
SAMPLE = {"an import stays Publishing", "DNS is changing", "throttling outlasts the run", "fabric is down"}


@pytest.mark.parametrize(
    "trouble",
    [one for one in TROUBLES if ALL or one.name in SAMPLE],
    ids=lambda trouble: f"{trouble.chapter}: {trouble.name}",
)
def test_the_wait_ends_reason_and_next_time_are_told_and_it_goes_on_by_itself(stage: Stage, trouble: Trouble) -> None:
    lab, story = stage.lab, Story(stage.lab)
    lab.go_back_to(stage.beginnings[trouble.chapter], operation_deadline=DEADLINE)
    story.begin(trouble.chapter)
    trouble.begin(lab)

    for attempt in range(2):
        lab.time_passes()
        began = datetime.now(UTC)
        for _look in range(LOOKS[trouble.chapter]):
            story.turn(trouble.chapter)
        told = organization(lab)
        assert told["claimed_by_run"] is None
        assert trouble.words in told["status_reason"]
        assert "It goes on by itself at " in told["status_reason"]
        least = max(FIRST_WAIT * 2**attempt if trouble.chapter == "provisioning" else FIRST_WAIT, trouble.asked)
        assert told["next_attempt_at"] - began >= least
        lab.answers("update organizations set next_attempt_at = next_attempt_at + interval '1 hour' returning id")
        runs = len(lab.runs.known)
        story.turn(trouble.chapter)
        assert len(lab.runs.known) == runs, "it did not wait for its time"

    trouble.end(lab)
    ending = story.tell(trouble.chapter)

    assert ending.reached, ending.why
    assert story.helped == 0
    assert not difference(whole(lab), stage.ends[trouble.chapter])


@pytest.mark.parametrize("vendor", ["supabase", "fabric", "entra"] if ALL else ["supabase"])
def test_going_live_waits_for_a_vendor_who_is_away_and_the_approval_stands(stage: Stage, vendor: str) -> None:
    lab, story, trouble = stage.lab, Story(stage.lab), down(vendor, chapter="go_live")
    lab.go_back_to(stage.beginnings["go_live"], operation_deadline=DEADLINE)
    story.begin("go_live")
    trouble.begin(lab)

    story.turn("go_live")
    assert organization(lab)["deployment_status"] == "pending_qa"
    trouble.end(lab)
    ending = story.tell("go_live")

    assert ending.reached, ending.why
    assert story.helped == 0
    assert not difference(whole(lab), stage.ends["go_live"])


def organization(lab: Lab) -> dict[str, Any]:
    """The tenant's row."""
    [[row]] = lab.answers("select * from organizations")
    return row
