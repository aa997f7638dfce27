"""What we write to a customer's super users, as HTML and as text. Sending is the outbox's and the mail client's business.

No letter holds a credential; the only secret one may ever hold is a single-use link, and this module's letters hold none.
"""

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


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


def _letter(kind: str, subject: str, platform: str, organization: str, first_name: str) -> Letter:
    words = {"subject": subject, "platform": platform, "organization": organization, "first_name": first_name}
    html = _environment().get_template(f"{kind}.html").render(words)
    return Letter(kind, subject, _environment().get_template(f"{kind}.txt").render(words), html)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tenant_provisioning.steps", "letters"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(["html"]),
    )
