"""What exists after a case, in words that are the same for every run: ids become names, times and counts of attempts go."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenant_provisioning_tests.faults.lab import PLANTED, Lab

TEMPLATES = "Platform templates"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MADE_UP = re.compile(r"[a-z0-9]+(?=\.(datawarehouse\.fabric\.microsoft|vercel-dns))")
TOLD = re.compile(r"eyJ[\w-]{20,}\.|Server=[^;\s]+;Database=|postgres:[^@\s]+@|token(_hash)?=[\w-]{8,}|@acme\.example")
DROPPED = {
    "id", "attempt", "sequence", "rollback_attempt", "status_reason", "run_id", "reason", "operation_id", "import_id",
    "attempts", "last_error", "evidence", "evidence_hash", "message_id", "body_text", "body_html", "claimed_by_run",
    "waits", "again_at",
}  # fmt: skip
PASSING = {"claimed_at", "handed_over_at", "activated_at", "checks_requested_at", "next_attempt_at", "not_before"}
QUERIES = {
    "organizations": "select * from organizations",
    "users": "select * from users",
    "organization_modules": "select * from organization_modules",
    "organization_powerbi_reports": "select * from organization_powerbi_reports",
    "subscriptions": "select * from subscriptions",
    "onboarding_requests": "select * from onboarding_requests",
    "provisioned_artifacts": "select * from provisioned_artifacts where state <> 'removed'",
    "provisioning_steps": "select * from provisioning_steps",
    "approvals": "select * from approvals where lapsed_at is null",
    "qa_manual_items": "select * from qa_manual_items",
    "email_outbox": "select *, state = 'sending' and handed_over_at is not null as uncertain from email_outbox",
    "qa_results": """select distinct on (organization_id, check_name) organization_id, check_name, outcome, found
                     from qa_results order by organization_id, check_name, id desc""",
}


@dataclass(frozen=True)
class Whole:
    """Things at the vendors and mails, counted, and the rows of the database."""

    things: "Counter[str]"
    mails: "Counter[str]"
    rows: "Counter[str]"


@dataclass(frozen=True)
class Difference:
    """What a state has and lacks beside the clean run's."""

    duplicates: tuple[str, ...]
    orphans: tuple[str, ...]
    missing: tuple[str, ...]
    mails_twice: tuple[str, ...]
    rows: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.orphans or self.missing or self.mails_twice or self.rows)


def whole(lab: Lab) -> Whole:
    """The laboratory's state as it is now."""
    snapshot, mails = lab.world.ask("snapshot"), lab.world.ask("mails")
    names, answers = _names(snapshot), dict(zip(QUERIES, lab.answers(*QUERIES.values()), strict=True))
    for row in answers["organizations"]:
        names[str(row["id"])] = "the organization"
    arrived = {(recipient, subject) for recipient, subject, _ in mails}
    return Whole(
        Counter(_told(thing, names) for thing in _things(snapshot)),
        Counter(f"“{subject}” to {recipient}" for recipient, subject, _ in mails),
        Counter(
            f"{table}: {_told(_row(table, row, names, arrived), names)}"
            for table, rows in answers.items()
            for row in rows
        ),
    )


def difference(found: Whole, clean: Whole) -> Difference:
    """How the state found differs from the clean run's."""
    extra = found.things - clean.things
    names = {_name(thing) for thing in clean.things}
    duplicates = tuple(
        sorted(thing for thing in extra if _count(found, thing) > _count(clean, thing) and _name(thing) in names)
    )
    return Difference(
        duplicates=duplicates,
        orphans=tuple(sorted(thing for thing in extra if _name(thing) not in names)),
        missing=tuple(sorted(clean.things - found.things)) + tuple(sorted(clean.mails - found.mails)),
        mails_twice=tuple(sorted(found.mails - clean.mails)),
        rows=tuple(
            sorted([*(f"+ {row}" for row in found.rows - clean.rows), *(f"- {row}" for row in clean.rows - found.rows)])
        ),
    )


def secrets_in(text: str) -> list[str]:
    """The planted secrets, and what looks like a token, a connection string or an address, that the text gives away."""
    found = [name for name, secret in PLANTED.items() if secret in text]
    return found + sorted({match[0][:12] for match in TOLD.finditer(text)})


def _things(snapshot: dict[str, Any]) -> Iterator[str]:
    """A sentence a thing; what comes before the first “:” names it."""
    for project, hosts in snapshot["vercel"]["projects"].items():
        yield from (f"host {host} of {project}:" for host in hosts)
    for domain, records in snapshot["godaddy"]["domains"].items():
        yield from (f"record {one['type']} {one['name']}.{domain}: {one['data']}" for one in records)
    for space in snapshot["fabric"]["workspaces"]:
        if space["displayName"] == TEMPLATES:
            continue
        yield f"workspace {space['displayName']}: {space['description']} on {space['capacityId']}"
        for item in space["items"]:
            if item["type"] == "SQLEndpoint":
                continue  # Fabric makes and removes it by itself
            rest = {key: value for key, value in item.items() if key not in {"id", "type", "displayName"}}
            yield f"{item['type']} {item['displayName']} in {space['displayName']}: {sorted(rest.items())}"
    for one in snapshot["fabric"]["connections"]:
        yield f"connection {one['displayName']}: {one['path']} {one['credentialsAccepted']}"
    for user in snapshot["supabase"]["users"]:
        if not user["deleted"]:
            yield f"user {user['email']}: {user['id']} {sorted(user['app_metadata'].items())} {user['banned']}"


def _name(thing: str) -> str:
    return thing.partition(":")[0]


def _count(state: Whole, thing: str) -> int:
    return sum(count for one, count in state.things.items() if _name(one) == _name(thing))


def _names(snapshot: dict[str, Any]) -> dict[str, str]:
    """What each vendor's id stands for. Of two things with one name each keeps the name: their number tells them apart."""
    names = {}
    for space in snapshot["fabric"]["workspaces"]:
        names[space["id"]] = f"<{space['displayName']}>"
        for item in space["items"]:
            names[item["id"]] = f"<{item['type']} {item['displayName']}>"
    for one in snapshot["fabric"]["connections"]:
        names[one["id"]] = "<connection>"
    for user in snapshot["supabase"]["users"]:
        names[user["id"]] = f"<user {user['email']}>"
    return names


def _told(text: str, names: dict[str, str]) -> str:
    return MADE_UP.sub("…", ID.sub(lambda found: names.get(found[0], "<another id>"), text))


def _row(table: str, row: dict[str, Any], names: dict[str, str], arrived: set[tuple[str, str]]) -> str:
    if table == "email_outbox" and row.pop("uncertain") and (row["recipient"], row["subject"]) in arrived:
        # nobody can know that it has arrived, and it is not sent again: that is as good as sent
        row["state"], row["sent_at"] = "sent", datetime.now()  # noqa: DTZ005
    return str(sorted(
        (column, _value(column, value)) for column, value in row.items() if column not in DROPPED and column not in PASSING
    ))  # fmt: skip


def _value(column: str, value: Any) -> str:
    if column == "data_store_connection" and value is not None:
        return "encrypted" if str(value).startswith("v1.") else "IN THE CLEAR"
    if isinstance(value, datetime):
        return "at a time"
    if isinstance(value, dict):
        return str(sorted((key, _value(key, inner)) for key, inner in value.items() if key not in DROPPED))
    return str(value)
