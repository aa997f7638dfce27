"""What the vendor mails itself, delivered over SMTP where the project was told a server; else only the record of it stays.

The texts are the vendor's default templates in short.
"""

import smtplib
from dataclasses import dataclass, field
from email.message import EmailMessage

SENDER = "Supabase Auth <noreply@mail.app.supabase.io>"
SECONDS = 10
TEXTS = {
    "magiclink": ("Your Magic Link", "Magic Link", "Follow this link to login:"),
    "signup": ("Confirm Your Signup", "Confirm your signup", "Follow this link to confirm your user:"),
    "invite": ("You have been invited", "You have been invited", "Follow this link to accept the invite:"),
    "email_change": ("Confirm Email Change", "Confirm Change of Email", "Follow this link to confirm the change:"),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail on its way."""

    recipient: str
    kind: str
    link: str = field(repr=False)


def deliver(letter: Letter, port: int) -> None:
    """Hand the letter to the SMTP server on this port of loopback; OSError or SMTPException when it does not take it."""
    subject, title, sentence = TEXTS[letter.kind]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, letter.recipient, subject
    message.set_content(f"{title}\n\n{sentence}\n{letter.link}\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=SECONDS) as server:
        server.send_message(message)
