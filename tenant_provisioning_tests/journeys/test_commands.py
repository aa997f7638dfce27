"""The commands as a person types them, against the running stack."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.store import organizations

Journey = Any
pytestmark = pytest.mark.journey

REQUEST: dict[str, Any] = {
    "name": "Careful College", "subdomain": "careful", "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
    "super_users": [{"email": "jo@careful.com", "first_name": "Jo", "last_name": "Bloggs"}],
}  # fmt: skip


def organizations_there(journey: Journey) -> int:
    return len(journey.in_database(organizations.list_organizations))


def test_every_mistake_is_named_at_once_by_field_and_nothing_is_stored(journey: Journey, type_command: Any) -> None:
    before = organizations_there(journey)
    person = REQUEST["super_users"][0]
    wrong = {
        "name": "",
        "subdomain": "www",
        "lms": "NOSUCH",
        "crm": "HUBSPOT",
        "super_users": [person, person],
        "colour": "red",
    }

    done = type_command("onboard", "-", stdin=json.dumps(wrong))

    assert done.exit_code == 1
    said = {line.partition(":")[0] for line in done.stderr.splitlines()}
    assert {"name", "subdomain", "lms", "english_maths", "super_users.1.email", "colour"} <= said
    assert "Nothing was stored." in done.stderr
    assert organizations_there(journey) == before


@pytest.mark.parametrize("subdomain", ["-acme", "Acme", "acme_1", "a" * 64, "acme.org", "admin"])
def test_a_subdomain_that_cannot_be_is_refused(journey: Journey, type_command: Any, subdomain: str) -> None:
    done = type_command("onboard", "-", stdin=json.dumps({**REQUEST, "subdomain": subdomain}))

    assert done.exit_code == 1
    assert done.stderr.startswith("subdomain: ")


@pytest.mark.usefixtures("customers")
def test_a_subdomain_and_an_email_are_taken_only_once(type_command: Any) -> None:
    person = {**REQUEST["super_users"][0], "email": "jo@acme.com"}

    again = type_command("onboard", "-", stdin=json.dumps({**REQUEST, "subdomain": "acme", "super_users": [person]}))

    assert again.exit_code == 1
    assert "“acme” is taken by another organization" in again.stderr
    assert "super_users.0.email: This email belongs to a user of another organization." in again.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [("{not json", "is not JSON"), ("[" * 100_000, "nested too deeply"), ('"text"', "must be an object")],
)
def test_a_file_that_is_no_request_gets_one_clear_line(
    journey: Journey, type_command: Any, content: str, said: str
) -> None:
    done = type_command("onboard", "-", stdin=content)

    assert done.exit_code == 1
    first, nothing = done.stderr.strip().splitlines()
    assert said in first
    assert nothing == "Nothing was stored."


def test_an_unknown_tenant_and_a_retry_of_what_has_not_failed_are_refused_in_words(
    journey: Journey, type_command: Any
) -> None:
    assert "there is no tenant “nowhere”" in type_command("status", "nowhere").stderr
    assert type_command("status", "nowhere").exit_code == 1


def test_without_a_running_stack_a_command_says_which_settings_are_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from tenant_provisioning.cli import main; main()", "status"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr
    assert "tenant-provisioning up" in done.stderr
    assert "Traceback" not in done.stderr
