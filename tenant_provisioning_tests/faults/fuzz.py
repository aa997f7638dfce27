# ruff: noqa: E501, RUF001 - hostile texts are meant to look like others, and are best read by the line
"""Hostile input, tried by machine: request forms and files, catalogs and .pbix packages. A refusal must be clear and leave nothing.

What each part refuses in detail is tested beside it (`model/test_tenant`, `catalog/test_manifest`, `catalog/test_pbix`).
"""

import asyncio
import io
import json
import random
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tenant_provisioning.catalog.manifest import check_catalog
from tenant_provisioning.catalog.pbix import PbixInvalid, inspect_pbix
from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.catalog.sample_pbix import pbix_bytes
from tenant_provisioning.cli import _read_json
from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning.model import naming
from tenant_provisioning.model.errors import RequestInvalid
from tenant_provisioning.steps import letters
from tenant_provisioning.store.catalog import sync_catalog
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.migrate import migrate
from tenant_provisioning.store.requests import get_form, submit

LONGEST_ANSWER = 4000  # characters: whoever sends 10 MB is not sent them back
HOSTILE: tuple[Any, ...] = (
    "'; drop table organizations; --", "\" or 1=1 --", "$$; select pg_sleep(1) $$", "%s%s%n", "{0.__class__}", "{{7*7}}", "${jndi:x}",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "</td></table><h1>",
    "Acme\r\nBcc: everyone@example.com", "Acme\nBcc: x", "Acme\x0bx", "Acme\u2028x", "\x1b[2J\x1b]0;owned\x07", "log\n2026 ERROR forged",
    "acme.evil.com", "acme..", "*.acme", "@", "_acme", "xn--80ak6aa92e", "acme/../../x", "acme%2e%2e", "a" * 64, "-acme", "acme-", "ACME",
    "../../etc/passwd", "..\\..\\x", "C:\\x", "/etc/passwd", "file:///etc/passwd", "\x00", "Acme\x00", "\ud800", "\ufeff", "\u202eemca",
    "\u200f\u0623\u0643\u0627\u062f\u064a\u0645\u064a\u0629", "אקדמיה", "学院", "Ａｃｍｅ", "é" * 40, "e\u0301" * 40, "👩‍🏫", "Ⅷ", "ﬃ", "İI",
    "O'Brien & Söhne", "[single-use link]", "a@b", "a@b.c", "ada@acme.example,eve@evil.example", "ada@acme.example\nCc: eve@evil.example",
    "\"ada admin\"@acme.example", "ada+tag@acme.example", "ada@[127.0.0.1]", "ada@localhost", "ada@xn--e1afmkfd.example", "ada@пример.example",
    "", " ", "\t", None, True, 0, -1, 1e308, float("nan"), 10**400, [], {}, [[]], {"a": {}}, [None], {"$ne": None}, ["acme"], {"": ""},
)  # fmt: skip
FIELDS = ("name", "subdomain", "domain", "lms", "english_maths", "crm", "hr", "data_store", "super_users")
PERSON = ("email", "first_name", "last_name")


