"""Every byte that the running stack wrote, searched for what nobody may read: last of the journeys, so that all are searched."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil
import psycopg
import pytest
from dotenv import dotenv_values
from psycopg import sql

from tenant_provisioning.embedded.watchdog import MARKER
from tenant_provisioning.store import organizations
from tenant_provisioning.store.database import open_database
from tenant_provisioning.store.vault import Vault

Journey = Any
pytestmark = pytest.mark.journey

SECRET_SETTINGS = (
    "ENTRA_CLIENT_SECRET", "GODADDY_API_SECRET", "VERCEL_TOKEN", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY",
)  # fmt: skip
ADA = {"email": "ada@secretive.example", "first_name": "Ada", "last_name": "Admin"}
REQUEST = {
    "name": "Secretive College", "subdomain": "secretive", "lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT",
    "super_users": [ADA],
}  # fmt: skip
TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.")  # a JSON Web Token, whoever issued it
LINK = re.compile(rb"token=([\w-]{16,})")
# what is a vendor's own, what must hold secrets, and what is read as a dump instead
ELSEWHERE = ("simulator", "secrets", "postgres", "mail", "catalog", "up.env")


def test_secrets_are_found_only_where_they_must_be_and_there_encrypted(
    journey: Journey, type_command: Any, eventually: Any
) -> None:
    go_live(journey, type_command, eventually)
    mails = b"".join(path.read_bytes() for path in (journey.data_dir / "mail").rglob("*") if path.is_file())
    # quoted-printable breaks a link over lines and writes its = as =3D
    links = set(LINK.findall(mails.replace(b"=\n", b"").replace(b"=\r\n", b"").replace(b"=3D", b"=")))
    planted = {**secret_settings(journey), **connection_strings(journey)}
    planted |= {f"link {number}": link for number, link in enumerate(links)}
    assert links, "no mail with a link: nothing was searched for"

    found = [
        f"{name} in {place}"
        for place, content in written(journey)
        for name, secret in planted.items()
        if secret in content
    ]
    found += [f"a token in {place}" for place, content in written(journey) if TOKEN.search(content)]
    found += [
        f"a super user's address in {place}"
        for place, content in written(journey)
        if ADA["email"].encode() in content and not place.startswith("database platform")
    ]

    assert not found


def go_live(journey: Journey, type_command: Any, eventually: Any) -> None:
    """A customer of this test's own, from the form to its users' mail."""

    def status() -> str:
        return str(json.loads(type_command("status", "secretive", "--json").stdout)["status"])

    assert type_command("onboard", "-", stdin=json.dumps(REQUEST)).exit_code == 0
    eventually(lambda: status() == "pending_qa" or None, "secretive waits for QA", 240)
    for item in ("reports_load", "signed_in_as_super_user", "subdomain_opens"):
        assert type_command("checklist", "secretive", item, "--done").exit_code == 0
    done = type_command("approve", "secretive")
    assert done.exit_code == 0, done.output
    eventually(lambda: status() == "active" or None, "secretive is live", 240)
    eventually(
        lambda: (
            json.loads(type_command("status", "secretive", "--json").stdout)["mails"]
            .get("platform_ready", {})
            .get("sent")
        ),
        "its invitation went out",
        60,
    )


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
