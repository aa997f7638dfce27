"""What we write to a customer's super users, as HTML and as text. Sending is `delivery`'s business.

No letter holds a credential. The only secret one may ever hold is a single-use link, and a letter that is kept has a place for it
instead: the link is filled in while the letter is sent.
"""

import html
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

PLATFORM_READY = "platform_ready"
LINK = "[single-use link]"


@dataclass(frozen=True)
class Letter:
    """A letter ready to be queued. `kind` and recipient together make it go out once."""

    kind: str
    subject: str
    text: str
    html: str


def being_prepared(platform: str, organization: str, first_name: str) -> Letter:
    """The welcome in provisioning: the platform is being prepared, and nothing is to be done yet."""
    return _letter(
        "being_prepared", f"{platform} is being prepared for {organization}", platform, organization, first_name
    )


def platform_ready(platform: str, organization: str, first_name: str, host: str) -> Letter:
    """The invitation of go live: choose a password at the organization's own address. Its link is yet to be filled in."""
    subject = f"{platform}: your platform is ready"
    return _letter(PLATFORM_READY, subject, platform, organization, first_name, host=host, link=LINK)


def with_link(text: str, html_text: str, link: str) -> tuple[str, str]:
    """A letter's text and HTML with the link where its place is."""
    return text.replace(LINK, link), html_text.replace(LINK, html.escape(link))


def _letter(kind: str, subject: str, platform: str, organization: str, first_name: str, **more: str) -> Letter:
    words = {"subject": subject, "platform": platform, "organization": organization, "first_name": first_name, **more}
    rendered = _environment().get_template(f"{kind}.html").render(words)
    return Letter(kind, subject, _environment().get_template(f"{kind}.txt").render(words), rendered)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tenant_provisioning.steps", "letters"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(["html"]),
    )
