"""The letter of go live, and the link that is filled in while it is sent."""

import html

from tenant_provisioning.steps import letters

NASTY = '<script>alert("&")</script>'
LINK = "https://project.example/verify?token=abc&type=recovery&redirect_to=https://acme.yourplatform.com/set-password"


def test_the_letter_says_where_the_platform_is_and_has_a_place_for_one_link_in_text_and_html() -> None:
    letter = letters.platform_ready("Training Platform", "Acme Training", "Ada", "acme.yourplatform.com")

    assert (letter.kind, letter.subject) == ("platform_ready", "Training Platform: your platform is ready")
    for body in (letter.text, letter.html):
        assert "Hello Ada," in body
        assert "https://acme.yourplatform.com" in body
        assert body.count(letters.LINK) == 1


def test_the_link_is_filled_in_whole_and_escaped_where_it_is_markup() -> None:
    letter = letters.platform_ready("Training Platform", "Acme Training", "Ada", "acme.yourplatform.com")

    text, marked_up = letters.with_link(letter.text, letter.html, LINK)

    assert f"\n{LINK}\n" in text
    assert f'href="{html.escape(LINK)}"' in marked_up
    assert letters.LINK not in text + marked_up


def test_a_letter_without_a_place_for_a_link_gets_none() -> None:
    letter = letters.being_prepared("Training Platform", "Acme Training", "Ada")

    assert letters.with_link(letter.text, letter.html, LINK) == (letter.text, letter.html)


def test_names_are_escaped_and_nothing_loads() -> None:
    letter = letters.platform_ready(f"P{NASTY}", f"O{NASTY}", f"F{NASTY}", "acme.yourplatform.com")

    assert "<script" not in letter.html
    assert all(loading not in letter.html for loading in ("src=", "url(", "<img", "<link"))
    assert f"O{NASTY}" in letter.text
