"""T-SQL over TDS to the simulated data stores; what goes wrong is told in the server's words, and no token with it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenant_provisioning.model.errors import VendorRejected, VendorUnavailable
from tenant_provisioning.vendors.microsoft import SQL_SCOPE, EntraTokens
from tenant_provisioning.vendors.sql import Sql, SqlDatabase

pytestmark = pytest.mark.usefixtures("no_waiting")
TEMPLATE = SqlDatabase("training-platform-sql.database.windows.net", "template")
TABLES = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES"


@pytest.fixture
def sql(simulator: Any, tokens: EntraTokens) -> Sql:
    """The client; every data store is reached at the simulator."""
    return Sql(tokens, ca_file=simulator.ca_file, timeout=10, gateway=("127.0.0.1", simulator.tds_port))


async def test_a_script_is_carried_out_batch_by_batch(sql: Sql) -> None:
    script = "-- rooms\nCREATE TABLE dbo.rooms (id varchar(9));\ngo\nINSERT INTO dbo.rooms (id) VALUES ('A')\n  GO  \n"

    await sql.run(TEMPLATE, script, operation="make rooms")

    assert await sql.query(TEMPLATE, "SELECT id FROM dbo.rooms", operation="look") == (("A",),)
    assert ("rooms",) in await sql.query(TEMPLATE, TABLES, operation="look")


async def test_what_the_server_refuses_is_told_in_its_words(sql: Sql) -> None:
    with pytest.raises(VendorRejected, match="look: Invalid object name 'nothing'") as refusal:
        await sql.query(TEMPLATE, "SELECT id FROM dbo.nothing", operation="look")

    assert refusal.value.code == "208"
    assert not sql.refuses_sign_in(refusal.value)


async def test_a_database_that_does_not_let_us_in_is_named_with_what_to_do(sql: Sql, tokens: EntraTokens) -> None:
    with pytest.raises(VendorRejected, match="give the service principal access to the database other") as refusal:
        await sql.query(SqlDatabase(TEMPLATE.server, "other"), TABLES, operation="look")

    assert sql.refuses_sign_in(refusal.value)
    assert await tokens.token(SQL_SCOPE) not in str(refusal.value)


@pytest.mark.parametrize("kind", ["error_before", "lost_response"])
async def test_a_server_that_is_away_is_worth_another_attempt(kind: str, sql: Sql, simulator: Any) -> None:
    simulator.fault("sql", "batch", kind)

    with pytest.raises(VendorUnavailable):
        await sql.query(TEMPLATE, TABLES, operation="look")

    assert await sql.query(TEMPLATE, TABLES, operation="look")


async def test_a_closed_port_is_told_with_the_servers_name(simulator: Any, tokens: EntraTokens) -> None:
    sql = Sql(tokens, ca_file=simulator.ca_file, timeout=2, gateway=("127.0.0.1", 1))

    with pytest.raises(VendorUnavailable, match=f"{TEMPLATE.server} cannot be reached"):
        await sql.query(TEMPLATE, TABLES, operation="look")


@pytest.mark.parametrize("server", ["evil.example", "a.b.database.windows.net", "database.windows.net"])
async def test_a_server_whose_certificate_names_another_gets_no_token(server: str, sql: Sql, simulator: Any) -> None:
    with pytest.raises(VendorRejected, match="is another host's"):
        await asyncio.wait_for(sql.query(SqlDatabase(server, "template"), TABLES, operation="look"), 20)


async def test_a_server_of_an_unknown_authority_gets_no_token(simulator: Any, tokens: EntraTokens) -> None:
    sql = Sql(tokens, timeout=2, gateway=("127.0.0.1", simulator.tds_port))

    with pytest.raises(VendorRejected, match="TLS_CA_FILE"):
        await sql.query(TEMPLATE, TABLES, operation="look")


def test_the_usual_authorities_stay_trusted_beside_the_one_that_is_given(simulator: Any) -> None:
    from tenant_provisioning.vendors.sql import _authorities

    trusted = Path(_authorities(simulator.ca_file)).read_text()

    assert simulator.ca_file.read_text().strip() in trusted
    assert trusted.count("BEGIN CERTIFICATE") > 50
