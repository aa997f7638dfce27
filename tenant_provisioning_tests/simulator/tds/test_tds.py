"""SQL as python-tds speaks it, which somebody else wrote: signed in with a token, over TLS, at the host that is named."""

import socket
from collections.abc import Callable
from typing import Any

import pytds
import pytest

TEMPLATE = ("training-platform-sql.database.windows.net", "template")


@pytest.fixture
def ask(simulator: Any, tokens: Callable[[str], str]) -> Callable[..., Any]:
    """Rows that a batch answers, asked as the service principal or with another token."""

    def ask(batch: str, at: tuple[str, str] = TEMPLATE, token: str | None = None) -> Any:
        signed = token or tokens("sql")
        with (
            socket.create_connection(("127.0.0.1", simulator.tds_port), timeout=10) as wire,
            pytds.connect(
                at[0], at[1], sock=wire, port=1433, cafile=str(simulator.ca_file), access_token_callable=lambda: signed,
                timeout=10, autocommit=True, disable_connect_retry=True, validate_host=False,
            ) as connection,
            connection.cursor() as cursor,
        ):  # fmt: skip
            cursor.execute(batch)
            return cursor.fetchall() if cursor.description else []

    return ask


def test_tables_are_made_filled_and_told(ask: Callable[..., Any]) -> None:
    ask(
        "CREATE TABLE dbo.visits (id varchar(36) NOT NULL, seen datetime2(3)); INSERT INTO dbo.visits (id) VALUES ('it''s')"
    )

    assert ("visits",) in ask("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")
    assert ask("SELECT id FROM dbo.visits") == [("it's",)]


def test_users_are_told_and_dropped(ask: Callable[..., Any]) -> None:
    assert ask("SELECT name FROM sys.database_principals WHERE principal_id > 4") == [
        ("template_reader",), ("template_loader",)
    ]  # fmt: skip

    ask("DROP USER [template_reader]")

    assert ask("SELECT name FROM sys.database_principals WHERE principal_id > 4") == [("template_loader",)]


@pytest.mark.parametrize(
    ("batch", "number"),
    [
        ("SELEKT 1", 102),
        ("SELECT id FROM dbo.nothing", 208),
        ("SELECT nothing FROM dbo.tenant", 207),
        ("CREATE TABLE dbo.tenant (id int)", 2714),
        ("DROP USER [nobody]", 15151),
        ("DROP USER [template_loader]", 15138),
        ("ALTER AUTHORIZATION ON SCHEMA::[nothing] TO dbo", 15151),
    ],
)
def test_what_is_wrong_is_refused_in_the_servers_words(ask: Callable[..., Any], batch: str, number: int) -> None:
    with pytest.raises(pytds.DatabaseError) as refusal:
        ask(batch)

    assert refusal.value.msg_no == number


def test_a_database_that_is_not_there_cannot_be_opened(ask: Callable[..., Any]) -> None:
    with pytest.raises(pytds.DatabaseError) as refusal:
        ask("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES", at=(TEMPLATE[0], "nothing"))

    assert refusal.value.msg_no == 18456
    assert 'Cannot open database "nothing"' in str(refusal.value)


def test_a_token_for_another_audience_does_not_sign_in(ask: Callable[..., Any], tokens: Callable[[str], str]) -> None:
    with pytest.raises(pytds.DatabaseError) as refusal:
        ask("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES", token=tokens("arm"))

    assert refusal.value.msg_no == 18456
