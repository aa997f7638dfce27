import string

from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.steps.tmdl import point_to

TEMPLATE = """expression DatabaseQuery =
\t\tlet
\t\t\tdatabase = Sql.Database("template.datawarehouse.fabric.microsoft.com", "0b1c")
\t\tin
\t\t\tdatabase
"""


def test_the_model_reads_the_new_server_and_database() -> None:
    text, changed = point_to(TEMPLATE, "acme.example", "42")

    assert changed == 1
    assert 'Sql.Database("acme.example", "42")' in text
    assert text.replace('"acme.example", "42"', '"template.datawarehouse.fabric.microsoft.com", "0b1c"') == TEMPLATE


def test_calls_in_comments_and_strings_stay_as_they_are() -> None:
    kept = '// Sql.Database("a", "b")\n/* Sql.Database("a", "b") */ x = "Sql.Database(""a"", ""b"")"\n'

    assert point_to(kept, "s", "d") == (kept, 0)


def test_options_after_the_database_stay() -> None:
    text, changed = point_to('Sql.Database("a", "b", [CommandTimeout = #duration(0, 1, 0, 0)])', "s", "d")

    assert (text, changed) == ('Sql.Database("s", "d", [CommandTimeout = #duration(0, 1, 0, 0)])', 1)


@given(st.text(string.printable), st.text(string.printable))
def test_whatever_the_names_hold_they_stay_inside_their_quotes(server: str, database: str) -> None:
    text, _ = point_to('Sql.Database("a", "b")', server, database)

    quoted = [name.replace('"', '""') for name in (server, database)]
    assert text == f'Sql.Database("{quoted[0]}", "{quoted[1]}")'
