"""Every byte that the running stack wrote, searched for what nobody may read: last of the journeys, so that all are searched."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import psutil
import psycopg
import pytest
from dotenv import dotenv_values
from psycopg import sql

from tenant_provisioning.embedded.portal import operator_of
from tenant_provisioning.embedded.watchdog import MARKER
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.store import organizations
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.vault import Vault

Journey = Any
pytestmark = pytest.mark.journey

SECRET_SETTINGS = (
    "ENTRA_CLIENT_SECRET", "GODADDY_API_SECRET", "VERCEL_TOKEN", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY",
)  # fmt: skip
JO = b"jo@acme.com"
TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.")  # a JSON Web Token, whoever issued it
LINK = re.compile(rb"token=([\w-]{16,})")
PASSWORD = "planted-hunter2-in-a-connection-string"
OWN_STORE: dict[str, Any] = {
    "name": "Owner College", "subdomain": "owner", "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
    "super_users": [{"email": "jo@owner.example", "first_name": "Jo", "last_name": "Bloggs"}],
    "data_store": {
        "kind": "bring_your_own",
        "workspace_url": "https://app.fabric.microsoft.com/groups/3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "connection_string": f"Server=owner.datawarehouse.fabric.microsoft.com;Database=owner;Password={PASSWORD}",
    },
}  # fmt: skip
HREF = re.compile(r'href="(/[^"#?]*)')
# what is a vendor's own, what must hold secrets, and what is read as a dump instead
ELSEWHERE = ("simulator", "secrets", "postgres", "mail", "catalog", "up.env")


@pytest.mark.usefixtures("customers")
def test_secrets_are_found_only_where_they_must_be_and_there_encrypted(
    journey: Journey, eventually: Any, run: Any
) -> None:
    owner_brings_a_secret_and_fails(journey, run)
    acme_goes_live(eventually, run)
    mails = b"".join(path.read_bytes() for path in (journey.data_dir / "mail").rglob("*") if path.is_file())
    # quoted-printable breaks a link over lines and writes its = as =3D
    links = set(LINK.findall(mails.replace(b"=\n", b"").replace(b"=\r\n", b"").replace(b"=3D", b"=")))
    kept = {**secret_settings(journey), **connection_strings(journey), "the customer's password": PASSWORD.encode()}
    planted = kept | {f"link {number}": link for number, link in enumerate(links)}
    assert links, "no mail with a link: nothing was searched for"

    found = [f"{name} in a mail" for name, secret in kept.items() if secret in mails]
    for place, content in [*written(journey), *pages(journey)]:
        found += [f"{name} in {place}" for name, secret in planted.items() if secret in content]
        if TOKEN.search(content):
            found.append(f"a token in {place}")
        if JO in content and not place.startswith(("database platform", "page")):  # who may see it sees it there
            found.append(f"a super user's address in {place}")

    assert found == []


def owner_brings_a_secret_and_fails(journey: Journey, run: Any) -> None:
    """A form refused and a form accepted, each with a password in it; then a run that fails over what it leads to."""
    refusal = run("onboard", "-", stdin=json.dumps({**OWN_STORE, "subdomain": "not a label"}), refused=True)
    assert PASSWORD not in refusal
    run("onboard", "-", stdin=json.dumps(OWN_STORE))
    assert "the workspace that Owner College brings is not there" in journey.settled("owner").status_reason


def acme_goes_live(eventually: Any, run: Any) -> None:
    """So that a link that lets somebody in has been written and sent."""

    def told() -> dict[str, Any]:
        return dict(json.loads(run("status", "acme", "--json")))

    for item in MANUAL_ITEMS:
        run("checklist", "acme", item)
    run("approve", "acme", "--wait")
    eventually(lambda: told()["mails"].get("platform_ready", {}).get("sent"), "the invitation went out")


def secret_settings(journey: Journey) -> dict[str, bytes]:
    settings = dotenv_values(journey.data_dir / "up.env")
    found = {name: str(settings[name]).encode() for name in SECRET_SETTINGS}
    found["SECRETS_KEY"] = str(settings["SECRETS_KEY"]).partition(":")[2].encode()
    found["DATABASE_URL's password"] = unquote(str(urlsplit(str(settings["DATABASE_URL"])).password)).encode()
    return found


def connection_strings(journey: Journey) -> dict[str, bytes]:
    """The data stores' connection strings, which only their key's owner can read."""

    async def read() -> dict[str, bytes]:
        vault, found = Vault(journey.settings.secrets_key.get_secret_value()), {}
        async with open_database(journey.database_url, max_size=1) as db:
            for one in await organizations.list_organizations(db):
                if sealed := await organizations.get_connection(db, one.id):
                    plain = vault.decrypt(sealed, one.id, "data_store_connection")
                    found[f"connection string of {one.subdomain}"] = plain.encode()
        return found

    found = asyncio.run(read())
    assert found, "no connection string is stored: nothing was searched for"
    return found


def pages(journey: Journey) -> Iterator[tuple[str, bytes]]:
    """The portal's pages as the operator gets them, wherever a link leads; of many alike a few."""
    operator, alike = operator_of(journey.data_dir), Counter[str]()
    with httpx.Client(
        base_url=journey.settings.portal_url, follow_redirects=True, trust_env=False, timeout=60
    ) as browser:
        token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
        assert token is not None
        form = {"csrf": token[1], "next": "/", "email": operator.email, "password": operator.password}
        todo = HREF.findall(browser.post("/sign-in", data=form).text)
        seen: set[str] = set()
        while todo:
            path = todo.pop()
            kind = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", path) if "catalog" not in path else path.rpartition("/")[0]
            alike[kind] += path not in seen
            if path in seen or path.startswith("/static") or alike[kind] > 5:
                continue
            seen.add(path)
            page = browser.get(path)
            todo += HREF.findall(page.text)
            yield f"page {path}", page.content
    assert len(alike) > 5, f"only {sorted(alike)} were looked at: nothing was searched"


def written(journey: Journey) -> Iterator[tuple[str, bytes]]:
    """Logs, compute logs and whatever else lies in the data directory; both databases, row by row; every command line."""
    root: Path = journey.data_dir
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        if path.is_file() and inside.parts[0] not in ELSEWHERE:
            yield str(inside), path.read_bytes()
    for database in ("platform", "dagster"):
        with psycopg.connect(journey.database_url.rpartition("/")[0] + f"/{database}") as connection:
            tables = connection.execute(
                "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for table in tables:
                with connection.cursor().copy(sql.SQL("copy {} to stdout").format(sql.Identifier(*table))) as rows:
                    yield f"database {database}, table {table[1]}", b"".join(bytes(row) for row in rows)
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER):
                yield f"command line of {process.name()}", " ".join(process.cmdline()).encode()
        except (psutil.Error, OSError):
            continue
