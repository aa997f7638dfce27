"""T-SQL over TDS, for warehouses and SQL databases of Fabric and of Azure: a batch is sent, and rows come back.

python-tds speaks the protocol and blocks, so it works in a thread. Sign-in is by a token of Microsoft Entra and by
nothing else, over TLS with the host checked. What is asked is `steps`' business; nothing here knows a table.
"""

import asyncio
import atexit
import re
import socket
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import certifi
import OpenSSL.SSL
import pytds
import pytds.tls

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.vendors._http import Pending, poll
from tenant_provisioning.vendors.microsoft import SQL_SCOPE, EntraTokens

VENDOR = "SQL"
PORT = 1433
PATIENCE = 10  # times the seconds of a call: a warehouse takes its time over a script
SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
# "Transient fault error codes" of learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
PASSING = frozenset({4221, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920})
LOGIN_FAILED = (4060, 18456)
END_OF_BATCH = re.compile(r"^[ \t]*GO[ \t]*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class SqlDatabase:
    """Where SQL is spoken: a server's host name, and the database on it."""

    server: str
    database: str


class Sql:
    """Data stores' SQL as one service principal; every call has a connection of its own.

    `gateway` (host, port) is connected to instead of the server that is named, which stays the one that TLS and sign-in mean.
    """

    def __init__(
        self,
        tokens: EntraTokens,
        *,
        ca_file: Path | None = None,
        timeout: float = 30,
        gateway: tuple[str, int] | None = None,
    ) -> None:
        self._tokens, self._timeout, self._gateway = tokens, timeout, gateway
        self._ca_file = _authorities(ca_file)

    async def run(self, at: SqlDatabase, script: str, *, operation: str) -> None:
        """Every batch of the script (they are parted by lines that say GO) is carried out, in order.

        Raises VendorRejected with the server's words where one is refused, VendorUnavailable where nobody answers.
        """
        await self._call(at, END_OF_BATCH.split(script), operation)

    async def query(self, at: SqlDatabase, statement: str, *, operation: str) -> tuple[tuple[Any, ...], ...]:
        """The rows that the statement answers."""
        return await self._call(at, [statement], operation)

    async def wait_until_open(self, at: SqlDatabase, *, deadline: float) -> None:
        """Return when a database just made lets us in: what its maker is granted there arrives after it."""

        async def check() -> bool | Pending:
            try:
                await self.query(at, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES", operation="sign in")
            except VendorError as closed:
                if not (isinstance(closed, VendorUnavailable) or self.refuses_sign_in(closed)):
                    raise
                return Pending(closed.message)
            return True

        await poll(VENDOR, "sign in", check, deadline=deadline)

    @staticmethod
    def refuses_sign_in(error: VendorError) -> bool:
        """Whether the database is there, perhaps, but not for us."""
        return error.vendor == VENDOR and error.code in {str(number) for number in LOGIN_FAILED}

    async def _call(self, at: SqlDatabase, batches: Iterable[str], operation: str) -> tuple[tuple[Any, ...], ...]:
        token = await self._tokens.token(SQL_SCOPE)
        try:
            return await asyncio.to_thread(self._carry_out, at, [batch for batch in batches if batch.strip()], token)
        except pytds.DatabaseError as refusal:
            raise _error(operation, at, refusal) from None
        except OpenSSL.SSL.Error as mistrust:
            raise VendorRejected(
                VENDOR,
                operation,
                f"the certificate of {at.server} is of no authority that we trust: look at TLS_CA_FILE",
            ) from mistrust
        except (OSError, pytds.Error) as silence:
            if "Certificate does not match" in str(silence):
                raise VendorRejected(
                    VENDOR, operation, f"the certificate at {at.server} is another host's"
                ) from silence
            cause = silence.__cause__ or silence  # python-tds tells its own waiting first
            said = f"{at.server} cannot be reached: {type(cause).__name__}: {cause}"
            raise VendorUnavailable(VENDOR, operation, said) from silence

    def _carry_out(self, at: SqlDatabase, batches: list[str], token: str) -> tuple[tuple[Any, ...], ...]:
        rows: tuple[tuple[Any, ...], ...] = ()
        with (
            socket.create_connection(self._gateway or (at.server, PORT), timeout=self._timeout) as wire,
            pytds.connect(
                at.server,
                at.database,
                sock=wire,
                port=PORT,
                cafile=self._ca_file,
                access_token_callable=lambda: token,
                timeout=PATIENCE * self._timeout,
                login_timeout=self._timeout,
                disable_connect_retry=True,  # it would try the same, closed socket again
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for batch in batches:
                cursor.execute(batch)
                rows = tuple(map(tuple, cursor.fetchall())) if cursor.description else ()
        return rows


@lru_cache
def _authorities(extra: Path | None) -> str:
    """The file with the usual authorities and, where given, the one in `extra` (PEM): python-tds takes one file."""
    if extra is None:
        return certifi.where()
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as both:
        both.write(Path(certifi.where()).read_text() + "\n" + extra.read_text())
    atexit.register(Path(both.name).unlink, missing_ok=True)
    return both.name


def _error(operation: str, at: SqlDatabase, refusal: Any) -> VendorRejected | VendorUnavailable:
    number = getattr(refusal, "msg_no", None) or getattr(refusal, "number", None)
    said = " ".join(str(refusal.args[0] if refusal.args else refusal).split())[:400].rstrip(".")
    hint = ""
    if number in LOGIN_FAILED:
        hint = f": give the service principal access to the database {at.database} on {at.server}"
    kind = VendorUnavailable if number is None or number in PASSING else VendorRejected
    return kind(VENDOR, operation, said + hint, code=str(number) if number else None)


def _names_host(cert: Any, name: bytes) -> bool:
    """Whether the certificate is the host's, by its subject alternative names; a star stands for one label."""
    host = name.decode("ascii").lower()
    for extension in cert.to_cryptography().extensions:
        if extension.oid.dotted_string == SUBJECT_ALTERNATIVE_NAME:
            named = [str(one.value).lower() for one in extension.value]
            return host in named or f"*.{host.partition('.')[2]}" in named
    return False


# python-tds 1.17 asks pyOpenSSL for X509.get_extension, which pyOpenSSL no longer has; without this every host would be refused
pytds.tls.validate_host = _names_host