@dataclass
class Tried:
    """What came of all attempts: how many, and everything that went wrong, a sentence each."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Fuzz:
    """One seeded source of hostile input."""

    def __init__(self, seed: int) -> None:
        self._random, self._number = random.Random(seed), 0  # noqa: S311 - repeatable on purpose
        self.tried = Tried()

    def form(self) -> Any:
        """A sound form with one to three things wrong in it, or something that is no form at all."""
        if self._random.random() < 0.05:
            return self._value()
        self._number += 1
        people = [{"email": f"p{self._number}@fuzz.example", "first_name": "Ada", "last_name": "Admin"}]
        form: dict[Any, Any] = {
            "name": f"Fuzz {self._number}", "subdomain": f"fuzz{self._number}", "lms": "APTEM", "english_maths": "BKSB",
            "crm": "HUBSPOT", "super_users": people,
        }  # fmt: skip
        for _ in range(self._random.randint(1, 3)):
            match self._random.randrange(5):
                case 0 | 1:
                    form[self._random.choice(FIELDS)] = self._value()
                case 2 | 3:
                    people[0][self._random.choice(PERSON)] = self._value()
                case _:
                    form[str(self._value())[:200]] = self._value()
        return form

    def _value(self) -> Any:
        chance = self._random.random()
        if chance < 0.01:
            return self._random.choice(["A", "é", "\x00", "<b>", "'"]) * 10_000_000
        if chance < 0.15:
            return "".join(chr(self._random.randrange(0x110000)) for _ in range(self._random.randint(1, 40)))
        if chance < 0.3:
            return f"Acme {self._random.choice([one for one in HOSTILE if isinstance(one, str)])}"
        return self._random.choice(HOSTILE)

    def bytes_like(self, sound: bytes) -> bytes:
        """The bytes with a few pieces changed, cut out or doubled."""
        data = bytearray(sound)
        for _ in range(self._random.randint(1, 4)):
            at, length = self._random.randrange(len(data) or 1), self._random.randint(1, 12)
            match self._random.randrange(4):
                case 0:
                    data[at : at + length] = self._random.randbytes(length)
                case 1:
                    del data[at : at + length]
                case 2:
                    data[at:at] = data[at : at + length * 20]
                case _:
                    data = data[: at + 1]
        return bytes(data)

    async def requests(self, db: Database, times: int) -> None:
        """Forms handed in: stored whole and harmless, or refused with nothing stored."""
        stored = await _rows(db)
        for _ in range(times):
            form = self.form()
            self.tried.counts["requests"] += 1
            try:
                organization = await submit(db, form, requested_by="fuzz", default_domain="yourplatform.com")
            except RequestInvalid as refusal:
                self._note(
                    "refused", len(str(refusal)) > LONGEST_ANSWER, f"an answer of {len(str(refusal))} characters", form
                )
                self._note("", not all(refusal.errors.values()), "a field without a sentence", form)
                self._note("", not str(refusal).isascii() and "\x1b" in str(refusal), "an escape in the answer", form)
            except Exception as error:  # noqa: BLE001 - any other error is a find
                self._note("", True, f"{type(error).__name__}: {str(error)[:200]}", form)
            else:
                stored += 1
                self.tried.counts["stored"] += 1
                self._harmless(
                    organization.name, organization.subdomain, organization.domain, await get_form(db, organization.id)
                )
            now = await _rows(db)
            self._note("", now != stored, f"{now} organizations instead of {stored}", form)
            stored = now

    def _harmless(self, name: str, subdomain: str, domain: str, form: Any) -> None:
        """What a stored form leads to: addresses, names at vendors, and letters."""
        host = naming.host_name(subdomain, domain)
        self._note(
            "", not all(part.replace("-", "").isalnum() and part.isascii() for part in host.split(".")), "host", host
        )
        for made in (
            naming.fabric_workspace_name(name, subdomain),
            naming.dataset_name(name),
            naming.lakehouse_name(subdomain),
        ):
            self._note("", len(made) > 256 or any(ord(one) < 32 for one in made), "a name at a vendor", made)
        for person in form.super_users:
            for letter in (
                letters.being_prepared("Platform", name, person.first_name),
                letters.platform_ready("Platform", name, person.first_name, host),
            ):
                self._note("", any(one in letter.subject for one in "\r\n\x00"), "a subject", letter.subject)
                self._note(
                    "", any(tag in letter.html for tag in ("<script", "<img src=x", "</table><h1>")), "HTML", name
                )
            self._note(
                "",
                any(one in person.email for one in "\r\n,<> ") or person.email.count("@") != 1,
                "an email",
                person.email,
            )

    def files(self, times: int) -> None:
        """Request files: read, or refused."""
        sound = json.dumps({"name": "Acme", "super_users": [{"email": "a@b.example"}]}).encode()
        for _ in range(times):
            self._try("files", lambda: _read_json(io.BytesIO(self.bytes_like(sound))), RequestInvalid)
        self._try("files", lambda: _read_json(io.BytesIO(b"[" * 200_000)), RequestInvalid)
        self._try("files", lambda: _read_json(io.BytesIO(b'{"name": "' + b"A" * 10_000_000)), RequestInvalid)

    def packages(self, folder: Path, times: int) -> None:
        """.pbix packages, damaged ones and hostile ones by turns: facts, or a reason; nothing is unpacked to anywhere."""
        sound, path = pbix_bytes("Fuzz"), folder / "fuzz.pbix"
        before = sorted(folder.rglob("*"))
        for number in range(times):
            path.write_bytes(self.bytes_like(sound) if number % 2 else self._hostile_package(sound))
            self._try("packages", lambda: inspect_pbix(path), PbixInvalid)
        path.unlink(missing_ok=True)
        self._note("", sorted(folder.rglob("*")) != before, "a package has left files", folder)

    def _hostile_package(self, sound: bytes) -> bytes:
        """A sound package in which one part is a bomb, lies about itself, leads out of the folder or is something else."""
        with zipfile.ZipFile(io.BytesIO(sound)) as package:
            parts = [(name, package.read(name)) for name in package.namelist()]
        at = self._random.randrange(len(parts))
        name, data = parts[at]
        prefix = b""
        match self._random.randrange(8):
            case 0:  # a bomb: a few kB that unpack to megabytes
                parts[at] = (
                    name,
                    self._random.choice([b"\0", b"[", b"A\0"]) * self._random.randint(100_000, 2_000_000),
                )
            case 1:
                parts.append((self._random.choice(["../../", "/etc/", "C:\\", "..\\"]) + name, data))
            case 2:
                parts.append((name, data))
            case 3:
                prefix = self._random.choice([b"MZ", b"%PDF-1.7\n", b"\x7fELF", b"GIF89a", b"\x1f\x8b", b"Rar!"])
            case 4:  # a package in a package
                parts[at] = (name, sound)
            case 5:
                parts[at] = (name, str(self._value())[:100_000].encode("utf-16-le", "surrogatepass"))
            case 6:
                parts += [(f"Report/StaticResources/{number}", b"") for number in range(self._random.randint(1, 3000))]
            case _:
                del parts[at]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two parts with one name
            for part, content in parts:
                package.writestr(part, content)
        return prefix + buffer.getvalue()

    def catalogs(self, folder: Path, times: int) -> None:
        """Catalogs: mistakes are listed, whatever stands in a file."""
        for file in (folder / "reports").glob("*.yaml"):
            whole = file.read_bytes()
            file.write_bytes(
                whole[: whole.index(b"\n\n") + 1] if b"\n\n" in whole else whole
            )  # one report a file is enough
        files = [folder / "catalog.yaml", *(folder / "reports").glob("*.yaml")]
        for _ in range(times):
            file = self._random.choice(files)
            sound = file.read_bytes()
            file.write_bytes(self.bytes_like(sound) if self._random.random() < 0.5 else self._hostile_lines(sound))
            self._try("catalogs", lambda: check_catalog(folder), ())
            file.write_bytes(sound)

    def _hostile_lines(self, sound: bytes) -> bytes:
        """A YAML file in which the values of one or two lines are something else, in quotes or without."""
        lines = sound.decode().splitlines()
        for _ in range(self._random.randint(1, 2)):
            at = self._random.randrange(len(lines))
            value = str(self._value())[:50_000]
            said = json.dumps(value) if self._random.random() < 0.7 else value
            lines[at] = f"{lines[at].partition(':')[0]}: {said}"
        return "\n".join(lines).encode("utf-8", "replace")

    def _try(self, what: str, attempt: Callable[[], Any], expected: Any) -> None:
        self.tried.counts[what] += 1
        try:
            attempt()
        except expected:
            self.tried.counts["refused"] += 1
        except Exception as error:  # noqa: BLE001 - any other error is a find
            self._note("", True, f"{what}: {type(error).__name__}: {str(error)[:200]}", "")

    def _note(self, count: str, wrong: bool, what: str, value: Any) -> None:
        if count:
            self.tried.counts[count] += 1
        if wrong:
            self.tried.wrong.append(f"{what}: {ascii(value)[:300]}")


async def _rows(db: Database) -> int:
    async with db.connection() as connection:
        rows = await connection.execute("select count(*) as organizations from organizations")
        row = await rows.fetchone()
    return int(row["organizations"]) if row else 0


async def _all(url: str, times: int, seed: int) -> Tried:
    fuzz = Fuzz(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog = write_sample(folder / "catalog")
        await migrate(url)
        async with open_database(url, max_size=2) as db:
            await sync_catalog(db, catalog)
            await fuzz.requests(db, times)
        fuzz.files(times)
        fuzz.packages(folder, times)
        fuzz.catalogs(folder / "catalog", times)
    return fuzz.tried


@click.command()
@click.option("--times", default=5000, show_default=True, help="Attempts of each kind.")
@click.option("--seed", default=1, show_default=True, help="Where the chance begins.")
def main(*, times: int, seed: int) -> None:
    """Try hostile input. Exit code 0 only when every refusal was clear and nothing was stored that should not be."""
    with throwaway_postgres() as server:
        tried = asyncio.run(_all(server.url("platform"), times, seed))
    for wrong in tried.wrong[:50]:
        click.echo(wrong, err=True)
    click.echo(json.dumps({**tried.counts, "wrong": len(tried.wrong)}))
    raise SystemExit(1 if tried.wrong else 0)


if __name__ == "__main__":
    main()
