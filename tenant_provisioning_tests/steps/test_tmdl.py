import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenant_provisioning.steps.tmdl import NotUnderstood, quoted, repoint

TEMPLATE = """expression DatabaseQuery =
\t\tlet
\t\t\tdatabase = Sql.Database("template.datawarehouse.fabric.microsoft.com", "0b1c")
\t\tin
\t\t\tdatabase
\tlineageTag: 0d2f6c1e-2b5a-4c57-9a0f-6d7d3c1f6b11
"""
OLD = 'Sql.Database("old.example", "template")'
NEW = 'Sql.Database("acme.example", "42")'


def point(text: str, server: str = "acme.example", database: str = "42") -> tuple[str, int]:
    files, changed = repoint({"definition/expressions.tmdl": text}, server, database)
    return files["definition/expressions.tmdl"], changed


def test_the_model_reads_the_new_server_and_database() -> None:
    text, changed = point(TEMPLATE)

    assert changed == 1
    assert NEW in text
    assert text.replace('"acme.example", "42"', '"template.datawarehouse.fabric.microsoft.com", "0b1c"') == TEMPLATE


def test_calls_in_comments_and_strings_of_an_expression_stay_as_they_are() -> None:
    kept = 'expression X = // Sql.Database("a", "b")\n\t\t/* Sql.Database("a", "b") */ "Sql.Database(""a"", ""b"")"\n'

    assert point(kept) == (kept, 0)


@pytest.mark.parametrize(
    "kept",
    [
        f"/// {OLD}\ntable learners\n",
        f"table 'He said \"hi\" // {OLD}'\n\tcolumn id\n",
        f"annotation it's = \" {OLD}\n",
        f"\tmeasure 'how many' = \"{OLD.replace(chr(34), chr(34) * 2)}\"\n",
        f'\tpartition p = calculated\n\t\tsource = -- {OLD}\n\t\t\t\tROW("n", 1)\n',
        f"\tpartition p = entity\n\t\tsource = {OLD}\n",
    ],
    ids=["description", "name", "annotation", "measure", "calculated_table", "entity"],
)
def test_what_is_no_m_stays_whatever_it_quotes(kept: str) -> None:
    text = kept + TEMPLATE + kept

    changed, calls = point(text)

    assert calls == 1
    assert changed == kept + point(TEMPLATE)[0] + kept


@pytest.mark.parametrize(
    "place",
    [
        "expression X = {}\n",
        "expression 'It''s X' =\n\t\t{}\n\n\tlineageTag: 1\n",
        "expression X = ```\n\t\tlet a = {}\nin a\n```\n",
        "table t\n\n\tpartition 'p x' = m\n\t\tsource =\n\t\t\t\tlet a = {}\n\n\t\t\t\tin a\n\n\tannotation A = 1\n",
        "table t\n\n\trefreshPolicy\n\t\tsourceExpression = {}\n",
        "table t\r\n\tpartition p = m\r\n\t\tsource =\r\n\t\t\t\t{}\r\n",
    ],
)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, NEW),
        ('Sql.Database ( "a" , "b" )', 'Sql.Database ( "acme.example" , "42" )'),
        ('Sql.Database("a", /* the old "b" */ "b")', 'Sql.Database("acme.example", /* the old "b" */ "42")'),
        (
            'Sql.Database("a", "b", [CreateNavigationProperties = false])',
            f"{NEW[:-1]}, [CreateNavigationProperties = false])",
        ),
    ],
)
def test_every_place_that_holds_m_is_rewritten(place: str, old: str, new: str) -> None:
    assert point(place.format(old)) == (place.format(new), 1)


def test_where_a_call_names_parameters_their_values_are_changed() -> None:
    meta = 'meta [IsParameterQuery=true, Type="Text"]'
    files = {
        "definition/expressions.tmdl": f'expression Server = "old" {meta}\n\nexpression \'The Database\' = "old" {meta}\n\n'
        f'expression Another = "old" {meta}\n',
        "definition/tables/t.tmdl": '\tpartition t = m\n\t\tsource = Sql.Database(Server, #"The Database")\n',
    }

    changed, calls = repoint(files, "acme.example", "42")

    assert calls == 1
    assert changed["definition/tables/t.tmdl"] == files["definition/tables/t.tmdl"]
    assert changed["definition/expressions.tmdl"] == (
        f'expression Server = "acme.example" {meta}\n\nexpression \'The Database\' = "42" {meta}\n\n'
        f'expression Another = "old" {meta}\n'
    )


@pytest.mark.parametrize(
    "call",
    [
        'Sql.Databases("a")',
        'Sql.Database("a" & "b", "c")',
        "Sql.Database(Server, Database)",
        "let f = Sql.Database in f(1)",
    ],
)
def test_a_source_that_cannot_be_rewritten_is_refused_and_never_left(call: str) -> None:
    with pytest.raises(NotUnderstood):
        point(f"expression X = {call}\n")


def test_what_only_resembles_the_call_is_none() -> None:
    kept = "expression X = MySql.Database(1) + Sql.DatabaseName + x.Sql.Database\n"

    assert point(kept) == (kept, 0)


@given(st.text(string.printable), st.text(string.printable))
@example("#(lf)", '"')
def test_whatever_the_names_hold_they_stay_inside_their_quotes(server: str, database: str) -> None:
    text, _ = point(f"expression X = {OLD}\n", server, database)

    assert text == f"expression X = Sql.Database({quoted(server)}, {quoted(database)})\n"
    for name in (server, database):  # read back as M reads a text
        assert quoted(name)[1:-1].replace('""', '"').replace("#(#)", "#") == name


JUNK = st.text(st.sampled_from("abc'\"`#/*- =()\\\t{}"), max_size=30).map(lambda text: text.replace("```", "`"))
M_STRING = JUNK.map(lambda text: quoted(text + OLD))
M_COMMENT = JUNK.map(lambda text: f"/* {text.replace('*/', '')} {OLD} */") | JUNK.map(
    lambda text: f"// {text} {OLD}\n\t\t\t\t"
)
M = st.lists(M_STRING | M_COMMENT | st.sampled_from(["x", " + ", '#"a b"', "CALL", "1"]), max_size=6).map(" ".join)
LINES = st.one_of(
    JUNK.map(lambda text: f"/// {text} {OLD}\n"),
    JUNK.map(lambda text: f"\tannotation PBI_Junk = {text} {OLD}\n"),
    JUNK.map(lambda text: f"\tcolumn '{text.replace(chr(39), chr(39) * 2)}'\n"),
    JUNK.map(lambda text: f"\tmeasure m =\n\t\t\t{text} -- {OLD}\n"),
    M.map(lambda text: f"expression E = {text}\n"),
    M.map(lambda text: f"expression E =\n\t\tlet\n\t\t\t\tx = {text}\n\t\tin x\n\tlineageTag: 1\n"),
    M.map(lambda text: f"\tpartition 'p' = m\n\t\tsource =\n\t\t\t\t{text}\n"),
)


@given(st.lists(LINES, max_size=8).map("".join))
def test_calls_are_rewritten_and_nothing_else_is_whatever_stands_around_them(document: str) -> None:
    text, changed = point(document.replace("CALL", OLD))

    assert text == document.replace("CALL", NEW)
    assert changed == document.count("CALL")
