"""That no test sees what another has left in a database that both have used."""

from collections.abc import Callable

import psycopg
import pytest

from tenant_provisioning_tests.emptied import CATALOG, WITH_THE_SCHEMA, Databases


@pytest.mark.parametrize(
    ("left", "used_again"),
    [
        ("insert into portal_sign_in_attempts (subject_hash) values ('a')", True),
        ("insert into providers values ('lms', 'NEW', 'New')", False),
        ("update report_templates set title = 'Other' where key = (select min(key) from report_templates)", False),
        ("delete from roles where key = 'member'", False),
        ("alter table onboarding_drafts rename to gone", False),
    ],
)
def test_a_database_is_used_again_without_rows_and_only_as_it_was_made(
    new_database: Callable[[], str], left: str, used_again: bool
) -> None:
    with Databases(new_database, kept=(*WITH_THE_SCHEMA, *CATALOG)) as databases:
        with databases.one() as first, psycopg.connect(first) as connection:
            connection.execute(left.encode())
        with databases.one() as second, psycopg.connect(second) as connection:
            counted = "select (select count(*) from portal_sign_in_attempts), (select count(*) from report_templates)"
            rows = connection.execute(counted).fetchone()

    assert (second == first) is used_again
    assert rows == (0, 400)
