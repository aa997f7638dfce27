"""What the database announces of organizations, as it happens, over one connection that mends itself."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import psycopg
from psycopg import sql

from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.store.database import connect
from tenant_provisioning.store.progress import CHANNEL

QUIET = 30  # seconds without a word, after which the connection is asked whether it still lives
ANSWER = 10  # seconds it has for that
PAUSES = (0.2, 1, 3, 10)  # seconds between attempts to connect again, the last for ever
log = logging.getLogger(__name__)


async def announcements(url: str) -> AsyncIterator[UUID | None]:
    """The id of each organization in which something has changed; None whenever anything may have been missed.

    Never ends by itself. Listening needs a direct connection: through a transaction pooler nothing is heard.
    """
    failures = 0
    while True:
        try:
            async with await connect(url, autocommit=True) as connection:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(CHANNEL)))
                yield None
                failures = 0
                while True:
                    async for told in connection.notifies(timeout=QUIET):
                        with suppress(ValueError):  # somebody else's word on our channel
                            yield UUID(told.payload)
                    async with asyncio.timeout(ANSWER):
                        await connection.execute("select 1")
        except (SetupError, psycopg.Error, TimeoutError) as failure:
            log.warning("announcements are not heard (%s); listening again", type(failure).__name__)
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1
