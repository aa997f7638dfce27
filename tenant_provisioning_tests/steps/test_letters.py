"""What super users are written before go live."""

import html

from hypothesis import given
from hypothesis import strategies as st

from tenant_provisioning.steps import letters

NASTY = '<script>alert("&")</script>'


def test_the_letter_says_that_the_platform_is_being_prepared_and_for_whom() -> None:
    letter = letters.being_prepared("Training Platform", "Acme Training", "Ada")

    assert letter.kind == "being_prepared"
    assert letter.subject == "Training Platform is being prepared for Acme Training"
    for body in (letter.text, letter.html):
        assert "Hello Ada," in body
        assert "Acme Training" in body
        assert "There is nothing for you to do yet." in body


def test_names_are_escaped_in_html_and_left_as_they_are_in_text() -> None:
    letter = letters.being_prepared(f"P{NASTY}", f"O{NASTY}", f"F{NASTY}")

    assert "<script" not in letter.html
    for name in (f"P{NASTY}", f"O{NASTY}", f"F{NASTY}"):
        assert name in letter.text
        assert name in html.unescape(letter.html)


def test_the_letter_holds_no_link_and_nothing_that_loads() -> None:
    letter = letters.being_prepared("Training Platform", "Acme Training", "Ada")

    for body in (letter.text, letter.html):
        assert "://" not in body
        assert "password:" not in body.lower()
    for loading in ("href", "src=", "url(", "<img", "<link", "<script"):
        assert loading not in letter.html


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_becomes_markup(organization: str, first_name: str) -> None:
    plain = letters.being_prepared("P", "x", "y").html

    written = letters.being_prepared("P", organization, first_name).html

    assert written.count("<") == plain.count("<")
